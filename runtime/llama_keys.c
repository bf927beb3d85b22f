// The numbers of a llama model from the standard GGUF keys (ggml's docs/gguf.md; llama.cpp's llm_load_hparams for defaults). Strict: a key of this
// architecture that this build does not know may change the graph, so it is an error.
#include <math.h>
#include <string.h>

#include "runtime/llama.h"

static const char *const known[] = {
    "llama.block_count", "llama.context_length", "llama.embedding_length", "llama.feed_forward_length", "llama.vocab_size", "llama.attention.head_count", "llama.attention.head_count_kv",
    "llama.attention.layer_norm_rms_epsilon", "llama.attention.key_length", "llama.attention.value_length", "llama.rope.dimension_count", "llama.rope.freq_base", "llama.rope.scaling.type",
    "llama.rope.scaling.factor", "llama.rope.scaling.original_context_length", "llama.rope.scaling.finetuned", "llama.rope.scale_linear", "llama.expert_count", "llama.expert_used_count",
    "llama.tensor_data_layout", // how a converter ordered them; says nothing that tensors do not
};

static int check_known(const struct jb_gguf *g, struct jb_err *err)
{
    const char *key;
    for (size_t i = 0; (key = jb_gguf_key_at(g, i, NULL)); i++) {
        bool found = strncmp(key, "llama.", 6) != 0;
        for (size_t k = 0; k < sizeof known / sizeof *known && !found; k++)
            found = strcmp(key, known[k]) == 0;
        if (!found)
            return jb_fail(err, JB_E_UNSUPPORTED, "%s: unknown key \"%.200s\" (it may change what the model computes)", jb_gguf_name(g), key);
    }
    return JB_OK;
}

// otherwise: its value when it is missing; 0: it must be there.
static int number(const struct jb_gguf *g, const char *key, uint64_t min, uint64_t max, uint64_t otherwise, uint32_t *out, struct jb_err *err)
{
    uint64_t v = otherwise;
    int rc = jb_gguf_u64(g, key, &v, err);
    if (rc == JB_E_NOT_FOUND && otherwise)
        rc = JB_OK;
    else if (rc == JB_E_NOT_FOUND)
        return jb_fail(err, JB_E_INVALID, "%s: key \"%s\" is missing", jb_gguf_name(g), key);
    if (!rc && (v < min || v > max))
        return jb_fail(err, JB_E_INVALID, "%s: key \"%s\" is %llu (%llu to %llu can be)", jb_gguf_name(g), key, (unsigned long long)v, (unsigned long long)min, (unsigned long long)max);
    if (!rc)
        *out = (uint32_t)v;
    return rc;
}

// NAN as `otherwise`: it must be there.
static int real(const struct jb_gguf *g, const char *key, double min, double max, double otherwise, double *out, struct jb_err *err)
{
    double v = otherwise;
    int rc = jb_gguf_f64(g, key, &v, err);
    if (rc == JB_E_NOT_FOUND && otherwise == otherwise)
        rc = JB_OK;
    else if (rc == JB_E_NOT_FOUND)
        return jb_fail(err, JB_E_INVALID, "%s: key \"%s\" is missing", jb_gguf_name(g), key);
    if (!rc && !(v >= min && v <= max))
        return jb_fail(err, JB_E_INVALID, "%s: key \"%s\" is %g (%g to %g can be)", jb_gguf_name(g), key, v, min, max);
    if (!rc)
        *out = v;
    return rc;
}

static int read_sizes(struct llama *m, const struct jb_gguf *g, struct jb_err *err)
{
    const struct { const char *key; uint64_t max; uint32_t *out; } must[] = {
        { "llama.block_count", LLAMA_MAX_LAYERS, &m->n_layers },           { "llama.context_length", 1u << 24, &m->max_positions }, { "llama.embedding_length", 1u << 16, &m->n_embd },
        { "llama.feed_forward_length", 1u << 20, &m->n_ff },               { "llama.attention.head_count", 1u << 12, &m->n_head },
    };
    for (size_t i = 0; i < sizeof must / sizeof *must; i++) {
        int rc = number(g, must[i].key, 1, must[i].max, 0, must[i].out, err);
        if (rc)
            return rc;
    }
    return JB_OK;
}

static int read_heads(struct llama *m, const struct jb_gguf *g, struct jb_err *err)
{
    uint32_t value = 0, experts = 0;
    int rc = number(g, "llama.attention.head_count_kv", 1, m->n_head, m->n_head, &m->n_kv, err);
    if (!rc && m->n_head % m->n_kv)
        return jb_fail(err, JB_E_INVALID, "%s: key \"llama.attention.head_count_kv\" is %u, which does not divide the %u heads of \"llama.attention.head_count\"", jb_gguf_name(g), m->n_kv, m->n_head);
    uint32_t each = m->n_embd / m->n_head;
    if (!rc && m->n_embd % m->n_head && !jb_gguf_has(g, "llama.attention.key_length"))
        return jb_fail(err, JB_E_INVALID, "%s: key \"llama.attention.head_count\" is %u, which does not divide \"llama.embedding_length\" %u, and there is no \"llama.attention.key_length\"",
                       jb_gguf_name(g), m->n_head, m->n_embd);
    if (!rc)
        rc = number(g, "llama.attention.key_length", 2, 1024, each ? each : 1, &m->head_dim, err);
    if (!rc)
        rc = number(g, "llama.attention.value_length", 2, 1024, m->head_dim, &value, err);
    if (!rc && value != m->head_dim)
        return jb_fail(err, JB_E_UNSUPPORTED, "%s: key \"llama.attention.value_length\" is %u, but \"llama.attention.key_length\" %u (only equal ones run)", jb_gguf_name(g), value, m->head_dim);
    if (!rc && (uint64_t)m->n_head * m->head_dim > 1u << 16)
        return jb_fail(err, JB_E_INVALID, "%s: %u heads of %u values (65,536 values at most)", jb_gguf_name(g), m->n_head, m->head_dim);
    if (!rc && jb_gguf_has(g, "llama.expert_count"))
        rc = number(g, "llama.expert_count", 0, 1u << 16, 1, &experts, err);
    if (!rc && experts)
        return jb_fail(err, JB_E_UNSUPPORTED, "%s: key \"llama.expert_count\" is %u (mixtures of experts do not run)", jb_gguf_name(g), experts);
    m->group = m->n_head / (m->n_kv ? m->n_kv : 1);
    return rc;
}

static int read_scaling(struct llama *m, const struct jb_gguf *g, struct jb_err *err)
{
    const char *type = "linear"; // llama.cpp's default, without effect unless there is a factor
    double factor = 1.0;
    int rc = jb_gguf_str(g, "llama.rope.scaling.type", &type, NULL, err);
    if (rc && rc != JB_E_NOT_FOUND)
        return rc;
    bool none = strcmp(type, "none") == 0;
    if (!none && strcmp(type, "linear") != 0)
        return jb_fail(err, JB_E_UNSUPPORTED, "%s: key \"llama.rope.scaling.type\" is \"%.60s\" (none and linear run)", jb_gguf_name(g), type);
    rc = real(g, "llama.rope.scaling.factor", 0.0, 1e6, 0.0, &factor, err);
    if (!rc && factor == 0.0) // 0 stands for none, as in llama.cpp; an older key says the same
        rc = real(g, "llama.rope.scale_linear", 0.0, 1e6, 0.0, &factor, err);
    if (!rc && factor != 0.0 && factor < 1e-6)
        return jb_fail(err, JB_E_INVALID, "%s: key \"llama.rope.scaling.factor\" is %g", jb_gguf_name(g), factor);
    m->freq_scale = none || factor == 0.0 ? 1.0 : 1.0 / factor;
    return rc;
}

static int read_rope(struct llama *m, const struct jb_gguf *g, struct jb_err *err)
{
    double eps = 0.0;
    int rc = real(g, "llama.attention.layer_norm_rms_epsilon", 0.0, 1.0, NAN, &eps, err);
    m->eps = (float)eps;
    if (!rc)
        rc = number(g, "llama.rope.dimension_count", 2, m->head_dim, m->head_dim, &m->n_rot, err);
    if (!rc && m->n_rot % 2)
        return jb_fail(err, JB_E_INVALID, "%s: key \"llama.rope.dimension_count\" is %u (pairs turn: an even number)", jb_gguf_name(g), m->n_rot);
    if (!rc)
        rc = real(g, "llama.rope.freq_base", 1.0, 1e12, 10000.0, &m->freq_base, err);
    return rc ? rc : read_scaling(m, g, err);
}

// The vocabulary is as large as the embedding says; what else speaks of it must agree.
static int read_vocabulary(struct llama *m, const struct jb_gguf *g, struct jb_err *err)
{
    const struct jb_gguf_tensor *t = jb_gguf_tensor(g, "token_embd.weight");
    uint32_t stated = 0;
    size_t tokens = 0;
    if (!t || t->n_dims != 2)
        return jb_fail(err, JB_E_INVALID, "%s: tensor \"token_embd.weight\" is missing, or no matrix", jb_gguf_name(g));
    if (t->dims[1] < 2 || t->dims[1] > 1u << 24)
        return jb_fail(err, JB_E_INVALID, "%s: tensor \"token_embd.weight\" has rows for %llu tokens (2 to 2^24 can be)", jb_gguf_name(g), (unsigned long long)t->dims[1]);
    m->n_vocab = (uint32_t)t->dims[1];
    int rc = number(g, "llama.vocab_size", 1, UINT32_MAX, m->n_vocab, &stated, err);
    if (!rc && stated != m->n_vocab)
        return jb_fail(err, JB_E_INVALID, "%s: key \"llama.vocab_size\" is %u, but \"token_embd.weight\" has %u rows", jb_gguf_name(g), stated, m->n_vocab);
    if (rc || !jb_gguf_has(g, "tokenizer.ggml.tokens"))
        return rc;
    rc = jb_gguf_array(g, "tokenizer.ggml.tokens", NULL, &tokens, err);
    if (!rc && tokens != m->n_vocab)
        return jb_fail(err, JB_E_INVALID, "%s: key \"tokenizer.ggml.tokens\" has %zu tokens, but \"token_embd.weight\" %u rows", jb_gguf_name(g), tokens, m->n_vocab);
    return rc;
}

int llama_read_keys(struct llama *m, const struct jb_gguf *g, struct jb_err *err)
{
    int rc = check_known(g, err);
    if (!rc)
        rc = read_sizes(m, g, err);
    if (!rc)
        rc = read_heads(m, g, err);
    if (!rc)
        rc = read_rope(m, g, err);
    return rc ? rc : read_vocabulary(m, g, err);
}
