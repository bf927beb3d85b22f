// Inside of the kernel table: rows generated from kernels.def, and the packed weight layouts. Private to kernels/.
#ifndef JB_KERNELS_TABLE_H
#define JB_KERNELS_TABLE_H

#include "base/cpu.h"
#include "kernels/kernels.h"

// How a result may differ from the reference. EXACT: bit for bit. REDUCTION: f32 sums, 2 n eps sum|terms| with n terms.
enum jb_tolerance { JB_TOL_EXACT, JB_TOL_REDUCTION };
// Which measured peak a kernel is held against; NONE: bound by memory, only GB/s are meaningful.
enum jb_peak { JB_PEAK_NONE, JB_PEAK_F32, JB_PEAK_U8 };

// A packed weight layout. Several tiers may share one. `block`: output channels in a block; bias and mult are padded to it.
struct jb_layout {
    int32_t block;
    size_t (*conv_f32_bytes)(const struct jb_conv_geom *g);
    void (*conv_f32)(const struct jb_conv_geom *g, const float *w, void *out);
    size_t (*conv_s8_bytes)(const struct jb_conv_geom *g);
    void (*conv_s8)(const struct jb_conv_geom *g, const int8_t *w, void *out);
    size_t (*conv_s4_bytes)(const struct jb_conv_geom *g);
    void (*conv_s4)(const struct jb_conv_geom *g, const int8_t *q, const uint8_t *m, void *out);
    size_t (*conv_s4_scratch_bytes)(const struct jb_conv_geom *g);
};
extern const struct jb_layout jb_layout_ohwi; // ref/layout_ohwi.c
extern const struct jb_layout jb_layout_oc16; // layout_oc16.c

typedef void (*jb_any_fn)(void);

struct jb_kernel_row {
    const char *op, *tier, *symbol;
    uint32_t bits;         // every CPU bit that the kernel uses; 0: reference
    size_t offset;         // of the function pointer in struct jb_kernels
    jb_any_fn fn;
    enum jb_tolerance tolerance;
    enum jb_peak peak;
    const struct jb_layout *layout; // convolutions only, else NULL
};
extern const struct jb_kernel_row jb_kernel_rows[];
extern const size_t jb_kernel_n_rows;

// The row whose function the table holds for the operator at `offset`; NULL: a foreign pointer.
const struct jb_kernel_row *jb_kernel_row_of(const struct jb_kernels *k, size_t offset);
jb_any_fn jb_kernel_get(const struct jb_kernels *k, size_t offset);
void jb_kernel_set(struct jb_kernels *k, size_t offset, jb_any_fn fn);
// Takes a row into the table, with its layout.
void jb_kernel_take(struct jb_kernels *k, const struct jb_kernel_row *row);

// A loop that does nothing but a tier's multiply-accumulate, from registers: returns the operations done (two per multiply-accumulate).
struct jb_peak_row {
    const char *tier;
    uint32_t bits;
    enum jb_peak peak;
    double (*run)(uint64_t iterations);
};
extern const struct jb_peak_row jb_peak_rows[];
extern const size_t jb_peak_n_rows;

// Prototypes of every kernel and peak loop.
#define JB_KERNEL(op, tier, bits, tolerance, peak, layout) __typeof__(*((struct jb_kernels *)0)->op) jb_##op##_##tier;
#define JB_PEAK_LOOP(kind, tier, bits, peak) double jb_peak_##kind##_##tier(uint64_t iterations);
#include "kernels/kernels.def"
#undef JB_KERNEL
#undef JB_PEAK_LOOP

#endif
