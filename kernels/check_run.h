// The checker on one kernel row. Private to kernels/.
#ifndef JB_KERNELS_CHECK_RUN_H
#define JB_KERNELS_CHECK_RUN_H

#include "kernels/check.h"
#include "kernels/check_cases.h"
#include "kernels/table.h"

// Runs the cases first, first + stride, ... of the row's operator that are below `most` (0: all), and fills *out. INTERNAL: no body, or memory areas too small.
int jb_check_row(struct jb_fixture *f, const struct jb_kernel_row *row, size_t first, size_t stride, size_t most, struct jb_kernel_check_row *out, struct jb_err *err);

#endif
