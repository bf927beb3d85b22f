// Where a run keeps what it measured: a locked directory (journal.jsonl, raw/), or memory for a run that is not to be kept.
// Raw bytes are written and on the disk before the journal line that names their place and hash.
#ifndef JB_HARNESS_STORE_H
#define JB_HARNESS_STORE_H

#include "harness/journal.h"
#include <stdbool.h>

struct jb_store;
enum jb_raw_kind { JB_RAW_BLOCKS, JB_RAW_SAMPLES }; // raw/<id>.blocks, raw/<id>.samples

struct jb_raw_place { uint64_t offset, n_bytes; char sha256[JB_HASH_HEX]; };

// dir NULL: in memory. Each line of a journal that is there goes to fn; without `resume` one that is there is EXISTS.
int jb_store_open(struct jb_store **out, const char *dir, bool resume, jb_journal_fn fn, void *user, struct jb_err *err);
// For reading alone: no lock, nothing is cut or made.
int jb_store_open_read(struct jb_store **out, const char *dir, jb_journal_fn fn, void *user, struct jb_err *err);
void jb_store_close(struct jb_store *s);
// Appends at `at` (what lies behind it was never journaled and is overwritten). Fills *place.
int jb_store_put(struct jb_store *s, const char *id, enum jb_raw_kind kind, uint64_t at, const uint8_t *data, size_t n_bytes, struct jb_raw_place *place, struct jb_err *err);
// Owned copy of the bytes at a place; INVALID when they do not match their hash.
int jb_store_get(const struct jb_store *s, const char *id, enum jb_raw_kind kind, const struct jb_raw_place *place, uint8_t **out, struct jb_err *err);
// Appends to the journal and waits for the disk.
int jb_store_line(struct jb_store *s, const cJSON *line, struct jb_err *err);
bool jb_store_on_disk(const struct jb_store *s);

#endif
