#include "kernels/table.h"

#include <assert.h>
#include <string.h>

#define JB_NO_LAYOUT NULL
const struct jb_kernel_row jb_kernel_rows[] = {
#define JB_KERNEL(op, tier, bits, tolerance, peak, layout) \
    { #op, #tier, "jb_" #op "_" #tier, (bits), offsetof(struct jb_kernels, op), (jb_any_fn)jb_##op##_##tier, \
      JB_TOL_##tolerance, JB_PEAK_##peak, layout },
#define JB_PEAK_LOOP(kind, tier, bits, peak)
#include "kernels/kernels.def"
#undef JB_KERNEL
#undef JB_PEAK_LOOP
};
const size_t jb_kernel_n_rows = sizeof jb_kernel_rows / sizeof jb_kernel_rows[0];

const struct jb_peak_row jb_peak_rows[] = {
#define JB_KERNEL(op, tier, bits, tolerance, peak, layout)
#define JB_PEAK_LOOP(kind, tier, bits, peak) { #tier, (bits), JB_PEAK_##peak, jb_peak_##kind##_##tier },
#include "kernels/kernels.def"
#undef JB_KERNEL
#undef JB_PEAK_LOOP
};
const size_t jb_peak_n_rows = sizeof jb_peak_rows / sizeof jb_peak_rows[0];

jb_any_fn jb_kernel_get(const struct jb_kernels *k, size_t offset)
{
    jb_any_fn fn;
    memcpy(&fn, (const char *)k + offset, sizeof fn);
    return fn;
}

void jb_kernel_set(struct jb_kernels *k, size_t offset, jb_any_fn fn)
{
    memcpy((char *)k + offset, &fn, sizeof fn);
}

void jb_kernel_take(struct jb_kernels *k, const struct jb_kernel_row *row)
{
    const struct jb_layout *l = row->layout;
    jb_kernel_set(k, row->offset, row->fn);
    if (row->offset == offsetof(struct jb_kernels, conv_f32)) {
        k->block_f32 = l->block;
        k->pack_conv_f32_bytes = l->conv_f32_bytes;
        k->pack_conv_f32 = l->conv_f32;
    } else if (row->offset == offsetof(struct jb_kernels, conv_u8)) {
        k->block_u8 = l->block;
        k->pack_conv_s8_bytes = l->conv_s8_bytes;
        k->pack_conv_s8 = l->conv_s8;
        k->pack_conv_s4_bytes = l->conv_s4_bytes;
        k->pack_conv_s4 = l->conv_s4;
        k->conv_s4_scratch_bytes = l->conv_s4_scratch_bytes;
    }
}

void jb_kernels_init(struct jb_kernels *k, uint32_t mask)
{
    memset(k, 0, sizeof *k);
    k->mask = mask;
    for (size_t i = 0; i < jb_kernel_n_rows; i++) {
        const struct jb_kernel_row *row = &jb_kernel_rows[i];
        if ((row->bits & ~mask) == 0)
            jb_kernel_take(k, row);
    }
}

const struct jb_kernel_row *jb_kernel_row_of(const struct jb_kernels *k, size_t offset)
{
    jb_any_fn fn = jb_kernel_get(k, offset);
    for (size_t i = 0; i < jb_kernel_n_rows; i++)
        if (jb_kernel_rows[i].offset == offset && jb_kernel_rows[i].fn == fn)
            return &jb_kernel_rows[i];
    return NULL;
}

bool jb_kernels_symbol(const struct jb_kernels *k, size_t i, const char **op, const char **symbol)
{
    for (size_t r = 0, n = 0; r < jb_kernel_n_rows; r++) {
        const struct jb_kernel_row *row = &jb_kernel_rows[r];
        if (row->bits != 0 || n++ != i) // the reference rows number the operators
            continue;
        const struct jb_kernel_row *chosen = jb_kernel_row_of(k, row->offset);
        *op = row->op;
        *symbol = chosen ? chosen->symbol : "foreign";
        return true;
    }
    return false;
}

uint64_t jb_conv_macs(const struct jb_conv_geom *g)
{
    return (uint64_t)g->out_h * (uint64_t)g->out_w * (uint64_t)g->out_c *
           (uint64_t)(g->in_c / g->groups) * (uint64_t)g->kernel_h * (uint64_t)g->kernel_w;
}
