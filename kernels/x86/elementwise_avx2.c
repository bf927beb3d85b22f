// Elementwise operators, AVX2. They are bound by memory: wider vectors gained nothing that showed.
#include "kernels/x86/vec_avx2.inc"
#include "kernels/x86/elementwise.inc"

void jb_add_f32_avx2(const struct jb_plane *a, const struct jb_plane *b, const struct jb_plane *out, enum jb_act act)
{
    add_f32(a, b, out, act);
}

void jb_add_u8_avx2(const struct jb_add_u8 *a)
{
    add_u8(a);
}

void jb_act_f32_avx2(const struct jb_plane *in, const struct jb_plane *out, enum jb_act act)
{
    act_f32(in, out, act);
}

void jb_quantize_avx2(const struct jb_plane *in, const struct jb_plane *out, float inverse_scale, int32_t zero)
{
    quantize(in, out, inverse_scale, zero);
}

void jb_dequantize_avx2(const struct jb_plane *in, const struct jb_plane *out, float scale, int32_t zero)
{
    dequantize(in, out, scale, zero);
}

void jb_bytes_to_f32_avx2(const uint8_t *in, const struct jb_plane *out, const float *scale, const float *offset)
{
    bytes_to_f32(in, out, scale, offset);
}
