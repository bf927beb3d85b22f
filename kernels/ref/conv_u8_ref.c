// Integer convolution, any geometry and group count: the oracle of every tier, bit for bit.
#include "kernels/plane.h"
#include "kernels/table.h"

static int32_t dot(const struct jb_conv_geom *g, const uint8_t *x, ptrdiff_t x_row, const int8_t *w, int32_t acc)
{
    int32_t cg = g->in_c / g->groups;
    for (int32_t r = 0; r < g->kernel_h; r++)
        for (int32_t s = 0; s < g->kernel_w; s++)
            for (int32_t c = 0; c < cg; c++)
                acc += x[r * x_row + s * g->in_c + c] * *w++;
    return acc;
}

// Weights of output channel o: in place, or expanded from 4 bits into the scratch.
static const int8_t *channel_weights(const struct jb_conv_u8 *a, ptrdiff_t n, int32_t o)
{
    if (!a->weights_are_s4)
        return (const int8_t *)a->weights + o * n;
    ptrdiff_t groups = jb_s4_groups(&a->g);
    const uint8_t *m = (const uint8_t *)a->weights + o * groups;
    const uint8_t *nibbles = (const uint8_t *)a->weights + a->g.out_c * groups + o * ((n + 1) / 2);
    int8_t *w = a->scratch;
    for (ptrdiff_t i = 0; i < n; i++)
        w[i] = (int8_t)(((nibbles[i / 2] >> (i % 2 * 4) & 15) - 8) * m[i / JB_S4_GROUP]);
    return w;
}

static void store(const struct jb_conv_u8 *a, int32_t acc, int32_t y, ptrdiff_t at, int32_t o)
{
    float t = (float)acc * a->mult[o];
    if (a->residual) {
        float r = (float)((int32_t)jb_row_u8(a->residual, y)[at] - a->residual_zero) * a->residual_mult;
        t = t + r;
    }
    if (a->out_f32)
        jb_row_f32(a->out, y)[at] = a->relu_f32 ? jb_relu(t) : t;
    else
        jb_row_u8(a->out, y)[at] = jb_requant(t, a->out_zero, a->lo, a->hi);
}

void jb_conv_u8_ref(const struct jb_conv_u8 *a)
{
    const struct jb_conv_geom *g = &a->g;
    int32_t cg = g->in_c / g->groups, og = g->out_c / g->groups;
    ptrdiff_t n = (ptrdiff_t)g->kernel_h * g->kernel_w * cg;
    for (int32_t o = 0; o < g->out_c; o++) {
        const int8_t *w = channel_weights(a, n, o);
        for (int32_t y = 0; y < g->out_h; y++) {
            const uint8_t *in = jb_row_u8(a->in, (ptrdiff_t)y * g->stride_h - g->pad_h) - (ptrdiff_t)g->pad_w * g->in_c +
                                (ptrdiff_t)(o / og) * cg;
            for (int32_t x = 0; x < g->out_w; x++) {
                int32_t acc = dot(g, in + (ptrdiff_t)x * g->stride_w * g->in_c, a->in->row_stride, w, a->bias[o]);
                store(a, acc, y, (ptrdiff_t)x * g->out_c + o, o);
            }
        }
    }
}
