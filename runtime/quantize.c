// From file to file, tensor by tensor, in pieces: widened to f32, narrowed to the wanted type while the new file is written.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/blocks.h"
#include "runtime/gguf.h"
#include "runtime/quantize.h"

#define PIECE_VALUES 4096 // whole blocks of every type

struct job;

struct change {
    struct job *job;
    const struct jb_gguf_tensor *t;
    const struct jb_block_type *from, *to;
};

struct job {
    struct jb_gguf *g;
    struct jb_gguf_writer *w;
    const struct jb_block_type *type;
    uint32_t file_type;       // llama.cpp's number for "mostly this type"
    const volatile int *stop;
    struct change *changes;   // one a tensor; borrowed by the writer
    struct jb_quantize_report report;
    float values[PIECE_VALUES];
};

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

// llama_model_quantize's choice, for all architectures that it knows.
static bool is_weight(const struct jb_gguf_tensor *t)
{
    static const char *const left_alone[] = { "_norm.weight", "ffn_gate_inp.weight", "ssm_conv1d.weight", "time_mix_first.weight", "time_mix_w1.weight", "time_mix_w2.weight",
                                              "time_mix_decay_w1.weight", "time_mix_decay_w2.weight", "time_mix_lerp_fused.weight", "attn_rel_b.weight" };
    if (!ends_with(t->name, "weight") || t->dims[1] * t->dims[2] * t->dims[3] == 1)
        return false;
    for (size_t i = 0; i < sizeof left_alone / sizeof *left_alone; i++)
        if (strstr(t->name, left_alone[i]))
            return false;
    return strcmp(t->name, "position_embd.weight") != 0 && strcmp(t->name, "token_types.weight") != 0;
}

// The first value of a piece that the type cannot hold, named.
static int unfit(const struct change *c, const float *x, uint64_t first, size_t n, struct jb_err *err)
{
    size_t i = 0, most = 0;
    for (; i < n && isfinite(x[i]); i++)
        if (fabsf(x[i]) > fabsf(x[most]))
            most = i;
    if (i == n)
        return jb_fail(err, JB_E_INVALID, "%s: tensor \"%.200s\", value %llu: %g is too large for %s", jb_gguf_name(c->job->g), c->t->name, (unsigned long long)(first + most), (double)x[most],
                       c->to->name);
    return jb_fail(err, JB_E_INVALID, "%s: tensor \"%.200s\", value %llu is %s", jb_gguf_name(c->job->g), c->t->name, (unsigned long long)(first + i), isnan(x[i]) ? "NaN" : "infinite");
}

static int fill(void *self, uint64_t row, uint64_t n_rows, void *out, struct jb_err *err)
{
    const struct change *c = self;
    struct job *j = c->job;
    uint64_t at = row * c->t->dims[0], end = (row + n_rows) * c->t->dims[0];
    uint8_t *to = out;
    while (at < end) {
        size_t n = end - at < PIECE_VALUES ? (size_t)(end - at) : PIECE_VALUES;
        const uint8_t *from = (const uint8_t *)c->t->data + jb_block_row_bytes(c->from, at);
        if (j->stop && *j->stop)
            return jb_fail(err, JB_E_INTERRUPTED, "interrupted; nothing was written");
        if (c->from == c->to) {
            memcpy(to, from, jb_block_row_bytes(c->to, n));
        } else {
            c->from->widen(from, j->values, n);
            if (!c->to->narrow(j->values, to, n))
                return unfit(c, j->values, at, n, err);
        }
        to += jb_block_row_bytes(c->to, n);
        at += n;
    }
    return JB_OK;
}

// What becomes of tensor t.
static int decide(struct job *j, const struct jb_gguf_tensor *t, struct change *c, struct jb_quantized_tensor *r, struct jb_err *err)
{
    *c = (struct change){ .job = j, .t = t, .from = jb_block_type(t->type) };
    c->to = c->from;
    if (!c->from)
        return jb_fail(err, JB_E_UNSUPPORTED, "%s: tensor \"%.200s\" has type %u, whose size this build does not know", jb_gguf_name(j->g), t->name, t->type);
    r->weight = is_weight(t);
    if (r->weight && c->from != j->type) {
        r->short_rows = t->dims[0] % j->type->values != 0;
        c->to = r->short_rows ? jb_block_type(JB_GGML_F16) : j->type;
        if (!c->from->widen)
            return jb_fail(err, JB_E_UNSUPPORTED, "%s: tensor \"%.200s\" has type %s, which this build cannot read", jb_gguf_name(j->g), t->name, c->from->name);
        r->requantized = c->from != c->to && c->from->values > 1;
    }
    r->from = c->from->type;
    r->to = c->to->type;
    r->bytes_from = t->n_bytes;
    r->bytes_to = t->n_bytes / c->from->bytes * c->from->values / c->to->values * c->to->bytes;
    r->name = strdup(t->name);
    return r->name ? JB_OK : jb_fail(err, JB_E_NOMEM, "%s: out of memory", jb_gguf_name(j->g));
}

static void count(struct jb_quantize_report *sum, const struct jb_quantized_tensor *r)
{
    sum->n_weights += r->weight;
    sum->n_changed += r->from != r->to;
    sum->n_requantized += r->requantized;
    sum->n_short_rows += r->short_rows;
}

static int put_tensors(struct job *j, struct jb_err *err)
{
    size_t n = jb_gguf_n_tensors(j->g);
    j->changes = calloc(n + 1, sizeof *j->changes);
    j->report.tensors = calloc(n + 1, sizeof *j->report.tensors);
    if (!j->changes || !j->report.tensors)
        return jb_fail(err, JB_E_NOMEM, "%s: out of memory", jb_gguf_name(j->g));
    for (size_t i = 0; i < n; i++) {
        const struct jb_gguf_tensor *t = jb_gguf_tensor_at(j->g, i);
        struct jb_quantized_tensor *r = &j->report.tensors[j->report.n_tensors++];
        int rc = decide(j, t, &j->changes[i], r, err);
        if (rc)
            return rc;
        rc = jb_gguf_put_rows(j->w, t->name, r->to, t->dims, t->n_dims, fill, &j->changes[i]);
        if (rc)
            return jb_fail(err, rc, "%s: tensor \"%.200s\" cannot be written as %s", jb_gguf_name(j->g), t->name, j->changes[i].to->name);
        count(&j->report, r);
    }
    return JB_OK;
}

// Every key as it was, in its place, but for those that say how the tensors are stored.
static int put_keys(struct job *j, struct jb_err *err)
{
    bool has_type = false, has_version = false;
    int rc = JB_OK;
    for (size_t i = 0; i < jb_gguf_n_keys(j->g) && !rc; i++) {
        const char *key = jb_gguf_key_at(j->g, i, NULL);
        if (strcmp(key, "general.alignment") == 0)
            continue;
        bool is_type = strcmp(key, "general.file_type") == 0;
        has_type |= is_type;
        has_version |= strcmp(key, "general.quantization_version") == 0;
        rc = is_type ? jb_gguf_put_u32(j->w, key, j->file_type) : jb_gguf_copy_key(j->w, j->g, i);
    }
    if (!rc && !has_version)
        rc = jb_gguf_put_u32(j->w, "general.quantization_version", 2);
    if (!rc && !has_type)
        rc = jb_gguf_put_u32(j->w, "general.file_type", j->file_type);
    return rc ? jb_fail(err, rc, "%s: its keys cannot be copied", jb_gguf_name(j->g)) : JB_OK;
}

static int pick_type(struct job *j, const char *type, struct jb_err *err)
{
    static const struct { uint32_t type, file_type; } offered[] = { { JB_GGML_Q8_0, 7 }, { JB_GGML_Q4_0, 2 }, { JB_GGML_F16, 1 } };
    const struct jb_block_type *t = jb_block_type_named(type);
    for (size_t i = 0; t && i < sizeof offered / sizeof *offered; i++)
        if (offered[i].type == t->type) {
            j->type = t;
            j->file_type = offered[i].file_type;
            return JB_OK;
        }
    return jb_fail(err, JB_E_UNSUPPORTED, "weights cannot be written as \"%.40s\" (q8_0, q4_0, f16)", type);
}

static int run(struct job *j, const char *out, struct jb_err *err)
{
    struct stat st;
    int rc = put_keys(j, err);
    if (!rc)
        rc = put_tensors(j, err);
    if (!rc)
        rc = jb_gguf_write(j->w, out, err);
    j->report.bytes_from = jb_gguf_file_bytes(j->g);
    j->report.bytes_to = !rc && stat(out, &st) == 0 ? (uint64_t)st.st_size : 0;
    return rc;
}

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int jb_quantize_file(const char *in, const char *out, const char *type, const volatile int *stop, struct jb_quantize_report *report, struct jb_err *err)
{
    struct job *j = calloc(1, sizeof *j);
    if (!j)
        return jb_fail(err, JB_E_NOMEM, "out of memory");
    j->stop = stop;
    int rc = pick_type(j, type, err);
    if (!rc && same_file(in, out))
        rc = jb_fail(err, JB_E_INVALID, "%s and %s are one file: write to another", in, out);
    if (!rc)
        rc = jb_gguf_open(&j->g, in, err);
    if (!rc && jb_gguf_writer_open(&j->w))
        rc = jb_fail(err, JB_E_NOMEM, "out of memory");
    if (!rc)
        rc = run(j, out, err);
    if (!rc)
        *report = j->report;
    else
        jb_quantize_report_free(&j->report);
    jb_gguf_writer_close(j->w);
    jb_gguf_close(j->g);
    free(j->changes);
    free(j);
    return rc;
}

void jb_quantize_report_free(struct jb_quantize_report *r)
{
    for (size_t i = 0; i < r->n_tensors; i++)
        free(r->tensors[i].name);
    free(r->tensors);
    *r = (struct jb_quantize_report){ 0 };
}
