// Workloads: named data with splits and a way to score answers. One row in workloads/workload.c and one file each.
#ifndef JB_WORKLOADS_WORKLOAD_H
#define JB_WORKLOADS_WORKLOAD_H

#include "base/err.h"
#include "base/option.h"
#include "early_exit/recording.h"
#include "runtime/session.h"

enum jb_split { JB_SPLIT_TRAIN, JB_SPLIT_FIT, JB_SPLIT_CALIBRATION, JB_SPLIT_TEST, JB_SPLIT_COUNT };
const char *jb_split_name(enum jb_split s);
int jb_split_parse(const char *name); // -1 when unknown

// Where names are looked for, in this order: absolute; beside the plan; $JB_DATA; PREFIX/share/joulebench; the cache of `make models`; the source tree's own folder. The CLI fills it.
// NULL: leave that place out; plan_dir NULL: the working directory. source_dir: the source tree, when the program runs out of its build directory; there
// "fashion/x" means workloads/fashion/data/x or workloads/fashion/models/x.
struct jb_paths { const char *plan_dir, *jb_data, *share_dir, *models_dir, *source_dir; };
// First existing file; NOT_FOUND lists every place tried.
int jb_paths_resolve(const struct jb_paths *p, const char *name, char *out, size_t n, struct jb_err *err);

struct jb_workload_param { const char *name, *value; };
struct jb_workload_opts {
    const struct jb_paths *paths;
    const struct jb_workload_param *params; size_t n_params; // e.g. images, labels, per split
};

struct jb_quality { char name[32]; double value, lower, upper; uint64_t n; bool higher_is_better; }; // 95 % interval; NAN where there is none

// Query i of a text workload. Which tokens it has depends on the model's tokenizer: workloads/text/queries.h.
struct jb_text_query {
    const char *text; size_t n_bytes;   // UTF-8, borrowed until close
    size_t prompt_bytes;                // the first so many are the prompt: read in one go, at full depth
    bool forced;                        // the rest is read token by token whatever the model answers, and scored; else the model writes on by itself
    uint32_t n_new;                     // not forced: tokens to write
    bool chat;                          // the text holds ChatML's special tokens
};

struct jb_workload;
struct jb_workload_info {
    char name[64], license[64], provenance[512], note[256]; // note: e.g. "own split", shown wherever an accuracy stands
    const char *unit;                       // "query", or "token" of a text workload
    struct jb_shape shape;
    uint32_t n_classes;
    uint32_t n[JB_SPLIT_COUNT];
    char sha256[JB_SPLIT_COUNT][65];        // of the samples and labels of a split
};

struct jb_workload_ops {
    const char *name, *summary;
    const struct jb_option *options;
    int (*open)(void **impl, struct jb_workload_info *info, const struct jb_workload_opts *o, struct jb_err *err);
    void (*close)(void *impl);
    // Sample without a copy; borrowed until close. label UINT32_MAX: none.
    int (*sample)(const void *impl, enum jb_split s, uint32_t i, struct jb_row_input *row, uint32_t *label);
    // Query i of a text workload, whose `sample` is NULL; NULL for all others.
    int (*text)(const void *impl, enum jb_split s, uint32_t i, struct jb_text_query *out);
    // Several named qualities from predictions (n of the split, in order; `index` maps them to samples). Writes up to room, *n_out.
    int (*score)(const void *impl, enum jb_split s, const uint32_t *index, const uint32_t *prediction, uint32_t n, struct jb_quality *out, size_t room, size_t *n_out);
    // Workloads that answer without a model (`null`): runs one query and sleeps or spins its known time; NULL for the others.
    int (*run_without_model)(void *impl, uint32_t i, struct jb_query_result *out);
};
extern const struct jb_workload_ops *const jb_workloads[]; // NULL-terminated: fashion classify null synthetic prose cloze decode

int jb_workload_open(struct jb_workload **out, const char *name, const struct jb_workload_opts *o, struct jb_err *err);
void jb_workload_close(struct jb_workload *w);
const struct jb_workload_info *jb_workload_info(const struct jb_workload *w);
int jb_workload_sample(const struct jb_workload *w, enum jb_split s, uint32_t i, struct jb_row_input *row, uint32_t *label);
int jb_workload_score(const struct jb_workload *w, enum jb_split s, const uint32_t *index, const uint32_t *prediction, uint32_t n, struct jb_quality *out, size_t room, size_t *n_out);
bool jb_workload_is_text(const struct jb_workload *w);
int jb_workload_text(const struct jb_workload *w, enum jb_split s, uint32_t i, struct jb_text_query *out); // UNSUPPORTED unless it is one; RANGE past the end
bool jb_workload_needs_model(const struct jb_workload *w);
int jb_workload_run(struct jb_workload *w, uint32_t i, struct jb_query_result *out); // only when it needs no model

#endif
