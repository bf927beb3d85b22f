// Classification of images from files; presets (fashion) name the files themselves.
#ifndef JB_WORKLOADS_CLASSIFY_H
#define JB_WORKLOADS_CLASSIFY_H

#include "workloads/dataset.h"

struct jb_classify_files { const char *images, *labels; }; // names to resolve; NULL or "": none

// Opens the splits that have images. n_classes 0: the largest label and one more.
int jb_classify_open_files(struct jb_dataset **out, const struct jb_paths *paths, const struct jb_classify_files files[JB_SPLIT_COUNT], uint32_t n_classes,
                           struct jb_err *err);

#endif
