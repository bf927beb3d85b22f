// Random exits for a language model, in a side file (docs/model-format.md): translators that change little, of each form in turn, and a gate at every exit.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/llama.h"
#include "runtime/synth_impl.h"

#define RANK 32u
#define GATE 16u

struct maker {
    struct jb_gguf_writer *w;
    uint64_t seed;
    uint32_t n, type; // width; type of matrices
};

// rows 1: a vector in F32.
static int put(struct maker *m, uint32_t exit, const char *part, uint32_t n, uint32_t rows, float spread)
{
    char name[64];
    struct jb_rng rng;
    uint32_t type = rows > 1 ? m->type : JB_GGML_F32;
    uint64_t dims[2] = { n, rows };
    size_t n_bytes = jb_block_row_bytes(jb_block_type(type), (uint64_t)n * rows);
    uint8_t *data = malloc(n_bytes);
    if (!data)
        return JB_E_NOMEM;
    snprintf(name, sizeof name, "exit.%u.%s", exit, part);
    jb_rng_seed_named(&rng, m->seed, name);
    jb_synth_rows(&rng, type, 0.0f, spread, data, (size_t)n * rows);
    int rc = jb_gguf_put_tensor(m->w, name, type, dims, rows > 1 ? 2 : 1, data, n_bytes);
    free(data);
    return rc;
}

// Exit 0 has a translator of low rank, exit 1 a full one, exit 2 none, and so on.
static int put_exit(struct maker *m, uint32_t k)
{
    float unit = 1.0f / sqrtf((float)m->n);
    int rc = JB_OK;
    if (k % 3 == 0)
        rc = put(m, k, "down.weight", m->n, RANK, unit);
    if (!rc && k % 3 == 0)
        rc = put(m, k, "up.weight", RANK, m->n, 0.3f / sqrtf((float)RANK));
    if (!rc && k % 3 == 1)
        rc = put(m, k, "map.weight", m->n, m->n, 0.3f * unit);
    if (!rc)
        rc = put(m, k, "gate.0.weight", m->n, GATE, 2 * unit);
    if (!rc)
        rc = put(m, k, "gate.0.bias", GATE, 1, 0.5f);
    if (!rc)
        rc = put(m, k, "gate.1.weight", GATE, 1, 1.0f);
    return rc ? rc : put(m, k, "gate.1.bias", 1, 1, 1.0f);
}

static int put_all(struct maker *m, const char *base, const uint32_t *layers, uint32_t n)
{
    int rc = jb_gguf_put_str(m->w, "general.architecture", "jb-exits");
    if (!rc)
        rc = jb_gguf_put_u32(m->w, "jb.format", 1);
    if (!rc)
        rc = jb_gguf_put_str(m->w, "jb.base.norms_sha256", base);
    if (!rc)
        rc = jb_gguf_put_array_u32(m->w, "jb.exits.layers", layers, n);
    for (uint32_t k = 0; k < n && !rc; k++)
        rc = put_exit(m, k);
    return rc;
}

// Rising, each behind a layer that others follow.
static int check(const struct jb_gguf *g, const uint32_t *layers, uint32_t n, struct jb_err *err)
{
    uint64_t n_layers = 0;
    int rc = jb_gguf_u64(g, "llama.block_count", &n_layers, err);
    if (rc)
        return rc;
    if (n < 1 || n >= JB_MAX_STAGES)
        return jb_fail(err, JB_E_RANGE, "synth: %u exits (1 to %d can be)", n, JB_MAX_STAGES - 1);
    for (uint32_t k = 0; k < n; k++)
        if (layers[k] <= (k ? layers[k - 1] : 0) || layers[k] >= n_layers)
            return jb_fail(err, JB_E_RANGE, "synth: an exit behind layer %u (rising numbers from 1 to %llu can be)", layers[k], (unsigned long long)n_layers - 1);
    return JB_OK;
}

int jb_synth_write_exits(const char *path, const char *base, const uint32_t *layers, uint32_t n, uint64_t seed, struct jb_err *err)
{
    struct maker m = { .seed = seed };
    struct jb_gguf *g = NULL;
    char hash[JB_HASH_HEX];
    int rc = jb_gguf_open(&g, base, err);
    if (rc)
        return rc;
    rc = check(g, layers, n, err);
    if (!rc)
        rc = llama_base_hash(g, hash, err);
    if (!rc) {
        m.n = (uint32_t)jb_gguf_tensor(g, "output_norm.weight")->dims[0];
        m.type = m.n % 32 ? JB_GGML_F16 : JB_GGML_Q8_0;
        rc = jb_gguf_writer_open(&m.w) || put_all(&m, hash, layers, n) ? jb_fail(err, JB_E_NOMEM, "synth: the exits could not be put together") : jb_gguf_write(m.w, path, err);
    }
    jb_gguf_writer_close(m.w);
    jb_gguf_close(g);
    return rc;
}
