// From lines to values and operations: names are resolved, shapes inferred with checked sizes, readers counted, additions fused, halos found.
// An operation reads only what stands before it, so a graph cannot have a cycle.
#include <stdio.h>
#include <string.h>

#include "runtime/cnn.h"

static int out_of_memory(const struct jb_gguf *g, struct jb_err *err)
{
    return jb_fail(err, JB_E_NOMEM, "%s: no memory for the graph", jb_gguf_name(g));
}

static uint32_t boundary_before(const struct jb_cnn *m, uint32_t seq)
{
    if (seq == 0)
        return 0; // the value `input`
    return m->seqs[seq % 2 ? seq - 1 : seq - 2].out;
}

// A value that `seq` may read: its own, or the boundary value before it.
static int resolve(const struct jb_cnn *m, uint32_t seq, const char *name, uint32_t *out, struct jb_err *err)
{
    uint32_t v = jb_names_find(&m->names, name);
    if (v == JB_NO_INDEX || v >= m->n_values)
        return jb_fail(err, JB_E_INVALID, "value \"%s\" is not defined before it is read", name);
    if (m->values[v].seq != seq && v != boundary_before(m, seq))
        return jb_fail(err, JB_E_INVALID, "value \"%s\" belongs to another stage and is not the boundary value before this one", name);
    *out = v;
    return JB_OK;
}

static int32_t out_size(int32_t in, int32_t kernel, int32_t stride, int32_t pad)
{
    int32_t span = in + 2 * pad - kernel;
    return span < 0 ? 0 : span / stride + 1;
}

static int check_shape(struct jb_shape s, struct jb_err *err)
{
    if (s.h < 1 || s.w < 1)
        return jb_fail(err, JB_E_INVALID, "the window is larger than the padded input: the result would have %d x %d pixels", s.h, s.w);
    if (s.h > CNN_MAX_SIDE || s.w > CNN_MAX_SIDE || s.c > CNN_MAX_CHANNELS || (int64_t)s.h * s.w * s.c > CNN_MAX_VALUES)
        return jb_fail(err, JB_E_INVALID, "a result of %d x %d x %d is beyond the limits (4,096 a side, 65,536 channels, 2^28 values)", s.h, s.w, s.c);
    return JB_OK;
}

// Finds out_c from the sizes of the weight tensor; the rest of its shape is checked when it is loaded.
static int weight_out_channels(const struct cnn_source *src, const struct cnn_line *l, int32_t *out_c, struct jb_err *err)
{
    char name[CNN_MAX_NAME + 16];
    snprintf(name, sizeof name, "%s.weight", l->weights);
    const struct jb_gguf_tensor *t = jb_gguf_tensor(src->g, name);
    if (!t)
        return jb_fail(err, JB_E_INVALID, "tensor \"%s\" is missing", name);
    uint64_t n = l->kind == CNN_FC ? t->dims[1] : t->dims[3];
    if (n < 1 || n > CNN_MAX_CHANNELS)
        return jb_fail(err, JB_E_INVALID, "tensor \"%s\" has %llu output channels (1 to 65,536 can be)", name, (unsigned long long)n);
    *out_c = (int32_t)n;
    return JB_OK;
}

static int infer_conv(struct cnn_op *op, const struct cnn_line *l, const struct cnn_source *src, struct jb_shape in, struct jb_shape *out, struct jb_err *err)
{
    struct jb_conv_geom *g = &op->geom;
    bool fc = l->kind == CNN_FC;
    *g = (struct jb_conv_geom){ .in_c = in.c, .kernel_h = fc ? in.h : l->kernel[0], .kernel_w = fc ? in.w : l->kernel[1], .stride_h = l->stride[0], .stride_w = l->stride[1],
                                .pad_h = l->pad[0], .pad_w = l->pad[1], .groups = l->groups };
    int rc = weight_out_channels(src, l, &g->out_c, err);
    if (rc)
        return rc;
    if (g->in_c % g->groups || g->out_c % g->groups)
        return jb_fail(err, JB_E_INVALID, "%d groups do not divide %d input and %d output channels", g->groups, g->in_c, g->out_c);
    int64_t reduction = (int64_t)g->kernel_h * g->kernel_w * (g->in_c / g->groups);
    if (reduction > CNN_MAX_REDUCTION)
        return jb_fail(err, JB_E_INVALID, "a reduction of %lld values (limit 32,768)", (long long)reduction);
    g->out_h = out_size(in.h, g->kernel_h, g->stride_h, g->pad_h);
    g->out_w = out_size(in.w, g->kernel_w, g->stride_w, g->pad_w);
    *out = (struct jb_shape){ g->out_h, g->out_w, g->out_c };
    return JB_OK;
}

static int infer_pool(struct cnn_op *op, const struct cnn_line *l, struct jb_shape in, struct jb_shape *out, struct jb_err *err)
{
    struct jb_conv_geom *g = &op->geom;
    bool gap = l->kind == CNN_GAP;
    *g = (struct jb_conv_geom){ .in_c = in.c, .out_c = in.c, .kernel_h = gap ? in.h : l->kernel[0], .kernel_w = gap ? in.w : l->kernel[1], .stride_h = l->stride[0],
                                .stride_w = l->stride[1], .pad_h = l->pad[0], .pad_w = l->pad[1], .groups = 1 };
    if ((int64_t)g->kernel_h * g->kernel_w > CNN_MAX_WINDOW)
        return jb_fail(err, JB_E_INVALID, "a window of %d x %d (limit 2^22 values)", g->kernel_h, g->kernel_w);
    g->out_h = out_size(in.h, g->kernel_h, g->stride_h, g->pad_h);
    g->out_w = out_size(in.w, g->kernel_w, g->stride_w, g->pad_w);
    *out = (struct jb_shape){ g->out_h, g->out_w, in.c };
    return JB_OK;
}

static int infer(const struct jb_cnn *m, struct cnn_op *op, const struct cnn_line *l, const struct cnn_source *src, struct jb_shape *out, struct jb_err *err)
{
    struct jb_shape a = m->values[op->in].shape, b = op->in2 == CNN_NONE ? a : m->values[op->in2].shape;
    int rc = JB_OK;
    *out = a;
    switch (l->kind) {
    case CNN_CONV:
    case CNN_FC:
        rc = infer_conv(op, l, src, a, out, err);
        break;
    case CNN_MAXPOOL:
    case CNN_AVGPOOL:
    case CNN_GAP:
        rc = infer_pool(op, l, a, out, err);
        break;
    case CNN_ADD:
        if (a.h != b.h || a.w != b.w || a.c != b.c)
            return jb_fail(err, JB_E_INVALID, "shapes %d x %d x %d and %d x %d x %d differ", a.h, a.w, a.c, b.h, b.w, b.c);
        break;
    case CNN_CONCAT:
        if (a.h != b.h || a.w != b.w)
            return jb_fail(err, JB_E_INVALID, "heights and widths %d x %d and %d x %d differ", a.h, a.w, b.h, b.w);
        out->c = a.c + b.c;
        break;
    case CNN_ACT:
    case CNN_KINDS:
        break;
    }
    return rc ? rc : check_shape(*out, err);
}

static int add_line(struct jb_cnn *m, const struct cnn_source *src, const char *text, struct jb_err *err)
{
    struct cnn_line l;
    struct cnn_op op = { .seq = src->seq, .in2 = CNN_NONE, .residual = CNN_NONE, .from_exits = src->exits };
    struct jb_shape shape;
    int rc = cnn_parse_line(&l, text, err);
    if (!rc)
        rc = resolve(m, src->seq, l.in, &op.in, err);
    if (!rc && l.in2[0])
        rc = resolve(m, src->seq, l.in2, &op.in2, err);
    if (!rc)
        rc = infer(m, &op, &l, src, &shape, err);
    if (rc)
        return rc;
    op.kind = l.kind;
    op.act = l.act;
    op.in_shape = m->values[op.in].shape;
    op.out = m->n_values;
    op.text = jb_pool_text(&m->pool, text, strlen(text));
    op.weights = jb_pool_text(&m->pool, l.weights, strlen(l.weights));
    const char *name = jb_pool_text(&m->pool, l.out, strlen(l.out));
    if (!op.text || !op.weights || !name)
        return jb_fail(err, JB_E_NOMEM, "no memory");
    rc = jb_names_add(&m->names, name, op.out);
    if (rc)
        return rc == JB_E_EXISTS ? jb_fail(err, JB_E_INVALID, "value \"%s\" is defined twice", name) : jb_fail(err, rc, "no memory");
    m->values[m->n_values++] = (struct cnn_value){ .name = name, .shape = shape, .seq = src->seq };
    m->ops[m->n_ops++] = op;
    return JB_OK;
}

// The value that leaves the graph: a stage's output by name, a head's logits by its last line.
static int set_output(struct jb_cnn *m, const struct cnn_source *src, const char *output, struct jb_err *err)
{
    struct cnn_seq *q = &m->seqs[src->seq];
    if (output) {
        uint32_t v = jb_names_find(&m->names, output);
        if (v == JB_NO_INDEX || m->values[v].seq != src->seq)
            return jb_fail(err, JB_E_INVALID, "%s: the output \"%.100s\" of stage %u is not made there", jb_gguf_name(src->g), output, src->seq / 2);
        m->values[v].boundary = true;
        q->out = v;
        return JB_OK;
    }
    const struct cnn_op *last = &m->ops[m->n_ops - 1];
    struct cnn_value *v = &m->values[last->out];
    if ((last->kind != CNN_FC && last->kind != CNN_CONV) || last->act != JB_ACT_NONE)
        return jb_fail(err, JB_E_INVALID, "%s: key \"%s\": the last line is no fc or conv without activation: it cannot yield logits", jb_gguf_name(src->g), src->key);
    if (v->shape.h != 1 || v->shape.w != 1 || v->shape.c != (int32_t)m->n_classes)
        return jb_fail(err, JB_E_INVALID, "%s: key \"%s\": the logits have shape %d x %d x %d (1 x 1 x %u is required)", jb_gguf_name(src->g), src->key, v->shape.h, v->shape.w,
                       v->shape.c, m->n_classes);
    v->logits = true;
    q->out = last->out;
    return JB_OK;
}

int cnn_add_graph(struct jb_cnn *m, const struct cnn_source *src, const char *output, struct jb_err *err)
{
    struct cnn_seq *q = &m->seqs[src->seq];
    size_t n = 0;
    int rc = jb_gguf_array(src->g, src->key, NULL, &n, err);
    if (rc)
        return rc;
    if (n < 1 || n > CNN_MAX_OPS)
        return jb_fail(err, JB_E_INVALID, "%s: key \"%s\" has %zu lines (1 to 256 can be)", jb_gguf_name(src->g), src->key, n);
    *q = (struct cnn_seq){ .present = true, .first_op = m->n_ops, .n_ops = (uint32_t)n, .in = boundary_before(m, src->seq), .out = CNN_NONE };
    for (size_t i = 0; i < n; i++) {
        const char *text = NULL;
        rc = jb_gguf_array_str(src->g, src->key, i, &text, NULL, err);
        if (rc)
            return rc;
        struct jb_err why = { 0 };
        rc = add_line(m, src, text, &why);
        if (rc)
            return jb_fail(err, rc, "%s: key \"%s\", line %zu (\"%.80s\"): %s", jb_gguf_name(src->g), src->key, i + 1, text, why.detail);
    }
    return set_output(m, src, output, err);
}

static void count_readers(struct jb_cnn *m)
{
    for (uint32_t i = 0; i < m->n_ops; i++) {
        const struct cnn_op *op = &m->ops[i];
        m->values[op->in].n_readers++;
        if (op->in2 != CNN_NONE)
            m->values[op->in2].n_readers++;
    }
}

// `add` right behind a conv that feeds it alone: one step (docs/model-format.md, "Fused addition").
static void fuse(struct jb_cnn *m)
{
    for (uint32_t i = 0; i + 1 < m->n_ops; i++) {
        struct cnn_op *conv = &m->ops[i], *add = &m->ops[i + 1];
        struct cnn_value *v = &m->values[conv->out];
        if (conv->kind != CNN_CONV || conv->act != JB_ACT_NONE || add->kind != CNN_ADD || add->seq != conv->seq || v->n_readers != 1 || v->boundary)
            continue;
        if (add->in != conv->out && add->in2 != conv->out)
            continue;
        conv->residual = add->in == conv->out ? add->in2 : add->in;
        conv->act = add->act;
        conv->out = add->out;
        add->skipped = true;
        v->skipped = true;
    }
}

static void find_halos(struct jb_cnn *m)
{
    for (uint32_t i = 0; i < m->n_ops; i++) {
        const struct cnn_op *op = &m->ops[i];
        struct cnn_value *v = &m->values[op->in];
        int32_t pad = op->geom.pad_h > op->geom.pad_w ? op->geom.pad_h : op->geom.pad_w;
        if (op->kind == CNN_CONV && pad > v->pad)
            v->pad = pad;
    }
    // A fully connected layer sees a plane without halo as one pixel; with a halo it is a convolution as large as the image.
    for (uint32_t i = 0; i < m->n_ops; i++) {
        struct cnn_op *op = &m->ops[i];
        if (op->kind != CNN_FC || m->values[op->in].pad)
            continue;
        op->view = true;
        op->geom.in_c *= op->geom.kernel_h * op->geom.kernel_w;
        op->geom.kernel_h = op->geom.kernel_w = 1;
    }
}

int cnn_link(struct jb_cnn *m, const struct jb_gguf *g, struct jb_err *err)
{
    count_readers(m);
    for (uint32_t i = 0; i < m->n_ops; i++) {
        const struct cnn_value *v = &m->values[m->ops[i].out];
        if (!v->n_readers && !v->boundary && !v->logits)
            return jb_fail(err, JB_E_INVALID, "%s: value \"%s\" (line \"%.80s\") is never read", jb_gguf_name(g), v->name, m->ops[i].text);
    }
    fuse(m);
    find_halos(m);
    return m->n_values ? JB_OK : out_of_memory(g, err);
}
