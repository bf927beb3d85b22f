// Exits of a llama model from a side file (docs/model-format.md section 7).
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/llama.h"

static int hash_norm(struct jb_hash *h, const struct jb_gguf *g, const char *name, struct jb_err *err)
{
    const struct jb_gguf_tensor *t = jb_gguf_tensor(g, name);
    if (!t || t->type != JB_GGML_F32)
        return jb_fail(err, JB_E_INVALID, "%s: tensor \"%s\" is missing, or not F32", jb_gguf_name(g), name);
    jb_hash_update(h, t->data, t->n_bytes);
    return JB_OK;
}

int llama_base_hash(const struct jb_gguf *g, char hex[JB_HASH_HEX], struct jb_err *err)
{
    uint64_t layers = 0;
    char name[64];
    struct jb_hash *h = NULL;
    int rc = jb_gguf_u64(g, "llama.block_count", &layers, err);
    if (!rc && jb_hash_open(&h))
        rc = jb_fail(err, JB_E_NOMEM, "%s: no memory to hash norms", jb_gguf_name(g));
    for (uint64_t l = 0; l < layers && !rc; l++) { // ends at the first that is missing
        snprintf(name, sizeof name, "blk.%llu.attn_norm.weight", (unsigned long long)l);
        rc = hash_norm(h, g, name, err);
        snprintf(name, sizeof name, "blk.%llu.ffn_norm.weight", (unsigned long long)l);
        if (!rc)
            rc = hash_norm(h, g, name, err);
    }
    if (!rc)
        rc = hash_norm(h, g, "output_norm.weight", err);
    if (!rc)
        jb_hash_finish(h, hex);
    jb_hash_close(h);
    return rc;
}

// `exit.K.part` of the side file.
static const char *name_of(char out[64], uint32_t k, const char *part)
{
    snprintf(out, 64, "exit.%u.%s", k, part);
    return out;
}

static uint64_t rows_of(const struct jb_gguf *g, const char *name) // 0: no such tensor
{
    const struct jb_gguf_tensor *t = jb_gguf_tensor(g, name);
    return t ? t->dims[1] : 0;
}

static int read_matrix(struct llama *m, const struct jb_gguf *g, const char *name, uint64_t n, uint64_t rows, struct jb_matrix *out, struct jb_err *err)
{
    int rc = llama_find_matrix(m, g, name, n, rows, out, err);
    if (!rc && (!out->packed || out->kind == JB_W_Q4_0 || out->kind == JB_W_Q4_1))
        return jb_fail(err, JB_E_UNSUPPORTED, "%s: tensor \"%s\" has type %s (F32, F16 and Q8_0 can be)", jb_gguf_name(g), name, out->type->name);
    return rc;
}

static int read_vector(struct llama *m, const struct jb_gguf *g, const char *name, uint64_t n, const float **out, struct jb_err *err)
{
    const struct jb_gguf_tensor *t = NULL;
    int rc = llama_find(g, name, n, 1, false, &t, err);
    if (!rc && t->type != JB_GGML_F32 && t->type != JB_GGML_F16 && t->type != JB_GGML_Q8_0)
        return jb_fail(err, JB_E_UNSUPPORTED, "%s: tensor \"%s\" has type %s (F32, F16 and Q8_0 can be)", jb_gguf_name(g), name, jb_block_type(t->type)->name);
    return rc ? rc : jb_packer_vector(&m->packer, g, t, out, err);
}

static int read_map(struct llama *m, const struct jb_gguf *g, uint32_t k, struct llama_exit *e, struct jb_err *err)
{
    char map[64], down[64], up[64];
    name_of(map, k, "map.weight");
    name_of(down, k, "down.weight");
    name_of(up, k, "up.weight");
    bool full = jb_gguf_tensor(g, map) != NULL, low = jb_gguf_tensor(g, down) || jb_gguf_tensor(g, up);
    if (full && low)
        return jb_fail(err, JB_E_INVALID, "%s: exit %u has both \"%s\" and a pair of lower rank", jb_gguf_name(g), k, map);
    if (full) {
        e->map_kind = LLAMA_MAP_FULL;
        return read_matrix(m, g, map, m->n_embd, m->n_embd, &e->map, err);
    }
    if (!low)
        return JB_OK;
    uint64_t rank = rows_of(g, down);
    e->map_kind = LLAMA_MAP_LOW_RANK;
    if (rank > 1u << 16)
        return jb_fail(err, JB_E_INVALID, "%s: tensor \"%s\" has %llu rows", jb_gguf_name(g), down, (unsigned long long)rank);
    int rc = read_matrix(m, g, down, m->n_embd, rank ? rank : 1, &e->down, err);
    if (!rc)
        rc = read_matrix(m, g, up, rank, m->n_embd, &e->up, err);
    m->n_low = rank > m->n_low ? (uint32_t)rank : m->n_low;
    return rc;
}

static int read_gate(struct llama *m, const struct jb_gguf *g, uint32_t k, struct llama_exit *e, struct jb_err *err)
{
    static const char *const parts[] = { "gate.0.weight", "gate.0.bias", "gate.1.weight", "gate.1.bias" };
    char name[64];
    uint32_t found = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        found += jb_gguf_tensor(g, name_of(name, k, parts[i])) != NULL;
    if (!found)
        return JB_OK;
    uint64_t n = rows_of(g, name_of(name, k, parts[0]));
    if (n > 1u << 16)
        return jb_fail(err, JB_E_INVALID, "%s: tensor \"%s\" has %llu rows", jb_gguf_name(g), name, (unsigned long long)n);
    int rc = read_matrix(m, g, name, m->n_embd, n ? n : 1, &e->gate, err); // what is missing is named
    if (!rc)
        rc = read_vector(m, g, name_of(name, k, parts[1]), n, &e->gate_bias, err);
    if (!rc)
        rc = read_vector(m, g, name_of(name, k, parts[2]), n, &e->gate_weight, err);
    if (!rc)
        rc = read_vector(m, g, name_of(name, k, parts[3]), 1, &e->gate_bias1, err);
    e->has_gate = true;
    m->n_gate = n > m->n_gate ? (uint32_t)n : m->n_gate;
    return rc;
}

static int read_layers(struct llama *m, const struct jb_gguf *g, struct jb_err *err)
{
    size_t n = 0;
    int rc = jb_gguf_array(g, "jb.exits.layers", NULL, &n, err);
    if (rc)
        return rc == JB_E_NOT_FOUND ? JB_E_INVALID : rc;
    if (n < 1 || n > JB_MAX_STAGES - 1)
        return jb_fail(err, JB_E_INVALID, "%s: key \"jb.exits.layers\" names %zu exits (1 to %d can be)", jb_gguf_name(g), n, JB_MAX_STAGES - 1);
    for (size_t k = 0; k < n && !rc; k++) {
        uint64_t v = 0, before = k ? m->exits[k - 1].layers : 0;
        rc = jb_gguf_array_u64(g, "jb.exits.layers", k, &v, err);
        if (!rc && (v <= before || v >= m->n_layers))
            return jb_fail(err, JB_E_INVALID, "%s: key \"jb.exits.layers\": exit %zu stands behind layer %llu (more than %llu, less than the model's %u)", jb_gguf_name(g), k,
                           (unsigned long long)v, (unsigned long long)before, m->n_layers);
        m->exits[k].layers = (uint32_t)v;
    }
    m->n_exits = (uint32_t)n;
    return rc;
}

static int read_temperatures(struct llama *m, const struct jb_gguf *g, struct jb_err *err)
{
    size_t n = 0;
    for (uint32_t k = 0; k < m->n_exits; k++)
        m->exits[k].temperature = 1.0;
    if (!jb_gguf_has(g, "jb.exits.temperature"))
        return JB_OK;
    int rc = jb_gguf_array(g, "jb.exits.temperature", NULL, &n, err);
    if (!rc && n != m->n_exits)
        return jb_fail(err, JB_E_INVALID, "%s: key \"jb.exits.temperature\" has %zu values for %u exits", jb_gguf_name(g), n, m->n_exits);
    for (uint32_t k = 0; k < m->n_exits && !rc; k++) {
        rc = jb_gguf_array_f64(g, "jb.exits.temperature", k, &m->exits[k].temperature, err);
        if (!rc && !(m->exits[k].temperature > 0.0 && isfinite(m->exits[k].temperature)))
            return jb_fail(err, JB_E_INVALID, "%s: key \"jb.exits.temperature\": value %u is %g", jb_gguf_name(g), k, m->exits[k].temperature);
    }
    return rc;
}

static int check_none_left(const struct llama *m, const struct jb_gguf *g, struct jb_err *err)
{
    static const char *const parts[] = { "map.weight", "down.weight", "up.weight", "gate.0.weight", "gate.0.bias", "gate.1.weight", "gate.1.bias" };
    const struct jb_gguf_tensor *t;
    char name[64];
    for (size_t i = 0; (t = jb_gguf_tensor_at(g, i)); i++) {
        bool found = false;
        for (uint32_t k = 0; k < m->n_exits && !found; k++)
            for (size_t p = 0; p < sizeof parts / sizeof *parts && !found; p++)
                found = strcmp(t->name, name_of(name, k, parts[p])) == 0;
        if (!found)
            return jb_fail(err, JB_E_UNSUPPORTED, "%s: tensor \"%.200s\" is of none of the %u exits", jb_gguf_name(g), t->name, m->n_exits);
    }
    return JB_OK;
}

int llama_read_exits(struct llama *m, const struct jb_gguf *exits, struct jb_err *err)
{
    uint64_t format = 0;
    m->exits_file = exits;
    int rc = jb_gguf_u64(exits, "jb.format", &format, err);
    if (!rc && format != 1)
        return jb_fail(err, JB_E_UNSUPPORTED, "%s: key \"jb.format\" is %llu (this build knows 1)", jb_gguf_name(exits), (unsigned long long)format);
    if (!rc)
        rc = read_layers(m, exits, err);
    if (!rc)
        rc = read_temperatures(m, exits, err);
    if (!rc)
        rc = check_none_left(m, exits, err);
    for (uint32_t k = 0; k < m->n_exits && !rc; k++) {
        rc = read_map(m, exits, k, &m->exits[k], err);
        if (!rc)
            rc = read_gate(m, exits, k, &m->exits[k], err);
    }
    return rc;
}
