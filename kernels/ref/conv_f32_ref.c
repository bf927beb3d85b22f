// Convolution in f32, any geometry and group count: the oracle. One chain of additions in the order of the weights.
#include "kernels/plane.h"
#include "kernels/table.h"

static float dot(const struct jb_conv_geom *g, const float *x, ptrdiff_t x_row, const float *w, float acc)
{
    int32_t cg = g->in_c / g->groups;
    for (int32_t r = 0; r < g->kernel_h; r++)
        for (int32_t s = 0; s < g->kernel_w; s++)
            for (int32_t c = 0; c < cg; c++)
                acc += x[r * x_row + s * g->in_c + c] * *w++;
    return acc;
}

void jb_conv_f32_ref(const struct jb_conv_f32 *a)
{
    const struct jb_conv_geom *g = &a->g;
    int32_t cg = g->in_c / g->groups, og = g->out_c / g->groups;
    ptrdiff_t n = (ptrdiff_t)g->kernel_h * g->kernel_w * cg;
    for (int32_t y = 0; y < g->out_h; y++) {
        const float *in = jb_row_f32(a->in, (ptrdiff_t)y * g->stride_h - g->pad_h) - (ptrdiff_t)g->pad_w * g->in_c;
        float *out = jb_row_f32(a->out, y);
        const float *residual = a->residual ? jb_row_f32(a->residual, y) : NULL;
        for (int32_t x = 0; x < g->out_w; x++)
            for (int32_t o = 0; o < g->out_c; o++) {
                const float *src = in + (ptrdiff_t)x * g->stride_w * g->in_c + (ptrdiff_t)(o / og) * cg;
                float acc = dot(g, src, a->in->row_stride, (const float *)a->weights + o * n, a->bias[o]);
                ptrdiff_t at = (ptrdiff_t)x * g->out_c + o;
                out[at] = jb_act(residual ? acc + residual[at] : acc, a->act);
            }
    }
}
