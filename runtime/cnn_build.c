// The `jbcnn` row: metadata into a network that is ready to be opened by sessions.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cnn.h"
#include "runtime/gguf_file.h"

struct build {
    struct jb_cnn *m;
    struct jb_model_info *info;
    const struct jb_gguf *g, *exits;
    struct jb_err *err;
    char key[64]; // of the stage at hand
};

static int no_memory(struct build *b)
{
    return jb_fail(b->err, JB_E_NOMEM, "%s: no memory for the model", jb_gguf_name(b->g));
}

static const char *stage_key(struct build *b, uint32_t stage, const char *what)
{
    snprintf(b->key, sizeof b->key, "jb.%s.%u.%s", strcmp(what, "temperature") == 0 ? "exit" : "stage", stage, what);
    return b->key;
}

// An optional text: "" when absent.
static int read_text(struct build *b, const char *key, const char **out)
{
    size_t n = 0;
    *out = "";
    if (!jb_gguf_find_key(b->g, key))
        return JB_OK;
    int rc = jb_gguf_str(b->g, key, out, &n, b->err);
    if (!rc && !jb_utf8_text(*out, n))
        return jb_fail(b->err, JB_E_INVALID, "%s: key \"%s\" is not valid UTF-8", jb_gguf_name(b->g), key);
    return rc;
}

static int read_texts(struct build *b)
{
    struct jb_model_info *i = b->info;
    const struct { const char *key, **out; } texts[] = { { "general.name", &i->name }, { "general.license", &i->license }, { "jb.provenance", &i->provenance }, { "jb.task", &i->task } };
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
        int rc = read_text(b, texts[k].key, texts[k].out);
        if (rc)
            return rc;
    }
    return JB_OK;
}

static int read_format(struct build *b, const struct jb_gguf *g)
{
    uint64_t format = 0;
    int rc = jb_gguf_u64(g, "jb.format", &format, b->err);
    if (!rc && format != 1)
        return jb_fail(b->err, JB_E_UNSUPPORTED, "%s: jb.format is %llu (this build reads 1)", jb_gguf_name(g), (unsigned long long)format);
    return rc;
}

static int read_labels(struct build *b)
{
    size_t n = 0;
    int rc = jb_gguf_array(b->g, "jb.labels", NULL, &n, b->err);
    if (rc)
        return rc;
    if (n < 1 || n > JB_MAX_CLASSES)
        return jb_fail(b->err, JB_E_INVALID, "%s: jb.labels names %zu classes (1 to 4,096 can be)", jb_gguf_name(b->g), n);
    b->m->labels = jb_pool_get(&b->m->pool, n * sizeof *b->m->labels);
    if (!b->m->labels)
        return no_memory(b);
    for (size_t i = 0; i < n; i++) {
        size_t len = 0;
        const char *s = NULL;
        rc = jb_gguf_array_str(b->g, "jb.labels", i, &s, &len, b->err);
        if (rc)
            return rc;
        if (!jb_utf8_text(s, len))
            return jb_fail(b->err, JB_E_INVALID, "%s: label %zu is not valid UTF-8", jb_gguf_name(b->g), i);
        b->m->labels[i] = s; // lives as long as the file, which the model holds
    }
    b->m->n_classes = b->info->n_classes = (uint32_t)n;
    b->info->labels = b->m->labels;
    return JB_OK;
}

// An array of exactly `count` elements that are read by the caller.
static int read_count(struct build *b, const struct jb_gguf *g, const char *key, size_t count)
{
    size_t n = 0;
    int rc = jb_gguf_array(g, key, NULL, &n, b->err);
    if (!rc && n != count)
        return jb_fail(b->err, JB_E_INVALID, "%s: key \"%s\" has %zu elements (%zu are required)", jb_gguf_name(g), key, n, count);
    return rc;
}

static int read_normalisation(struct build *b, int32_t channels)
{
    int rc = read_count(b, b->g, "jb.input.mean", (size_t)channels);
    if (!rc)
        rc = read_count(b, b->g, "jb.input.std", (size_t)channels);
    for (int32_t c = 0; c < channels && !rc; c++) {
        double mean = 0, std = 0;
        rc = jb_gguf_array_f64(b->g, "jb.input.mean", (size_t)c, &mean, b->err);
        if (!rc)
            rc = jb_gguf_array_f64(b->g, "jb.input.std", (size_t)c, &std, b->err);
        if (rc)
            return rc;
        if (!(fabs(mean) <= 1e6) || !(std >= 1e-6 && std <= 1e6))
            return jb_fail(b->err, JB_E_INVALID, "%s: jb.input: mean %g and std %g of channel %d cannot be (|mean| up to 1e6, std 1e-6 to 1e6)", jb_gguf_name(b->g), mean, std, c);
        b->m->input_mean[c] = (float)mean;
        b->m->input_std[c] = (float)std;
        b->info->input_scale[c] = b->m->input_scale[c] = (float)(1.0 / (255.0 * std));
        b->info->input_offset[c] = b->m->input_offset[c] = (float)(-mean / std);
    }
    return rc;
}

static int read_input(struct build *b)
{
    uint64_t d[3] = { 0 };
    int rc = read_count(b, b->g, "jb.input.shape", 3);
    for (size_t i = 0; i < 3 && !rc; i++)
        rc = jb_gguf_array_u64(b->g, "jb.input.shape", i, &d[i], b->err);
    if (rc)
        return rc;
    if (d[0] < 1 || d[0] > CNN_MAX_SIDE || d[1] < 1 || d[1] > CNN_MAX_SIDE || d[2] < 1 || d[2] > CNN_MAX_CHANNELS_IN)
        return jb_fail(b->err, JB_E_INVALID, "%s: jb.input.shape is %llu x %llu x %llu (up to 4,096 x 4,096 x 8 can be)", jb_gguf_name(b->g), (unsigned long long)d[0],
                       (unsigned long long)d[1], (unsigned long long)d[2]);
    b->info->input = (struct jb_shape){ (int32_t)d[0], (int32_t)d[1], (int32_t)d[2] };
    return read_normalisation(b, b->info->input.c);
}

static int read_stage_count(struct build *b)
{
    uint64_t n = 0;
    int rc = jb_gguf_u64(b->g, "jb.stages", &n, b->err);
    if (rc)
        return rc;
    if (n < 1 || n > JB_MAX_STAGES)
        return jb_fail(b->err, JB_E_INVALID, "%s: jb.stages is %llu (1 to 16 can be)", jb_gguf_name(b->g), (unsigned long long)n);
    b->m->n_stages = b->info->n_stages = (uint32_t)n;
    b->info->n_parts = 1;
    b->info->part_stage[1] = b->info->part_stage[2] = (uint32_t)n;
    return JB_OK;
}

// The file that holds the head of a stage: the side file goes first. NULL: no exit there.
static const struct jb_gguf *head_file(struct build *b, uint32_t stage)
{
    const char *key = stage_key(b, stage, "head");
    if (b->exits && jb_gguf_find_key(b->exits, key))
        return b->exits;
    return jb_gguf_find_key(b->g, key) ? b->g : NULL;
}

// Room for all values and operations: the lines are counted before anything is parsed.
static int make_room(struct build *b)
{
    size_t n = 0;
    for (uint32_t k = 0; k < b->m->n_stages; k++) {
        const struct jb_gguf *head = head_file(b, k);
        size_t lines = 0;
        int rc = jb_gguf_array(b->g, stage_key(b, k, "graph"), NULL, &lines, b->err);
        n += lines;
        if (!rc && head)
            rc = jb_gguf_array(head, stage_key(b, k, "head"), NULL, &lines, b->err);
        if (rc)
            return rc;
        n += head ? lines : 0;
    }
    if (n > 2 * JB_MAX_STAGES * CNN_MAX_OPS)
        return jb_fail(b->err, JB_E_INVALID, "%s: the graphs have %zu lines together (256 in a stage or head can be)", jb_gguf_name(b->g), n);
    b->m->values = calloc(n + 1, sizeof *b->m->values);
    b->m->ops = calloc(n + 1, sizeof *b->m->ops);
    if (!b->m->values || !b->m->ops)
        return no_memory(b);
    b->m->values[0] = (struct cnn_value){ .name = "input", .shape = b->info->input, .seq = CNN_NONE };
    b->m->n_values = 1;
    return jb_names_add(&b->m->names, "input", 0) ? no_memory(b) : JB_OK;
}

static int read_temperature(struct build *b, const struct jb_gguf *head, uint32_t stage)
{
    double t = 1.0;
    const char *key = stage_key(b, stage, "temperature");
    int rc = JB_OK;
    if (b->exits && jb_gguf_find_key(b->exits, key))
        rc = jb_gguf_f64(b->exits, key, &t, b->err);
    else if (head == b->g && jb_gguf_find_key(b->g, key)) // a replaced head does not inherit its predecessor's temperature
        rc = jb_gguf_f64(b->g, key, &t, b->err);
    if (!rc && !(t >= 1e-3 && t <= 1e3))
        return jb_fail(b->err, JB_E_INVALID, "%s: key \"%s\" is %g (0.001 to 1000 can be)", jb_gguf_name(b->g), key, t);
    b->info->stages[stage].temperature = t;
    return rc;
}

static int read_stage(struct build *b, uint32_t k)
{
    struct jb_stage_info *info = &b->info->stages[k];
    const struct jb_gguf *head = head_file(b, k);
    const char *output = NULL;
    size_t n = 0;
    int rc = jb_gguf_str(b->g, stage_key(b, k, "output"), &output, &n, b->err);
    if (!rc)
        rc = cnn_add_graph(b->m, &(struct cnn_source){ .g = b->g, .key = stage_key(b, k, "graph"), .seq = 2 * k }, output, b->err);
    if (!rc && head)
        rc = cnn_add_graph(b->m, &(struct cnn_source){ .g = head, .key = stage_key(b, k, "head"), .seq = 2 * k + 1, .exits = head == b->exits }, NULL, b->err);
    if (!rc)
        rc = read_temperature(b, head, k);
    if (rc)
        return rc;
    if (!head && k + 1 == b->m->n_stages)
        return jb_fail(b->err, JB_E_INVALID, "%s: key \"jb.stage.%u.head\" is missing: the last stage has a head", jb_gguf_name(b->g), k);
    snprintf(info->name, sizeof info->name, "stage%u", k);
    info->output = b->m->values[b->m->seqs[2 * k].out].shape;
    info->n_ops = b->m->seqs[2 * k].n_ops;
    info->n_head_ops = b->m->seqs[2 * k + 1].n_ops;
    info->exit = head ? (int32_t)b->info->n_exits : -1;
    if (head)
        b->info->exit_stage[b->info->n_exits++] = k;
    return JB_OK;
}

static int read_range(struct build *b, const struct jb_gguf *g, size_t i)
{
    const char *name = NULL;
    double lo = 0, hi = 0;
    int rc = jb_gguf_array_str(g, "jb.range.names", i, &name, NULL, b->err);
    if (!rc)
        rc = jb_gguf_array_f64(g, "jb.range.min", i, &lo, b->err);
    if (!rc)
        rc = jb_gguf_array_f64(g, "jb.range.max", i, &hi, b->err);
    if (rc)
        return rc;
    if (!(lo <= hi) || !(fabs(lo) <= (double)CNN_MAX_MAGNITUDE) || !(fabs(hi) <= (double)CNN_MAX_MAGNITUDE))
        return jb_fail(b->err, JB_E_INVALID, "%s: the range of \"%.80s\" is %g to %g (finite, rising, within 2^30 is required)", jb_gguf_name(g), name, lo, hi);
    uint32_t v = jb_names_find(&b->m->names, name);
    if (v == JB_NO_INDEX || v == 0)
        return JB_OK; // of a value that another head made, or that nobody has
    const struct jb_gguf *before = b->m->values[v].range_from;
    if (before)
        return before == g ? jb_fail(b->err, JB_E_INVALID, "%s: the range of \"%.80s\" stands twice", jb_gguf_name(g), name) : JB_OK;
    b->m->values[v].range_from = g;
    b->m->values[v].has_range = true;
    b->m->values[v].lo = (float)lo;
    b->m->values[v].hi = (float)hi;
    return JB_OK;
}

static int read_ranges(struct build *b, const struct jb_gguf *g)
{
    size_t n = 0;
    if (!jb_gguf_find_key(g, "jb.range.names"))
        return JB_OK; // no ranges: f32 alone
    int rc = jb_gguf_array(g, "jb.range.names", NULL, &n, b->err);
    if (!rc)
        rc = read_count(b, g, "jb.range.min", n);
    if (!rc)
        rc = read_count(b, g, "jb.range.max", n);
    for (size_t i = 0; i < n && !rc; i++)
        rc = read_range(b, g, i);
    return rc;
}

static int read_graphs(struct build *b)
{
    int rc = read_stage_count(b);
    if (!rc)
        rc = make_room(b);
    for (uint32_t k = 0; k < b->m->n_stages && !rc; k++)
        rc = read_stage(b, k);
    if (!rc)
        rc = cnn_link(b->m, b->g, b->err);
    return rc;
}

// Which precisions are wanted, can be, and are prepared.
static int prepare(struct build *b, uint32_t wanted)
{
    const char *why = NULL;
    uint32_t integers = 1u << JB_PREC_INT8 | 1u << JB_PREC_INT4, all = integers | 1u << JB_PREC_F32;
    int rc = cnn_quantize_values(b->m, &why, b->err);
    if (rc)
        return rc;
    if (wanted & ~all)
        return jb_fail(b->err, JB_E_UNSUPPORTED, "%s: unknown precision asked for", jb_gguf_name(b->g));
    if (wanted & integers && why)
        return jb_fail(b->err, JB_E_UNSUPPORTED, "%s: cannot run in integers: %s", jb_gguf_name(b->g), why);
    uint32_t can = why ? 1u << JB_PREC_F32 : all;
    b->m->precisions = b->info->precisions = wanted ? wanted : can;
    for (int p = 0; p < JB_PREC_COUNT; p++)
        if (!(b->info->precisions & 1u << p))
            b->info->precision_reason[p] = p != JB_PREC_F32 && why ? why : "not asked for when the model was opened";
    rc = cnn_load_weights(b->m, b->g, b->exits, b->info->precisions, b->err);
    if (!rc)
        rc = cnn_plan_layout(b->m, b->err);
    cnn_count_costs(b->m, b->info);
    for (uint32_t i = 0; i < 2 * b->m->n_stages; i++)
        memcpy(b->m->seq_cost[i], i % 2 ? b->info->stages[i / 2].head_cost : b->info->stages[i / 2].cost, sizeof b->m->seq_cost[i]);
    return rc;
}

static void destroy(void *impl)
{
    struct jb_cnn *m = impl;
    if (!m)
        return;
    cnn_free_weights(m);
    free(m->slots);
    free(m->values);
    free(m->ops);
    jb_names_free(&m->names);
    jb_pool_free(&m->pool);
    free(m);
}

static int build(void **impl, struct jb_model_info *info, const struct jb_gguf *g, const struct jb_gguf *exits, const struct jb_kernels *k, const struct jb_model_opts *o, struct jb_err *err)
{
    struct build b = { .m = calloc(1, sizeof *b.m), .info = info, .g = g, .exits = exits, .err = err };
    if (!b.m)
        return no_memory(&b);
    b.m->kernels = *k;
    info->row_kind = JB_ROW_IMAGE;
    int rc = read_format(&b, g);
    if (!rc && exits)
        rc = read_format(&b, exits);
    if (!rc)
        rc = read_texts(&b);
    if (!rc)
        rc = read_labels(&b);
    if (!rc)
        rc = read_input(&b);
    if (!rc)
        rc = read_graphs(&b);
    if (!rc && exits)
        rc = read_ranges(&b, exits);
    if (!rc)
        rc = read_ranges(&b, g);
    if (!rc)
        rc = prepare(&b, o ? o->precisions : 0);
    if (rc) {
        destroy(b.m);
        return rc;
    }
    info->model_bytes = sizeof *b.m + b.m->pool.total_bytes + (b.m->n_values + 1) * sizeof *b.m->values + (b.m->n_ops + 1) * sizeof *b.m->ops;
    for (int p = 0; p < JB_PREC_COUNT; p++)
        info->model_bytes += info->weight_bytes[p];
    *impl = b.m;
    return JB_OK;
}

static int op_info(const void *impl, uint32_t stage, bool head, uint32_t i, struct jb_op_info *out)
{
    const struct jb_cnn *m = impl;
    uint32_t seq = 2 * stage + (head ? 1 : 0);
    if (stage >= m->n_stages || !m->seqs[seq].present || i >= m->seqs[seq].n_ops)
        return JB_E_NOT_FOUND;
    const struct cnn_op *op = &m->ops[m->seqs[seq].first_op + i];
    const struct cnn_value *v = &m->values[op->out];
    *out = (struct jb_op_info){ .text = op->text, .output = v->shape, .has_range = v->has_range, .lo = v->lo, .hi = v->hi, .fused = op->skipped };
    memcpy(out->cost, op->cost, sizeof out->cost);
    return JB_OK;
}

const struct jb_arch_ops jb_arch_cnn = {
    .name = "jbcnn", .summary = "convolutional image network with exits",
    .build = build, .destroy = destroy, .open = cnn_open, .close = cnn_close,
    .begin = cnn_begin, .run_stage = cnn_run_stage, .run_head = cnn_run_head,
    .op = op_info, .observe = cnn_observe,
};
