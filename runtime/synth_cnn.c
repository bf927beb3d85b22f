// A residual network with an exit behind every stage, random weights (He et al. 2015), and the ranges that its values take on random images.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "runtime/inspect.h"
#include "runtime/synth_impl.h"

#define MAX_LINES 8
#define MAX_LINE 160
#define MAX_RANGES (JB_MAX_STAGES * 2 * MAX_LINES)
#define N_IMAGES 12

struct maker {
    struct jb_gguf_writer *w;
    const struct jb_synth_opts *o;
    struct jb_rng rng;
    char text[MAX_LINES][MAX_LINE];
    const char *lines[MAX_LINES];
    uint32_t n_lines;
    char previous[64];            // the boundary value
    uint32_t previous_channels;
    int32_t size;
    struct range { char name[64]; float lo, hi; } ranges[MAX_RANGES];
    uint32_t n_ranges;
};

__attribute__((format(printf, 2, 3))) static void line(struct maker *m, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(m->text[m->n_lines], MAX_LINE, format, args);
    va_end(args);
    m->lines[m->n_lines] = m->text[m->n_lines];
    m->n_lines++;
}

// Weights and bias of one operation. side 0: fully connected.
static int tensors(struct maker *m, const char *name, uint32_t in, uint32_t out, uint32_t side)
{
    char full[80];
    size_t n = (size_t)in * out * (side ? side * side : 1);
    float *x = malloc((n + out) * sizeof *x);
    if (!x)
        return JB_E_NOMEM;
    double spread = sqrt(2.0 / ((double)n / out));
    for (size_t i = 0; i < n + out; i++)
        x[i] = (float)(jb_rng_normal(&m->rng) * (i < n ? spread : 0.1));
    uint64_t conv[4] = { in, side, side, out }, fc[2] = { in, out }, bias[1] = { out };
    snprintf(full, sizeof full, "%s.weight", name);
    int rc = jb_gguf_put_tensor(m->w, full, JB_GGML_F32, side ? conv : fc, side ? 4 : 2, x, n * sizeof *x);
    snprintf(full, sizeof full, "%s.bias", name);
    if (!rc)
        rc = jb_gguf_put_tensor(m->w, full, JB_GGML_F32, bias, 1, x + n, out * sizeof *x);
    free(x);
    return rc;
}

static int put_lines(struct maker *m, uint32_t stage, const char *what)
{
    char key[64];
    snprintf(key, sizeof key, "jb.stage.%u.%s", stage, what);
    int rc = jb_gguf_put_array_str(m->w, key, m->lines, m->n_lines);
    m->n_lines = 0;
    return rc;
}

// conv (stride 2 while the image is large), conv, conv + addition.
static int put_stage(struct maker *m, uint32_t k)
{
    char name[32], key[64];
    uint32_t c = m->o->width * (1 + k / 2);
    int32_t stride = k && m->size >= 8 ? 2 : 1;
    snprintf(name, sizeof name, "s%u", k);
    line(m, "%s.a = conv %s w=%s.a k=3x3 s=%dx%d p=1x1 act=relu", name, m->previous, name, stride, stride);
    line(m, "%s.b = conv %s.a w=%s.b k=3 p=1 act=relu", name, name, name);
    line(m, "%s.c = conv %s.b w=%s.c k=3 p=1", name, name, name);
    line(m, "%s.d = add %s.c %s.a act=relu", name, name, name);
    m->size = (m->size - 1) / stride + 1;
    int rc = put_lines(m, k, "graph");
    static const char parts[] = "abc";
    for (int i = 0; i < 3 && !rc; i++) {
        snprintf(key, sizeof key, "%s.%c", name, parts[i]);
        rc = tensors(m, key, i ? c : m->previous_channels, c, 3);
    }
    snprintf(key, sizeof key, "jb.stage.%u.output", k);
    snprintf(m->previous, sizeof m->previous, "%s.d", name);
    m->previous_channels = c;
    return rc ? rc : jb_gguf_put_str(m->w, key, m->previous);
}

static int put_head(struct maker *m, uint32_t k)
{
    char key[64];
    line(m, "h%u.g = gap %s", k, m->previous);
    line(m, "h%u.f = fc h%u.g w=h%u.f act=relu", k, k, k);
    line(m, "h%u.l = fc h%u.f w=h%u.l", k, k, k);
    int rc = put_lines(m, k, "head");
    snprintf(key, sizeof key, "h%u.f", k);
    if (!rc)
        rc = tensors(m, key, m->previous_channels, 32, 0);
    snprintf(key, sizeof key, "h%u.l", k);
    return rc ? rc : tensors(m, key, 32, m->o->classes, 0);
}

static int put_facts(struct maker *m)
{
    const struct jb_synth_opts *o = m->o;
    uint32_t shape[3] = { (uint32_t)o->size, (uint32_t)o->size, (uint32_t)o->channels };
    float mean[8], std[8];
    char text[96];
    for (int32_t c = 0; c < o->channels; c++) {
        mean[c] = 0.3f + 0.05f * (float)c;
        std[c] = 0.35f - 0.02f * (float)c;
    }
    snprintf(text, sizeof text, "random weights, jb_synth_write, seed %llu", (unsigned long long)o->seed);
    int rc = jb_gguf_put_str(m->w, "general.architecture", "jbcnn");
    if (!rc)
        rc = jb_gguf_put_str(m->w, "general.name", "synthetic");
    if (!rc)
        rc = jb_gguf_put_str(m->w, "general.license", "CC0-1.0");
    if (!rc)
        rc = jb_gguf_put_u32(m->w, "jb.format", 1);
    if (!rc)
        rc = jb_gguf_put_str(m->w, "jb.provenance", text);
    if (!rc)
        rc = jb_gguf_put_str(m->w, "jb.task", "classify");
    if (!rc)
        rc = jb_gguf_put_array_u32(m->w, "jb.input.shape", shape, 3);
    if (!rc)
        rc = jb_gguf_put_array_f32(m->w, "jb.input.mean", mean, (size_t)o->channels);
    if (!rc)
        rc = jb_gguf_put_array_f32(m->w, "jb.input.std", std, (size_t)o->channels);
    return rc ? rc : jb_gguf_put_u32(m->w, "jb.stages", o->stages);
}

static int put_labels(struct maker *m)
{
    uint32_t n = m->o->classes;
    char (*text)[24] = calloc(n, sizeof *text);
    const char **labels = calloc(n, sizeof *labels);
    int rc = text && labels ? JB_OK : JB_E_NOMEM;
    for (uint32_t i = 0; i < n && !rc; i++) {
        snprintf(text[i], sizeof text[i], "class %u", i);
        labels[i] = text[i];
    }
    if (!rc)
        rc = jb_gguf_put_array_str(m->w, "jb.labels", labels, n);
    free(text);
    free(labels);
    return rc;
}

static void see(void *self, const char *value, float lo, float hi)
{
    struct maker *m = self;
    uint32_t i = 0;
    while (i < m->n_ranges && strcmp(m->ranges[i].name, value) != 0)
        i++;
    if (i == MAX_RANGES)
        return;
    struct range *r = &m->ranges[i];
    if (i == m->n_ranges) {
        m->n_ranges++;
        snprintf(r->name, sizeof r->name, "%s", value);
        r->lo = lo;
        r->hi = hi;
    }
    r->lo = lo < r->lo ? lo : r->lo;
    r->hi = hi > r->hi ? hi : r->hi;
}

// Smooth blobs rather than noise: closer to pictures.
static void paint(struct maker *m, uint8_t *image)
{
    int32_t n = m->o->size, channels = m->o->channels;
    double cy = jb_rng_unit(&m->rng) * n, cx = jb_rng_unit(&m->rng) * n, r = (0.1 + 0.4 * jb_rng_unit(&m->rng)) * n + 1.0;
    for (int32_t y = 0; y < n; y++)
        for (int32_t x = 0; x < n; x++)
            for (int32_t c = 0; c < channels; c++) {
                double d = hypot(y - cy, x - cx) / r, v = 255.0 / (1.0 + d * d) + 40.0 * jb_rng_unit(&m->rng) - 20.0;
                *image++ = (uint8_t)(v < 0.0 ? 0.0 : v > 255.0 ? 255.0 : v);
            }
}

// Every stage and head in f32 on a few images, watched.
static int watch(struct maker *m, struct jb_session *s, uint8_t *image, struct jb_err *err)
{
    uint32_t row = 0;
    int rc = jb_session_observe(s, see, m);
    for (int i = 0; i < N_IMAGES && !rc; i++) {
        struct jb_head_row head;
        paint(m, image);
        rc = jb_session_begin(s, 0, &(struct jb_row_input){ .data = image }, 1, err);
        for (uint32_t k = 0; k < m->o->stages && !rc; k++) {
            rc = jb_session_run_stage(s, k, JB_PREC_F32, &row, 1, NULL);
            if (!rc)
                rc = jb_session_run_head(s, k, &row, 1, JB_WANT_TOP, &head, NULL);
        }
    }
    return rc;
}

static int find_ranges(struct maker *m, struct jb_err *err)
{
    void *data = NULL;
    size_t n = 0;
    struct jb_model *model = NULL;
    struct jb_session *s = NULL;
    struct jb_kernels k;
    jb_kernels_init(&k, 0); // the reference: the same file on every machine
    uint8_t *image = malloc((size_t)m->o->size * (size_t)m->o->size * (size_t)m->o->channels);
    int rc = image ? jb_gguf_write_memory(m->w, &data, &n, err) : jb_fail(err, JB_E_NOMEM, "synth: out of memory");
    if (!rc)
        rc = jb_model_open_memory(&model, "synth", data, n, NULL, 0, &k, &(struct jb_model_opts){ .precisions = 1u << JB_PREC_F32 }, err);
    if (!rc)
        rc = jb_session_open(&s, model, &(struct jb_session_opts){ .max_rows = 1 }, err);
    if (!rc)
        rc = watch(m, s, image, err);
    jb_session_close(s);
    jb_model_close(model);
    free(data);
    free(image);
    return rc;
}

static int put_ranges(struct maker *m)
{
    const char *names[MAX_RANGES];
    float lo[MAX_RANGES], hi[MAX_RANGES];
    for (uint32_t i = 0; i < m->n_ranges; i++) {
        names[i] = m->ranges[i].name;
        lo[i] = m->ranges[i].lo;
        hi[i] = m->ranges[i].hi;
    }
    int rc = jb_gguf_put_array_str(m->w, "jb.range.names", names, m->n_ranges);
    if (!rc)
        rc = jb_gguf_put_array_f32(m->w, "jb.range.min", lo, m->n_ranges);
    return rc ? rc : jb_gguf_put_array_f32(m->w, "jb.range.max", hi, m->n_ranges);
}

int jb_synth_cnn(struct jb_gguf_writer *w, const struct jb_synth_opts *o, struct jb_err *err)
{
    struct maker *m = calloc(1, sizeof *m);
    if (!m)
        return jb_fail(err, JB_E_NOMEM, "synth: out of memory");
    *m = (struct maker){ .w = w, .o = o, .previous = "input", .previous_channels = (uint32_t)o->channels, .size = o->size };
    jb_rng_seed_named(&m->rng, o->seed, "synth cnn");
    int rc = put_facts(m);
    if (!rc)
        rc = put_labels(m);
    for (uint32_t k = 0; k < o->stages && !rc; k++) {
        rc = put_stage(m, k);
        if (!rc)
            rc = put_head(m, k);
    }
    if (rc) {
        jb_fail(err, rc, "synth: the network could not be put together");
    } else {
        rc = find_ranges(m, err);
        if (!rc && put_ranges(m))
            rc = jb_fail(err, JB_E_NOMEM, "synth: out of memory");
    }
    free(m);
    return rc;
}
