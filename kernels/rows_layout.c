// Layouts of rows.h: packed weights, and the K/V of a layer. One for all tiers.
#include <assert.h>
#include <string.h>

#include "kernels/rows.h"

static bool quantized(enum jb_weight_kind kind)
{
    return kind == JB_W_Q8_0 || kind == JB_W_Q4_0 || kind == JB_W_Q4_1;
}

// ggml's block: f16 d (Q4_1: then f16 m), then 32 int8, or 16 bytes of nibbles: value i low, value i + 16 high.
static size_t file_block_bytes(enum jb_weight_kind kind)
{
    return kind == JB_W_Q8_0 ? 2 + JB_QK : (kind == JB_W_Q4_1 ? 4u : 2u) + JB_QK / 2;
}

size_t jb_kind_row_bytes(enum jb_weight_kind kind, int32_t n)
{
    assert(n >= 0 && (!quantized(kind) || n % JB_QK == 0));
    if (!quantized(kind))
        return (size_t)n * (kind == JB_W_F32 ? 4u : 2u);
    return (size_t)(n / JB_QK) * file_block_bytes(kind);
}

static size_t output_block_bytes(enum jb_weight_kind kind, int32_t n)
{
    return JB_PACK * jb_kind_row_bytes(kind, n);
}

size_t jb_pack_bytes(enum jb_weight_kind kind, int32_t n, int32_t n_out)
{
    return (size_t)((n_out + JB_PACK - 1) / JB_PACK) * output_block_bytes(kind, n);
}

static inline __attribute__((always_inline)) void pack_plain(size_t bytes, int32_t n, const char *src, int32_t o, char *out)
{
    for (size_t k = 0; k < (size_t)n; k++)
        memcpy(out + (k * JB_PACK + (size_t)o) * bytes, src + k * bytes, bytes);
}

// One row of the file into lane o of an output block.
static inline __attribute__((always_inline)) void pack_quantized(enum jb_weight_kind kind, int32_t n, const uint8_t *src, int32_t o, uint8_t *out)
{
    uint32_t sign = kind == JB_W_Q8_0 ? 0x80808080u : 0;
    size_t block = file_block_bytes(kind), heads = kind == JB_W_Q4_1 ? 2 : 1, groups = kind == JB_W_Q8_0 ? 8 : 4;
    for (int32_t b = 0; b < n / JB_QK; b++, src += block, out += JB_PACK * block) {
        const uint8_t *q = src + 2 * heads;
        uint8_t *packed = out + 2 * heads * JB_PACK;
        for (size_t h = 0; h < heads; h++)
            memcpy(out + 2 * (h * JB_PACK + (size_t)o), src + 2 * h, 2);
        for (size_t g = 0; g < groups; g++) { // four bytes at once; nibbles already lie as wanted: k = 4g + j and k + 16 in one byte
            uint32_t four;
            memcpy(&four, q + 4 * g, 4);
            four ^= sign;
            memcpy(packed + (g * JB_PACK + (size_t)o) * 4, &four, 4);
        }
    }
}

void jb_pack_rows(enum jb_weight_kind kind, int32_t n, int32_t n_out, const void *src, int32_t block0, int32_t block1, void *packed)
{
    size_t row = jb_kind_row_bytes(kind, n), bytes = output_block_bytes(kind, n);
    for (int32_t block = block0; block < block1; block++) {
        char *out = (char *)packed + (size_t)block * bytes;
        if (n_out - block * JB_PACK < JB_PACK)
            memset(out, 0, bytes);
        for (int32_t o = 0; o < JB_PACK && block * JB_PACK + o < n_out; o++) {
            const char *from = (const char *)src + (size_t)(block * JB_PACK + o) * row;
            if (kind == JB_W_Q8_0) // kinds by name, so that each has loops of its own
                pack_quantized(JB_W_Q8_0, n, (const uint8_t *)from, o, (uint8_t *)out);
            else if (kind == JB_W_Q4_0)
                pack_quantized(JB_W_Q4_0, n, (const uint8_t *)from, o, (uint8_t *)out);
            else if (kind == JB_W_Q4_1)
                pack_quantized(JB_W_Q4_1, n, (const uint8_t *)from, o, (uint8_t *)out);
            else
                kind == JB_W_F32 ? pack_plain(4, n, from, o, out) : pack_plain(2, n, from, o, out);
        }
    }
}

// K and V of a layer, each part aligned to 64; int8: then the scales of K and of V.
static size_t round_64(size_t x)
{
    return (x + 63) / 64 * 64;
}

size_t jb_kv_bytes(enum jb_kv_kind kind, int32_t n_heads, int32_t head_dim, int32_t positions)
{
    size_t values = (size_t)n_heads * (size_t)head_dim * (size_t)positions, scales = (size_t)n_heads * (size_t)positions;
    return kind == JB_KV_F16 ? 2 * round_64(2 * values) : 2 * round_64(values) + 2 * round_64(4 * scales);
}

void jb_kv_place(struct jb_kv_layer *kv, void *memory)
{
    size_t values = (size_t)kv->n_heads * (size_t)kv->head_dim * (size_t)kv->positions, scales = (size_t)kv->n_heads * (size_t)kv->positions;
    char *at = memory;
    assert(kv->positions % JB_PACK == 0);
    kv->k16 = kv->v16 = NULL;
    kv->k8 = kv->v8 = NULL;
    kv->ks = kv->vs = NULL;
    if (kv->kind == JB_KV_F16) {
        kv->k16 = (uint16_t *)at;
        kv->v16 = (uint16_t *)(at + round_64(2 * values));
        return;
    }
    kv->k8 = (int8_t *)at;
    kv->v8 = (int8_t *)(at += round_64(values));
    kv->ks = (float *)(at += round_64(values));
    kv->vs = (float *)(at + round_64(4 * scales));
}
