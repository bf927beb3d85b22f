// Kernel self check and benchmark: one body per operator serves both. No printing: results go to a callback.
#ifndef JB_KERNELS_CHECK_H
#define JB_KERNELS_CHECK_H

#include "kernels/kernels.h"

struct jb_kernel_check_row {
    const char *op, *symbol, *tier;
    uint64_t cases, failures;
    double worst_error;  // largest |a - ref| / tolerance seen; integer operators: number of unequal values
    char detail[200];    // of the first failure: shape and values
};
typedef void (*jb_kernel_check_fn)(void *user, const struct jb_kernel_check_row *row);

// Tests every pointer that a tier in `mask` added against the reference: every `stride`-th of its cases, which begin elsewhere from kernel to kernel (1: all; more where a sanitizer makes
// them slow). *n_cases 0 is a failure by itself (the caller's to judge).
// With `require` (a mask of tiers) a tier without any kernel under test is UNAVAILABLE. Returns MISMATCH if anything failed.
int jb_kernels_check(uint32_t mask, uint32_t require, uint64_t seed, size_t stride, jb_kernel_check_fn report, void *user, uint64_t *n_cases, struct jb_err *err);
// Checks that deliberately wrong kernels are caught (the checker's own test).
int jb_kernels_check_self(struct jb_err *err);

struct jb_kernel_bench_row {
    const char *op, *symbol, *tier;
    char shape[64];      // "conv 3x3 s1 64->64 14x14"
    double ops_per_s;    // two per multiply-accumulate
    double peak_ops_per_s; // measured on this core for the instruction that this tier's kernel uses
    double ns_per_call, gb_per_s;
};
typedef void (*jb_kernel_bench_fn)(void *user, const struct jb_kernel_bench_row *row);
// `seconds` for each kernel on each shape. Operations are those of the full geometry: a kernel that leaves out rows of zeros may pass 100 %.
int jb_kernels_bench(uint32_t mask, double seconds, jb_kernel_bench_fn report, void *user, struct jb_err *err);

#endif
