// What the text workloads have in common: queries of each split in memory, read-only once open.
#ifndef JB_WORKLOADS_TEXT_TEXT_SET_H
#define JB_WORKLOADS_TEXT_TEXT_SET_H

#include "workloads/workload.h"

// One line of a JSONL file: {"id": ..., "text": ...} and whatever else a workload reads by name.
struct jb_passage {
    const char *id, *text;               // borrowed from the corpus
    const char *target, *system, *user;  // NULL: the line has none
    uint32_t n;                          // 0: none
};
struct jb_corpus { struct jb_passage *passages; uint32_t n; void *memory; };
// Reads NAME (resolved by paths; gzipped or plain; at most 64 MB inflated, a million lines). Errors name file and line. Keys: id text target context system user n source; others are refused.
// "context" and "text" are the same field.
int jb_corpus_open(struct jb_corpus *out, const struct jb_paths *paths, const char *name, struct jb_err *err);
int jb_corpus_parse(struct jb_corpus *out, const char *name, const char *bytes, size_t n_bytes, struct jb_err *err); // copies
void jb_corpus_close(struct jb_corpus *c);

struct jb_text_split { struct jb_text_query *queries; char **owned; uint32_t n, n_owned, room; };
struct jb_text_set { struct jb_text_split split[JB_SPLIT_COUNT]; };

// Appends a query whose text is copied.
int jb_text_set_add(struct jb_text_set *t, enum jb_split s, const struct jb_text_query *q);
void jb_text_set_close(struct jb_text_set *t); // accepts NULL; frees t itself
// Counts, hashes, unit. A split's hash: SHA-256 over "joulebench.text/1 n\n", then for each query "n_bytes prompt_bytes forced n_new chat\n" and the text.
void jb_text_set_describe(const struct jb_text_set *t, struct jb_workload_info *info);

// The entries of jb_workload_ops.
void jb_text_set_close_impl(void *impl);
int jb_text_set_text(const void *impl, enum jb_split s, uint32_t i, struct jb_text_query *out);

#endif
