// The tensors of a llama model: looked up by name, sizes checked against the keys, and none left over.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/llama.h"

int llama_find(const struct jb_gguf *g, const char *name, uint64_t n, uint64_t rows, bool optional, const struct jb_gguf_tensor **out, struct jb_err *err)
{
    const struct jb_gguf_tensor *t = jb_gguf_tensor(g, name);
    if (!t && optional)
        return JB_E_NOT_FOUND;
    if (!t)
        return jb_fail(err, JB_E_INVALID, "%s: tensor \"%s\" is missing", jb_gguf_name(g), name);
    if (t->dims[0] != n || t->dims[1] != rows || t->dims[2] != 1 || t->dims[3] != 1)
        return jb_fail(err, JB_E_INVALID, "%s: tensor \"%s\" has sizes %llu x %llu x %llu x %llu (%llu x %llu are required)", jb_gguf_name(g), name, (unsigned long long)t->dims[0],
                       (unsigned long long)t->dims[1], (unsigned long long)t->dims[2], (unsigned long long)t->dims[3], (unsigned long long)n, (unsigned long long)rows);
    if (!jb_block_type(t->type) || !t->data)
        return jb_fail(err, JB_E_UNSUPPORTED, "%s: tensor \"%s\": unknown type %u", jb_gguf_name(g), name, t->type);
    *out = t;
    return JB_OK;
}

int llama_find_matrix(struct llama *m, const struct jb_gguf *g, const char *name, uint64_t n, uint64_t rows, struct jb_matrix *out, struct jb_err *err)
{
    const struct jb_gguf_tensor *t = NULL;
    int rc = llama_find(g, name, n, rows, false, &t, err);
    return rc ? rc : jb_packer_matrix(&m->packer, g, t, true, out, err);
}

// Norms are F32 wherever llama GGUFs are made; their bytes name the model (llama_base_hash).
static int find_norm(struct llama *m, const struct jb_gguf *g, const char *name, const float **out, struct jb_err *err)
{
    const struct jb_gguf_tensor *t = NULL;
    int rc = llama_find(g, name, m->n_embd, 1, false, &t, err);
    if (!rc && t->type != JB_GGML_F32)
        return jb_fail(err, JB_E_UNSUPPORTED, "%s: tensor \"%s\" has type %s (F32 is required)", jb_gguf_name(g), name, jb_block_type(t->type)->name);
    return rc ? rc : jb_packer_vector(&m->packer, g, t, out, err);
}

static int read_layer(struct llama *m, const struct jb_gguf *g, uint32_t l, struct jb_err *err)
{
    struct llama_layer *a = &m->layers[l];
    uint64_t embd = m->n_embd, att = (uint64_t)m->n_head * m->head_dim, kv = (uint64_t)m->n_kv * m->head_dim, ff = m->n_ff;
    const struct { const char *name; uint64_t n, rows; struct jb_matrix *out; } matrices[] = {
        { "attn_q", embd, att, &a->q },     { "attn_k", embd, kv, &a->k },    { "attn_v", embd, kv, &a->v },        { "attn_output", att, embd, &a->out },
        { "ffn_gate", embd, ff, &a->gate }, { "ffn_up", embd, ff, &a->up },   { "ffn_down", ff, embd, &a->down },
    };
    char name[64];
    snprintf(name, sizeof name, "blk.%u.attn_norm.weight", l);
    int rc = find_norm(m, g, name, &a->attn_norm, err);
    snprintf(name, sizeof name, "blk.%u.ffn_norm.weight", l);
    if (!rc)
        rc = find_norm(m, g, name, &a->ffn_norm, err);
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices && !rc; i++) {
        snprintf(name, sizeof name, "blk.%u.%s.weight", l, matrices[i].name);
        rc = llama_find_matrix(m, g, name, matrices[i].n, matrices[i].rows, matrices[i].out, err);
    }
    return rc;
}

// Rows of the embedding are read from the file; tied, the same tensor is packed as the head.
static int read_ends(struct llama *m, const struct jb_gguf *g, struct jb_err *err)
{
    const struct jb_gguf_tensor *head = jb_gguf_tensor(g, "output.weight");
    int rc = llama_find(g, "token_embd.weight", m->n_embd, m->n_vocab, false, &m->embedding, err);
    if (rc)
        return rc;
    m->embedding_type = jb_block_type(m->embedding->type);
    if (!m->embedding_type->widen)
        return jb_fail(err, JB_E_UNSUPPORTED, "%s: tensor \"token_embd.weight\": type %s is none for weights here", jb_gguf_name(g), m->embedding_type->name);
    m->embedding_row_bytes = jb_block_row_bytes(m->embedding_type, m->n_embd);
    m->packer.unpacked_bytes += m->embedding->n_bytes;
    rc = llama_find_matrix(m, g, head ? "output.weight" : "token_embd.weight", m->n_embd, m->n_vocab, &m->head, err);
    if (!rc && !head && !m->head.packed)
        m->packer.unpacked_bytes -= m->embedding->n_bytes; // counted twice
    return rc ? rc : find_norm(m, g, "output_norm.weight", &m->output_norm, err);
}

static int read_freqs(struct llama *m, const struct jb_gguf *g, struct jb_err *err)
{
    const struct jb_gguf_tensor *t = NULL;
    int rc = llama_find(g, "rope_freqs.weight", m->n_rot / 2, 1, true, &t, err);
    if (rc)
        return rc == JB_E_NOT_FOUND ? JB_OK : rc;
    if (t->type != JB_GGML_F32)
        return jb_fail(err, JB_E_UNSUPPORTED, "%s: tensor \"%s\" has type %s (F32 is required)", jb_gguf_name(g), t->name, jb_block_type(t->type)->name);
    for (uint32_t i = 0; i < m->n_rot / 2; i++) {
        float f = ((const float *)t->data)[i];
        if (!(f > 0.0f) || !isfinite(f))
            return jb_fail(err, JB_E_INVALID, "%s: tensor \"%s\": value %u is %g (frequencies are divided by it)", jb_gguf_name(g), t->name, i, (double)f);
    }
    return jb_packer_vector(&m->packer, g, t, &m->freq_factors, err);
}

// A tensor that is not in the graph would be left out in silence (a bias, an adapter, experts).
static int check_none_left(const struct llama *m, const struct jb_gguf *g, struct jb_err *err)
{
    static const char *const parts[] = { "attn_norm", "ffn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down" };
    static const char *const others[] = { "token_embd.weight", "output.weight", "output_norm.weight", "rope_freqs.weight" };
    const struct jb_gguf_tensor *t;
    char part[32];
    for (size_t i = 0; (t = jb_gguf_tensor_at(g, i)); i++) {
        uint32_t layer;
        int end = 0;
        bool found = false;
        for (size_t k = 0; k < sizeof others / sizeof *others && !found; k++)
            found = strcmp(t->name, others[k]) == 0;
        if (!found && sscanf(t->name, "blk.%4u.%31[a-z_].weight%n", &layer, part, &end) == 2 && end && !t->name[end] && layer < m->n_layers)
            for (size_t k = 0; k < sizeof parts / sizeof *parts && !found; k++)
                found = strcmp(part, parts[k]) == 0;
        if (!found)
            return jb_fail(err, JB_E_UNSUPPORTED, "%s: tensor \"%.200s\" is none of a llama model of %u layers", jb_gguf_name(g), t->name, m->n_layers);
    }
    return JB_OK;
}

int llama_read_tensors(struct llama *m, const struct jb_gguf *g, struct jb_err *err)
{
    if (m->n_layers > jb_gguf_n_tensors(g)) // before anything is allocated for them
        return jb_fail(err, JB_E_INVALID, "%s: key \"llama.block_count\" is %u, but the file has %zu tensors", jb_gguf_name(g), m->n_layers, jb_gguf_n_tensors(g));
    m->layers = jb_pool_get(&m->pool, m->n_layers * sizeof *m->layers);
    if (!m->layers)
        return jb_fail(err, JB_E_NOMEM, "%s: no memory for %u layers", jb_gguf_name(g), m->n_layers);
    int rc = check_none_left(m, g, err);
    if (!rc)
        rc = read_ends(m, g, err);
    if (!rc)
        rc = read_freqs(m, g, err);
    for (uint32_t l = 0; l < m->n_layers && !rc; l++)
        rc = read_layer(m, g, l, err);
    return rc;
}
