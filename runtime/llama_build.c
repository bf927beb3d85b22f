// The `llama` row: a checked file, and perhaps a side file with exits, into a model.
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "runtime/llama.h"

static void destroy(void *impl)
{
    struct llama *m = impl;
    if (!m)
        return;
    jb_packer_free(&m->packer);
    jb_big_free(&m->packed);
    jb_pool_free(&m->pool);
    free(m);
}

static void cut_stages(struct llama *m)
{
    m->n_stages = m->n_exits + 1;
    for (uint32_t k = 0; k < m->n_exits; k++)
        m->stage_layer[k + 1] = m->exits[k].layers;
    m->stage_layer[m->n_stages] = m->n_layers;
}

// Every matrix of the model, one after the other; NULL past the end.
static const struct jb_matrix *matrix_at(const struct llama *m, size_t i)
{
    if (i < (size_t)m->n_layers * 7) {
        const struct llama_layer *a = &m->layers[i / 7];
        const struct jb_matrix *of[] = { &a->q, &a->k, &a->v, &a->out, &a->gate, &a->up, &a->down };
        return of[i % 7];
    }
    i -= (size_t)m->n_layers * 7;
    if (i < (size_t)m->n_exits * 4) {
        const struct llama_exit *e = &m->exits[i / 4];
        const struct jb_matrix *of[] = { &e->map, &e->down, &e->up, &e->gate };
        return of[i % 4];
    }
    return i == (size_t)m->n_exits * 4 ? &m->head : NULL;
}

static void look_at_matrices(struct llama *m)
{
    const struct jb_matrix *w;
    for (size_t i = 0; (w = matrix_at(m, i)); i++) {
        if (w->n && jb_matrix_scratch_bytes(w) > m->scratch_bytes)
            m->scratch_bytes = jb_matrix_scratch_bytes(w);
        if (!w->n || !jb_matrix_reads_q8(w))
            continue;
        m->q8_embd |= (uint32_t)w->n == m->n_embd;
        m->q8_att |= (uint32_t)w->n == m->n_head * m->head_dim;
        m->q8_ff |= (uint32_t)w->n == m->n_ff;
    }
}

static int fill_numbers(struct llama *m, struct jb_err *err)
{
    float *ones = jb_pool_get(&m->pool, m->n_embd * sizeof *ones);
    m->freqs = jb_pool_get(&m->pool, m->n_rot / 2 * sizeof *m->freqs);
    if (!ones || !m->freqs)
        return jb_fail(err, JB_E_NOMEM, "%s: no memory for the model", jb_gguf_name(m->file));
    for (uint32_t i = 0; i < m->n_embd; i++)
        ones[i] = 1.0f;
    for (uint32_t i = 0; i < m->n_rot / 2; i++)
        m->freqs[i] = pow(m->freq_base, -2.0 * i / m->n_rot) / (m->freq_factors ? (double)m->freq_factors[i] : 1.0);
    m->ones = ones;
    m->scale = 1.0f / sqrtf((float)m->head_dim);
    return JB_OK;
}

static void add_costs(struct llama *m)
{
    for (uint32_t k = 0; k < m->n_stages; k++)
        for (uint32_t l = m->stage_layer[k]; l < m->stage_layer[k + 1]; l++) {
            const struct llama_layer *a = &m->layers[l];
            const struct jb_matrix *rest[] = { &a->q, &a->out, &a->gate, &a->up, &a->down };
            jb_matrix_cost(&a->k, &m->kv_cost[k]);
            jb_matrix_cost(&a->v, &m->kv_cost[k]);
            for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
                jb_matrix_cost(rest[i], &m->rest_cost[k]);
        }
}

void llama_attention_cost(const struct llama *m, uint32_t stage, uint32_t position, enum jb_kv_kind kv, struct jb_cost *sum)
{
    uint64_t layers = m->stage_layer[stage + 1] - m->stage_layer[stage], read = (uint64_t)position + 1;
    uint64_t kv_bytes = 2 * (uint64_t)m->n_kv * (kv == JB_KV_F16 ? 2 * (uint64_t)m->head_dim : (uint64_t)m->head_dim + sizeof(float));
    sum->macs[JB_PREC_F32] += layers * read * 2 * m->n_head * m->head_dim;
    sum->bytes[JB_PREC_F32] += layers * read * kv_bytes;
}

void llama_map_cost(const struct llama_exit *e, struct jb_cost *sum)
{
    const struct jb_matrix *of[] = { &e->map, &e->down, &e->up };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        if (of[i]->n)
            jb_matrix_cost(of[i], sum);
}

void llama_gate_cost(const struct llama_exit *e, struct jb_cost *sum)
{
    jb_matrix_cost(&e->gate, sum);
    sum->macs[JB_PREC_F32] += (uint64_t)e->gate.n_out;
    sum->bytes[JB_PREC_F32] += 2 * sizeof(float) * (uint64_t)e->gate.n_out;
}

// The type of most bytes of the layers' matrices names the model, and the arithmetic that runs.
static int choose_precision(struct llama *m, struct jb_model_info *info, struct jb_err *err)
{
    uint64_t by_class[JB_PREC_COUNT] = { 0 }, most = 0;
    char weights[16], reason[96];
    const struct jb_block_type *type = NULL, *t;
    for (size_t k = 0; (t = jb_block_type_at(k)); k++) {
        uint64_t bytes = 0;
        for (size_t i = 0; i < (size_t)m->n_layers * 7; i++)
            bytes += matrix_at(m, i)->type == t ? matrix_at(m, i)->bytes : 0;
        by_class[jb_matrix_class(t->type)] += bytes;
        if (bytes > most) {
            most = bytes;
            type = t;
        }
    }
    for (int p = 0; p < JB_PREC_COUNT; p++)
        if (by_class[p] > by_class[m->precision])
            m->precision = (enum jb_precision)p;
    snprintf(weights, sizeof weights, "%s", type->name);
    weights[0] = (char)toupper((unsigned char)weights[0]);
    if (weights[0] == 'B') // BF16
        weights[1] = 'F';
    snprintf(reason, sizeof reason, "stored as %s: only %s runs (nested weights come later)", weights, jb_precision_name((int)m->precision));
    info->weights = jb_pool_text(&m->pool, weights, strlen(weights));
    const char *text = jb_pool_text(&m->pool, reason, strlen(reason));
    if (!info->weights || !text)
        return jb_fail(err, JB_E_NOMEM, "%s: no memory for the model", jb_gguf_name(m->file));
    for (int p = 0; p < JB_PREC_COUNT; p++)
        info->precision_reason[p] = p == (int)m->precision ? NULL : text;
    return JB_OK;
}

static void fill_stage(const struct llama *m, uint32_t k, struct jb_stage_info *s)
{
    struct jb_cost stage = m->kv_cost[k], head = { 0 };
    jb_cost_add(&stage, &m->rest_cost[k]);
    llama_attention_cost(m, k, 0, JB_KV_F16, &stage);
    if (k < m->n_exits)
        llama_map_cost(&m->exits[k], &head);
    jb_vocab_heads[0]->cost(&m->head, &head);
    snprintf(s->name, sizeof s->name, "layers %u-%u", m->stage_layer[k], m->stage_layer[k + 1] - 1);
    s->output = (struct jb_shape){ 1, 1, (int32_t)m->n_embd };
    s->exit = (int32_t)k;
    s->n_layers = m->stage_layer[k + 1] - m->stage_layer[k];
    s->has_gate = k < m->n_exits && m->exits[k].has_gate;
    s->temperature = k < m->n_exits ? m->exits[k].temperature : 1.0;
    for (int p = 0; p < JB_PREC_COUNT; p++) { // one way to run: whatever is asked about, that is what it costs
        s->cost[p] = stage;
        s->head_cost[p] = head;
    }
}

static const char *text_or(const struct jb_gguf *g, const char *key, const char *otherwise)
{
    const char *s = otherwise;
    (void)jb_gguf_str(g, key, &s, NULL, NULL);
    return s;
}

static void fill_info(const struct llama *m, struct jb_model_info *info)
{
    info->row_kind = JB_ROW_POSITION;
    info->task = "decode";
    info->name = text_or(m->file, "general.name", "");
    info->license = text_or(m->file, "general.license", "");
    info->provenance = text_or(m->file, "jb.provenance", "");
    info->input = (struct jb_shape){ 1, 1, 1 };
    info->n_classes = m->n_vocab;
    info->max_positions = m->max_positions;
    info->precisions = 1u << m->precision;
    info->n_parts = 1;
    info->n_stages = info->n_exits = info->part_stage[1] = info->part_stage[2] = m->n_stages;
    for (uint32_t k = 0; k < m->n_stages; k++) {
        info->exit_stage[k] = k;
        fill_stage(m, k, &info->stages[k]);
    }
    info->weight_bytes[m->precision] = m->packer.packed_bytes;
    info->unpacked_bytes = m->packer.unpacked_bytes;
    info->model_bytes = sizeof *m + m->packed.n_bytes + m->pool.total_bytes;
}

static int read_all(struct llama *m, const struct jb_gguf *exits, struct jb_model_info *info, struct jb_err *err)
{
    struct jb_clock clock = jb_clock_monotonic();
    int rc = llama_read_keys(m, m->file, err);
    if (!rc)
        rc = llama_read_tensors(m, m->file, err);
    if (!rc && exits)
        rc = llama_read_exits(m, exits, err);
    uint64_t start_ns = clock.now_ns(clock.self);
    if (!rc)
        rc = jb_packer_run(&m->packer, &m->packed, err);
    info->pack_ns = clock.now_ns(clock.self) - start_ns;
    if (rc)
        return rc;
    cut_stages(m);
    look_at_matrices(m);
    add_costs(m);
    rc = fill_numbers(m, err);
    return rc ? rc : choose_precision(m, info, err);
}

static int build(void **impl, struct jb_model_info *info, const struct jb_gguf *g, const struct jb_gguf *exits, const struct jb_kernels *k, const struct jb_model_opts *o, struct jb_err *err)
{
    (void)o; // there is one precision, that of the file
    struct llama *m = calloc(1, sizeof *m);
    if (!m)
        return jb_fail(err, JB_E_NOMEM, "%s: no memory for the model", jb_gguf_name(g));
    m->file = g;
    m->k = *k;
    int rc = read_all(m, exits, info, err);
    if (rc) {
        destroy(m);
        return rc;
    }
    fill_info(m, info);
    jb_packer_free(&m->packer);
    *impl = m;
    return JB_OK;
}

const struct jb_arch_ops jb_arch_llama = {
    .name = "llama", .summary = "language models of the llama family", .pool = true, .base_key = "jb.base.norms_sha256", .base_hash = llama_base_hash,
    .build = build, .destroy = destroy, .open = llama_open, .close = llama_close,
    .begin = llama_begin, .run_stage = llama_run_stage, .run_head = llama_run_head,
    .commit = llama_commit, .rollback = llama_rollback, .settle = llama_settle, .deferred = llama_deferred, .reset = llama_reset,
};
