// Samples and labels in memory: what classify, fashion and synthetic have in common. Filled when they open, read-only afterwards.
#ifndef JB_WORKLOADS_DATASET_H
#define JB_WORKLOADS_DATASET_H

#include "workloads/array.h"
#include "workloads/workload.h"

struct jb_dataset_split {
    uint32_t n;
    const uint8_t *samples;  // (n, h, w, c)
    uint32_t *label;         // (n), owned; NULL: unlabelled
    struct jb_array array;   // owns samples, or
    uint8_t *owned;          // this does
};

struct jb_dataset {
    struct jb_shape shape;
    size_t sample_bytes;
    uint32_t n_classes;
    struct jb_dataset_split split[JB_SPLIT_COUNT];
};

void jb_dataset_close(struct jb_dataset *d); // accepts NULL
// SHA-256 over "joulebench.split/1 n h w c labelled\n" (decimal), the samples, then the labels as little-endian u32.
int jb_dataset_hash(const struct jb_dataset *d, enum jb_split s, char hex[65]);
// Copies shape, counts and hashes.
int jb_dataset_describe(const struct jb_dataset *d, struct jb_workload_info *info, struct jb_err *err);

// The entries of jb_workload_ops; `impl` is a struct jb_dataset *.
void jb_dataset_close_impl(void *impl);
int jb_dataset_sample(const void *impl, enum jb_split s, uint32_t i, struct jb_row_input *row, uint32_t *label);
int jb_dataset_score(const void *impl, enum jb_split s, const uint32_t *index, const uint32_t *prediction, uint32_t n, struct jb_quality *out, size_t room,
                     size_t *n_out);

#endif
