// The `jb-synth-state` row: a checked file into a model; and the writer of such files.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "runtime/state.h"
#include "runtime/synth_impl.h"

static int read_number(const struct jb_gguf *g, const char *key, uint64_t min, uint64_t max, uint32_t *out, struct jb_err *err)
{
    uint64_t v = 0;
    int rc = jb_gguf_u64(g, key, &v, err);
    if (!rc && (v < min || v > max))
        return jb_fail(err, JB_E_INVALID, "%s: key \"%s\" is %llu (%llu to %llu can be)", jb_gguf_name(g), key, (unsigned long long)v, (unsigned long long)min, (unsigned long long)max);
    *out = (uint32_t)v;
    return rc;
}

static int read_tensor(const struct jb_gguf *g, const char *name, uint32_t in, uint32_t out_rows, const uint32_t **out, struct jb_err *err)
{
    const struct jb_gguf_tensor *t = jb_gguf_tensor(g, name);
    if (!t || t->type != JB_GGML_I32 || t->n_dims != 2 || t->dims[0] != in || t->dims[1] != out_rows)
        return jb_fail(err, JB_E_INVALID, "%s: tensor \"%s\" is missing, or not I32 of sizes %u, %u", jb_gguf_name(g), name, in, out_rows);
    *out = t->data;
    return JB_OK;
}

static int read_numbers(struct jb_state_model *m, const struct jb_gguf *g, struct jb_err *err)
{
    uint32_t format = 0;
    int rc = read_number(g, "jb.format", 1, 1, &format, err);
    if (!rc)
        rc = read_number(g, "jb.stages", 1, JB_MAX_STAGES, &m->n_stages, err);
    if (!rc)
        rc = read_number(g, "jb.synth.encoder", 0, m->n_stages - 1, &m->encoder, err);
    if (!rc)
        rc = read_number(g, "jb.synth.dim", 1, STATE_MAX_DIM, &m->dim, err);
    if (!rc)
        rc = read_number(g, "jb.synth.vocab", 2, JB_MAX_CLASSES, &m->vocab, err);
    return rc ? rc : read_number(g, "jb.synth.positions", 1, STATE_MAX_POSITIONS, &m->positions, err);
}

static int read_tensors(struct jb_state_model *m, const struct jb_gguf *g, struct jb_err *err)
{
    char name[32];
    int rc = read_tensor(g, "embed", m->dim, m->vocab, &m->embed, err);
    if (!rc)
        rc = read_tensor(g, "head.weight", m->dim, m->vocab, &m->head, err);
    for (uint32_t k = 0; k < m->n_stages && !rc; k++) {
        snprintf(name, sizeof name, "layer.%u.weight", k);
        rc = read_tensor(g, name, m->dim, m->dim, &m->layers[k], err);
    }
    return rc;
}

static void fill_info(const struct jb_state_model *m, struct jb_model_info *info)
{
    info->row_kind = JB_ROW_POSITION;
    info->task = "decode";
    info->n_stages = m->n_stages;
    info->n_classes = m->vocab;
    info->max_positions = m->positions;
    info->n_parts = m->encoder ? 2 : 1;
    info->part_stage[1] = m->encoder ? m->encoder : m->n_stages;
    info->part_stage[2] = m->n_stages;
    info->precisions = (1u << JB_PREC_COUNT) - 1;
    info->model_bytes = sizeof *m;
    for (uint32_t k = 0; k < m->n_stages; k++) {
        struct jb_stage_info *s = &info->stages[k];
        bool exit = k >= m->encoder;
        snprintf(s->name, sizeof s->name, "%s%u", exit ? "layer" : "encoder", k);
        s->output = (struct jb_shape){ 1, 1, (int32_t)m->dim };
        s->temperature = 1.0;
        s->has_gate = exit;
        s->n_ops = 0;
        s->exit = exit ? (int32_t)info->n_exits : -1;
        if (exit)
            info->exit_stage[info->n_exits++] = k;
        for (int p = 0; p < JB_PREC_COUNT; p++) {
            state_stage_cost(m, (enum jb_precision)p, 1, 0, 1, &s->cost[p]); // at position 0; each further position adds a vector
            if (exit)
                state_head_cost(m, (enum jb_precision)p, &s->head_cost[p]);
        }
    }
}

static int build(void **impl, struct jb_model_info *info, const struct jb_gguf *g, const struct jb_gguf *exits, const struct jb_kernels *k, const struct jb_model_opts *o, struct jb_err *err)
{
    (void)k;
    (void)o; // every precision is there at once
    if (exits)
        return jb_fail(err, JB_E_UNSUPPORTED, "%s: this family takes no side file", jb_gguf_name(g));
    struct jb_state_model *m = calloc(1, sizeof *m);
    if (!m)
        return jb_fail(err, JB_E_NOMEM, "%s: no memory for the model", jb_gguf_name(g));
    int rc = read_numbers(m, g, err);
    if (!rc)
        rc = read_tensors(m, g, err);
    if (rc) {
        free(m);
        return rc;
    }
    fill_info(m, info);
    *impl = m;
    return JB_OK;
}

const struct jb_arch_ops jb_arch_state = {
    .name = "jb-synth-state", .summary = "stateful test model: decoder, or encoder and decoder",
    .build = build, .destroy = free, .open = state_open, .close = state_close,
    .begin = state_begin, .run_stage = state_run_stage, .run_head = state_run_head,
    .commit = state_commit, .rollback = state_rollback, .settle = state_settle, .deferred = state_deferred, .reset = state_reset,
};

static int put_random(struct jb_gguf_writer *w, struct jb_rng *rng, const char *name, uint32_t in, uint32_t out)
{
    size_t n = (size_t)in * out;
    uint32_t *x = malloc(n * sizeof *x);
    if (!x)
        return JB_E_NOMEM;
    for (size_t i = 0; i < n; i++)
        x[i] = (uint32_t)jb_rng_u64(rng);
    uint64_t dims[2] = { in, out };
    int rc = jb_gguf_put_tensor(w, name, JB_GGML_I32, dims, 2, x, n * sizeof *x);
    free(x);
    return rc;
}

int jb_synth_state(struct jb_gguf_writer *w, const struct jb_synth_opts *o, struct jb_err *err)
{
    const struct { const char *key; uint32_t value; } numbers[] = { { "jb.format", 1 }, { "jb.stages", o->stages }, { "jb.synth.encoder", o->encoder }, { "jb.synth.dim", o->width },
                                                                     { "jb.synth.vocab", o->classes }, { "jb.synth.positions", o->positions } };
    struct jb_rng rng;
    char name[32];
    jb_rng_seed_named(&rng, o->seed, "synth state");
    int rc = jb_gguf_put_str(w, "general.architecture", "jb-synth-state");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && !rc; i++)
        rc = jb_gguf_put_u32(w, numbers[i].key, numbers[i].value);
    if (!rc)
        rc = put_random(w, &rng, "embed", o->width, o->classes);
    for (uint32_t k = 0; k < o->stages && !rc; k++) {
        snprintf(name, sizeof name, "layer.%u.weight", k);
        rc = put_random(w, &rng, name, o->width, o->width);
    }
    if (!rc)
        rc = put_random(w, &rng, "head.weight", o->width, o->classes);
    return rc ? jb_fail(err, rc, "synth: the model could not be put together") : JB_OK;
}
