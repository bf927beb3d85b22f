// The machine's drift by the reference kernel (harness/reference.h): how far its time beside a block is from its median over the run.
#ifndef JB_HARNESS_DRIFT_H
#define JB_HARNESS_DRIFT_H

#include "harness/record.h"
#include "harness/validity.h"

#define JB_DRIFT_LEAST 8u // with fewer figures of the reference kernel a median says nothing

// Median over all blocks of these cells (NULL: skipped); NAN with fewer than JB_DRIFT_LEAST of them. NOMEM or 0.
int jb_drift_median(const struct jb_rec_cell *const *cells, size_t n, double *out);
// Relative; NAN: not known.
double jb_drift_of(const struct jb_block_fact *f, double median_ns);
// More than the plan allows: the block takes no part in figures. Not known: it does.
bool jb_drift_is_invalid(const struct jb_block_fact *f, double median_ns, const struct jb_validity_limits *l);

#endif
