// How good answers are: qualities of a classification, each with the interval that it has.
#ifndef JB_WORKLOADS_SCORE_H
#define JB_WORKLOADS_SCORE_H

#include "workloads/workload.h"

// accuracy (Wilson), balanced-accuracy (Wilson per class, combined by MOVER), macro-f1 (no interval). label[index[i]] belongs to prediction[i];
// index NULL: i itself. Unlabelled samples are left out of everything; with no labelled sample *n_out is 0. NOMEM leaves the outputs untouched.
int jb_score_classes(const uint32_t *label, uint32_t n_labels, uint32_t n_classes, const uint32_t *index, const uint32_t *prediction, uint32_t n,
                     struct jb_quality *out, size_t room, size_t *n_out);

#endif
