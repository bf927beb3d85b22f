// A llama with random weights: the keys and tensors of llama.cpp's architecture `llama`, a byte-level vocabulary, weights of any tensor type.
//
// The spreads: rows of every matrix keep a unit input at unit spread (1 / sqrt(inputs)); queries and keys have twice that, so that attention has favourites and answers depend on what
// stands where; embeddings are small beside what the layers add, so that a tied output does not just repeat its input; logits spread by about 3, as trained models' do.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/blocks.h"
#include "runtime/synth_impl.h"

static const uint32_t all_types[] = { JB_GGML_F32, JB_GGML_F16, JB_GGML_BF16, JB_GGML_Q8_0, JB_GGML_Q4_0, JB_GGML_Q4_1, JB_GGML_Q5_0, JB_GGML_Q5_1, JB_GGML_Q4_K, JB_GGML_Q5_K, JB_GGML_Q6_K };
enum { N_TYPES = sizeof all_types / sizeof *all_types };

// llama.cpp's numbers for files mostly of one type.
static uint32_t file_type(uint32_t type)
{
    static const uint32_t numbers[N_TYPES] = { 0, 1, 32, 7, 2, 3, 8, 9, 14, 16, 18 };
    for (size_t i = 0; i < N_TYPES; i++)
        if (all_types[i] == type)
            return numbers[i];
    return 0;
}

bool jb_synth_type_known(const char *name)
{
    const struct jb_block_type *t = jb_block_type_named(name);
    bool known = strcmp(name, "mixed") == 0;
    for (size_t i = 0; i < N_TYPES; i++)
        known |= t && t->type == all_types[i];
    return known;
}

// A tensor to be made while the file is written.
struct made {
    char name[48];
    uint64_t dims[2], seed;
    uint32_t n_dims, type;
    float mean, spread;
    struct jb_rng rng;
};

struct llama {
    struct jb_gguf_writer *w;
    const struct jb_synth_opts *o;
    uint32_t head, ffn;
    const struct jb_block_type *type; // NULL: mixed
    uint32_t n_mixed;
    struct made *made;                // room for all, since the writer keeps pointers into it
    size_t n_made;
};

static int fill(void *self, uint64_t row, uint64_t n_rows, void *out, struct jb_err *err)
{
    struct made *m = self;
    (void)err;
    if (row == 0)
        jb_rng_seed_named(&m->rng, m->seed, m->name);
    jb_synth_rows(&m->rng, m->type, m->mean, m->spread, out, (size_t)(n_rows * m->dims[0]));
    return JB_OK;
}

// The next of all types in turn that rows of n values can have.
static uint32_t next_type(struct llama *l, uint64_t n)
{
    uint32_t type;
    do
        type = all_types[l->n_mixed++ % N_TYPES];
    while (n % jb_block_type(type)->values);
    return type;
}

// layer < 0: outside the layers. rows 0: a vector in F32 around 1 (norms).
static int tensor(struct llama *l, int layer, const char *what, uint32_t n, uint32_t rows, float gain)
{
    struct made *m = &l->made[l->n_made++];
    *m = (struct made){ .dims = { n, rows ? rows : 1 }, .n_dims = rows ? 2 : 1, .seed = l->o->seed };
    if (layer < 0)
        snprintf(m->name, sizeof m->name, "%s.weight", what);
    else
        snprintf(m->name, sizeof m->name, "blk.%d.%s.weight", layer, what);
    m->type = rows ? l->type ? l->type->type : next_type(l, n) : JB_GGML_F32;
    m->mean = rows ? 0.0f : 1.0f;
    m->spread = rows ? gain / sqrtf((float)n) : 0.1f;
    return jb_gguf_put_rows(l->w, m->name, m->type, m->dims, m->n_dims, fill, m);
}

static int put_layer(struct llama *l, int i)
{
    uint32_t n = l->o->width, kv = l->head * l->o->kv_heads;
    int rc = tensor(l, i, "attn_norm", n, 0, 1);
    if (!rc)
        rc = tensor(l, i, "attn_q", n, n, 2);
    if (!rc)
        rc = tensor(l, i, "attn_k", n, kv, 2);
    if (!rc)
        rc = tensor(l, i, "attn_v", n, kv, 1);
    if (!rc)
        rc = tensor(l, i, "attn_output", n, n, 1.5f);
    if (!rc)
        rc = tensor(l, i, "ffn_norm", n, 0, 1);
    if (!rc)
        rc = tensor(l, i, "ffn_gate", n, l->ffn, 1);
    if (!rc)
        rc = tensor(l, i, "ffn_up", n, l->ffn, 1);
    return rc ? rc : tensor(l, i, "ffn_down", l->ffn, n, 2);
}

static int put_keys(struct llama *l)
{
    const struct jb_synth_opts *o = l->o;
    const struct { const char *key; uint32_t value; } numbers[] = {
        { "llama.block_count", o->layers }, { "llama.context_length", o->context }, { "llama.embedding_length", o->width }, { "llama.feed_forward_length", l->ffn },
        { "llama.attention.head_count", o->heads }, { "llama.attention.head_count_kv", o->kv_heads }, { "llama.rope.dimension_count", l->head }, { "llama.vocab_size", o->vocab },
        { "general.quantization_version", 2 },
    };
    char text[96];
    int rc = jb_gguf_put_str(l->w, "general.architecture", "llama");
    if (!rc)
        rc = jb_gguf_put_str(l->w, "general.name", "synthetic");
    if (!rc)
        rc = jb_gguf_put_str(l->w, "general.license", "CC0-1.0");
    snprintf(text, sizeof text, "random weights, jb_synth_write, seed %llu", (unsigned long long)o->seed);
    if (!rc)
        rc = jb_gguf_put_str(l->w, "jb.provenance", text);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && !rc; i++)
        rc = jb_gguf_put_u32(l->w, numbers[i].key, numbers[i].value);
    if (!rc && l->type)
        rc = jb_gguf_put_u32(l->w, "general.file_type", file_type(l->type->type));
    if (!rc)
        rc = jb_gguf_put_f32(l->w, "llama.rope.freq_base", 10000.0f);
    if (!rc)
        rc = jb_gguf_put_f32(l->w, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    return rc ? rc : jb_synth_vocab(l->w, o->vocab);
}

static int put_all(struct llama *l)
{
    int rc = put_keys(l);
    if (!rc)
        rc = tensor(l, -1, "token_embd", l->o->width, l->o->vocab, 3);
    for (uint32_t i = 0; i < l->o->layers && !rc; i++)
        rc = put_layer(l, (int)i);
    if (!rc)
        rc = tensor(l, -1, "output_norm", l->o->width, 0, 1);
    return rc || l->o->tied ? rc : tensor(l, -1, "output", l->o->width, l->o->vocab, 3);
}

static int check(const struct jb_synth_opts *o, struct jb_err *err)
{
    const struct { const char *what; uint32_t value, least, most; } ranges[] = {
        { "layers", o->layers, 1, 256 }, { "width", o->width, 2, 16384 }, { "heads", o->heads, 1, 256 }, { "key-value heads", o->kv_heads, 1, 256 },
        { "tokens of context", o->context, 1, 1u << 20 }, { "tokens in the vocabulary", o->vocab, JB_SYNTH_SPECIALS + 256, 262144 },
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (ranges[i].value < ranges[i].least || ranges[i].value > ranges[i].most)
            return jb_fail(err, JB_E_RANGE, "synth: %u %s (%u to %u can be)", ranges[i].value, ranges[i].what, ranges[i].least, ranges[i].most);
    if (o->width % o->heads || o->width / o->heads % 2)
        return jb_fail(err, JB_E_INVALID, "synth: a width of %u cannot be cut into %u heads of an even size", o->width, o->heads);
    if (o->heads % o->kv_heads)
        return jb_fail(err, JB_E_INVALID, "synth: %u heads cannot share %u key-value heads evenly", o->heads, o->kv_heads);
    if (!jb_synth_type_known(o->type))
        return jb_fail(err, JB_E_USAGE, "synth: unknown type \"%.40s\"", o->type);
    return JB_OK;
}

// The least multiple of the type's block that is at least three widths; the type's block must fit all rows.
static int pick_sizes(struct llama *l, struct jb_err *err)
{
    const struct jb_synth_opts *o = l->o;
    l->type = strcmp(o->type, "mixed") == 0 ? NULL : jb_block_type_named(o->type);
    uint32_t block = l->type ? l->type->values : o->width % 256 == 0 ? 256 : 32;
    l->head = o->width / o->heads;
    l->ffn = o->ffn ? o->ffn : (3 * o->width + block - 1) / block * block;
    if (l->ffn > 65536)
        return jb_fail(err, JB_E_RANGE, "synth: %u values within feed-forward (1 to 65,536 can be)", l->ffn);
    if (l->type && (o->width % block || l->ffn % block))
        return jb_fail(err, JB_E_INVALID, "synth: rows of %u and %u values are no whole blocks of %s (%u values)", o->width, l->ffn, l->type->name, block);
    return JB_OK;
}

int jb_synth_llama(struct jb_gguf_writer *w, const struct jb_synth_opts *o, void **kept, struct jb_err *err)
{
    struct llama l = { .w = w, .o = o };
    int rc = check(o, err);
    if (!rc)
        rc = pick_sizes(&l, err);
    if (rc)
        return rc;
    l.made = *kept = calloc((size_t)o->layers * 9 + 3, sizeof *l.made);
    rc = l.made ? put_all(&l) : JB_E_NOMEM;
    return rc ? jb_fail(err, rc, "synth: the model could not be put together") : JB_OK;
}
