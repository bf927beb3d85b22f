// Files that are good GGUF but no good networks: each refused by a message that names file, key, line or tensor, and the reason. And side files.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hash.h"
#include "runtime/gguf.h"
#include "runtime/inspect.h"

// A small network, every part of which a case may replace.
struct recipe {
    const char *arch, *graph[4], *output, *head[4], *range_names[8], *labels[4];
    uint32_t format, stages, shape[3];
    float mean, std, range_lo[8], range_hi[8], weight, bias, temperature;
    uint64_t dims[4];
    uint32_t weight_type;
    bool no_bias, no_output, no_head, no_labels, no_ranges, no_graph;
};

static struct recipe good(void)
{
    return (struct recipe){
        .arch = "jbcnn", .graph = { "a = conv input w=a k=3 p=1 act=relu", "b = maxpool a k=2 s=2" }, .output = "b", .head = { "g = gap b", "l = fc g w=l" },
        .range_names = { "a", "g" }, .range_lo = { 0, 0 }, .range_hi = { 2, 1 }, .labels = { "x", "y" }, .format = 1, .stages = 1, .shape = { 4, 4, 1 }, .mean = 0.5f, .std = 0.5f,
        .weight = 0.1f, .bias = 0.01f, .temperature = 2.0f, .dims = { 1, 3, 3, 4 }, .weight_type = JB_GGML_F32,
    };
}

static size_t count(const char *const *s, size_t room)
{
    size_t n = 0;
    while (n < room && s[n])
        n++;
    return n;
}

static void put_all(struct jb_gguf_writer *w, const struct recipe *r)
{
    float weights[4096];
    float bias[4] = { r->bias, r->bias, r->bias, r->bias };
    size_t n = 1;
    for (int i = 0; i < 4; i++)
        n *= r->dims[i] ? r->dims[i] : 1;
    assert_true(n <= 4096);
    for (size_t i = 0; i < 4096; i++)
        weights[i] = i == 5 ? r->weight : 0.1f;
    int rc = jb_gguf_put_str(w, "general.architecture", r->arch);
    rc |= jb_gguf_put_u32(w, "jb.format", r->format);
    rc |= jb_gguf_put_array_u32(w, "jb.input.shape", r->shape, 3);
    rc |= jb_gguf_put_array_f32(w, "jb.input.mean", &r->mean, 1);
    rc |= jb_gguf_put_array_f32(w, "jb.input.std", &r->std, 1);
    rc |= jb_gguf_put_u32(w, "jb.stages", r->stages);
    rc |= jb_gguf_put_f32(w, "jb.exit.0.temperature", r->temperature);
    if (!r->no_labels)
        rc |= jb_gguf_put_array_str(w, "jb.labels", r->labels, count(r->labels, 4));
    if (!r->no_graph)
        rc |= jb_gguf_put_array_str(w, "jb.stage.0.graph", r->graph, count(r->graph, 4));
    if (!r->no_output)
        rc |= jb_gguf_put_str(w, "jb.stage.0.output", r->output);
    if (!r->no_head)
        rc |= jb_gguf_put_array_str(w, "jb.stage.0.head", r->head, count(r->head, 4));
    if (!r->no_ranges) {
        rc |= jb_gguf_put_array_str(w, "jb.range.names", r->range_names, count(r->range_names, 8));
        rc |= jb_gguf_put_array_f32(w, "jb.range.min", r->range_lo, count(r->range_names, 8));
        rc |= jb_gguf_put_array_f32(w, "jb.range.max", r->range_hi, count(r->range_names, 8));
    }
    rc |= jb_gguf_put_tensor(w, "a.weight", r->weight_type, r->dims, 4, weights, n * (r->weight_type == JB_GGML_F16 ? 2 : r->weight_type == JB_GGML_I8 ? 1 : 4));
    if (!r->no_bias)
        rc |= jb_gguf_put_tensor(w, "a.bias", JB_GGML_F32, (uint64_t[]){ 4 }, 1, bias, sizeof bias);
    rc |= jb_gguf_put_tensor(w, "l.weight", JB_GGML_F32, (uint64_t[]){ 4, 2 }, 2, weights + 100, 32);
    rc |= jb_gguf_put_tensor(w, "l.bias", JB_GGML_F32, (uint64_t[]){ 2 }, 1, weights + 100, 8);
    assert_int_equal(rc, 0);
}

static int open_recipe(const struct recipe *r, uint32_t precisions, struct jb_model **m, void **data, struct jb_err *err)
{
    struct jb_gguf_writer *w;
    struct jb_kernels k;
    size_t n;
    jb_kernels_init(&k, 0);
    assert_int_equal(jb_gguf_writer_open(&w), 0);
    put_all(w, r);
    assert_int_equal(jb_gguf_write_memory(w, data, &n, NULL), 0);
    jb_gguf_writer_close(w);
    return jb_model_open_memory(m, "net.gguf", *data, n, NULL, 0, &k, &(struct jb_model_opts){ .precisions = precisions }, err);
}

static void refused(const struct recipe *r, int code, const char *reason)
{
    struct jb_model *m = NULL;
    struct jb_err err = { 0 };
    void *data;
    int rc = open_recipe(r, 0, &m, &data, &err);
    if (rc != code || !strstr(err.detail, reason) || strncmp(err.detail, "net.gguf: ", 10) != 0)
        fail_msg("code %d (wanted %d), \"%s\" (wanted \"%s\")", rc, code, err.detail, reason);
    assert_null(m);
    free(data);
}

static void test_good(void **state)
{
    struct recipe r = good();
    struct jb_model *m;
    struct jb_err err = { 0 };
    void *data;
    struct jb_op_info op;
    (void)state;
    if (open_recipe(&r, 0, &m, &data, &err))
        fail_msg("%s", err.detail);
    const struct jb_model_info *info = jb_model_info(m);
    assert_int_equal(info->precisions, 7);
    assert_int_equal(info->stages[0].output.h, 2);
    assert_int_equal(info->stages[0].output.c, 4);
    assert_int_equal(info->stages[0].cost[JB_PREC_INT8].macs[JB_PREC_INT8], 16 * 9 * 4);
    assert_int_equal(info->stages[0].cost[JB_PREC_F32].bytes[JB_PREC_F32], 36 * 4 + 4 * 4);
    assert_int_equal(info->stages[0].cost[JB_PREC_INT8].bytes[JB_PREC_INT8], 36 + 4 * 8);
    assert_int_equal(info->stages[0].cost[JB_PREC_INT4].bytes[JB_PREC_INT4], 36 + 4 * 8); // 9 weights a channel: less than a group
    assert_int_equal(info->weight_bytes[JB_PREC_INT4], info->weight_bytes[JB_PREC_INT8]);
    assert_int_equal(info->stages[0].head_cost[JB_PREC_F32].macs[JB_PREC_F32], 8);
    assert_true(info->stages[0].temperature == 2.0);
    assert_string_equal(info->labels[1], "y");
    assert_string_equal(info->name, "");
    assert_int_equal(jb_model_op(m, 0, false, 1, &op), 0);
    assert_string_equal(op.text, "b = maxpool a k=2 s=2");
    assert_int_equal(op.output.w, 2);
    assert_int_equal(jb_model_op(m, 0, true, 2, &op), JB_E_NOT_FOUND);
    assert_int_equal(jb_model_op(m, 1, false, 0, &op), JB_E_NOT_FOUND);
    jb_model_close(m);
    free(data);
}

// 31 weights a channel keep 8 bits at int4; 32 are one group, 33 two.
static void test_int4_needs_a_group(void **state)
{
    static const struct { const char *line; uint64_t kw, bytes; } cases[] = {
        { "a = conv input w=a k=1x31 p=0x15 act=relu", 31, 4 * 31 + 4 * 8 },
        { "a = conv input w=a k=1x32 p=0x16 act=relu", 32, 4 * 16 + 4 * 1 + 4 * 8 },
        { "a = conv input w=a k=1x33 p=0x16 act=relu", 33, 4 * 17 + 4 * 2 + 4 * 8 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct recipe r = good();
        struct jb_model *m;
        struct jb_err err = { 0 };
        void *data;
        r.graph[0] = cases[i].line;
        r.dims[1] = cases[i].kw;
        r.dims[2] = 1;
        if (open_recipe(&r, 1u << JB_PREC_INT4, &m, &data, &err))
            fail_msg("%s", err.detail);
        assert_int_equal(jb_model_info(m)->stages[0].cost[JB_PREC_INT4].bytes[JB_PREC_INT4], cases[i].bytes);
        jb_model_close(m);
        free(data);
    }
}

static void test_bad_lines(void **state)
{
    const struct { const char *line, *reason; } cases[] = {
        { "", "line 1 (\"\"): it does not begin with a name" },
        { " a = conv input w=a k=3 p=1", "does not begin with a name" },
        { "a = conv input w=a k=3 p=1 ", "parted by single spaces" },
        { "a = conv  input w=a k=3 p=1", "conv needs 1 operand" },
        { "a  = conv input w=a k=3 p=1", "\" = \" does not follow" },
        { "a conv input w=a k=3", "\" = \" does not follow \"a\"" },
        { "a =", "no operation follows" },
        { "a = konv input w=a k=3", "unknown operation \"konv\"" },
        { "a-b = conv input w=a k=3", "does not begin with a name" },
        { "a = conv", "conv needs 1 operand" },
        { "a = add input", "add needs 2 operands" },
        { "a = conv input k=3", "lacks a key" },
        { "a = conv input w=a", "lacks a key" },
        { "a = maxpool input", "lacks a key" },
        { "a = conv input w=a k=3 k=3", "key \"k\" stands twice" },
        { "a = conv input w=a k=3 z=3", "conv has no key \"z\"" },
        { "a = gap input k=3", "gap has no key \"k\"" },
        { "a = conv input w=a k=3 fast", "\"fast\" is no key=value" },
        { "a = conv input w=a k=0", "\"0\" is no value for key \"k\"" },
        { "a = conv input w=a k=256", "\"256\" is no value" },
        { "a = conv input w=a k=-3", "\"-3\" is no value" },
        { "a = conv input w=a k=03", "\"03\" is no value" },
        { "a = conv input w=a k=3x", "\"3x\" is no value" },
        { "a = conv input w=a k=3x3x3", "is no value" },
        { "a = conv input w=a k=99999999999", "is no value" },
        { "a = conv input w=a k=3 p=3", "padding is not smaller" },
        { "a = conv input w=a k=3 s=0", "no value for key \"s\"" },
        { "a = conv input w=a k=3 act=gelu", "\"gelu\" is no value for key \"act\"" },
        { "a = conv input w=a k=3 g=0", "no value for key \"g\"" },
        { "a = conv input w=a/b k=3", "no value for key \"w\"" },
        { "a = conv nothing w=a k=3", "value \"nothing\" is not defined before it is read" },
        { "a = conv a w=a k=3", "value \"a\" is not defined before" },
        { "a = conv b w=a k=3", "value \"b\" is not defined before" },
        { "input = conv input w=a k=3 p=1", "value \"input\" is defined twice" },
        { "a = conv input w=q k=3", "tensor \"q.weight\" is missing" },
        { "a = conv input w=a k=3 g=3", "3 groups do not divide" },
        { "a = conv input w=a k=5 p=0", "the window is larger than the padded input" },
        { "a = maxpool input k=9 p=1", "the window is larger" },
        { "a = conv input w=a k=2 p=1 act=relu", "tensor \"a.weight\" has sizes 1, 3, 3, 4; the graph needs 1, 2, 2, 4" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct recipe r = good();
        r.graph[0] = cases[i].line;
        refused(&r, JB_E_INVALID, cases[i].reason);
    }
    char line[700];
    memset(line, 'x', sizeof line);
    line[600] = 0;
    struct recipe r = good();
    r.graph[0] = line;
    refused(&r, JB_E_INVALID, "longer than 511 bytes");
    line[64] = 0;
    refused(&r, JB_E_INVALID, "at most 63");
}

#define CASE(code, reason, ...) do { struct recipe r = good(); __VA_ARGS__; refused(&r, code, reason); } while (0)

static void test_bad_graphs(void **state)
{
    (void)state;
    CASE(JB_E_INVALID, "value \"a\" (line \"a = conv input", r.graph[1] = "b = maxpool input k=2 s=2");
    CASE(JB_E_INVALID, "value \"a\" is defined twice", r.graph[1] = "a = maxpool a k=2 s=2");
    CASE(JB_E_INVALID, "the output \"z\" of stage 0 is not made there", r.output = "z");
    CASE(JB_E_INVALID, "the output \"input\" of stage 0", r.output = "input");
    CASE(JB_E_INVALID, "belongs to another stage", r.head[0] = "g = gap a");
    CASE(JB_E_INVALID, "belongs to another stage", r.head[0] = "g = gap input");
    CASE(JB_E_INVALID, "cannot yield logits", r.head[1] = "l = fc g w=l act=relu");
    CASE(JB_E_INVALID, "cannot yield logits", r.head[1] = "l = act g act=none");
    CASE(JB_E_INVALID, "the logits have shape 1 x 1 x 4 (1 x 1 x 2 is required)", r.head[1] = "l = conv g w=a k=1");
    CASE(JB_E_INVALID, "shapes 4 x 4 x 4 and 4 x 4 x 1 differ", r.graph[1] = "b = add a input");
    CASE(JB_E_INVALID, "heights and widths", r.graph[1] = "c = maxpool a k=2 s=2", r.graph[2] = "b = concat a c");
    CASE(JB_E_INVALID, "\"jb.stage.0.head\" is missing", r.no_head = true);
    CASE(JB_E_NOT_FOUND, "\"jb.stage.0.graph\" is missing", r.no_graph = true);
    CASE(JB_E_NOT_FOUND, "\"jb.stage.0.output\" is missing", r.no_output = true);
    CASE(JB_E_NOT_FOUND, "\"jb.stage.1.graph\" is missing", r.stages = 2);
}

static void test_bad_facts(void **state)
{
    (void)state;
    CASE(JB_E_UNSUPPORTED, "unknown architecture \"llama9\"", r.arch = "llama9");
    CASE(JB_E_INVALID, "holds exits alone", r.arch = "jb-exits");
    CASE(JB_E_UNSUPPORTED, "jb.format is 2", r.format = 2);
    CASE(JB_E_INVALID, "jb.stages is 0", r.stages = 0);
    CASE(JB_E_INVALID, "jb.stages is 17", r.stages = 17);
    CASE(JB_E_INVALID, "jb.input.shape is 0 x 4 x 1", r.shape[0] = 0);
    CASE(JB_E_INVALID, "jb.input.shape is 4 x 5000 x 1", r.shape[1] = 5000);
    CASE(JB_E_INVALID, "jb.input.shape is 4 x 4 x 9", r.shape[2] = 9);
    CASE(JB_E_INVALID, "\"jb.input.mean\" has 1 elements (2 are required)", r.shape[2] = 2);
    CASE(JB_E_INVALID, "std 0", r.std = 0);
    CASE(JB_E_INVALID, "std -1", r.std = -1);
    CASE(JB_E_INVALID, "mean nan", r.mean = NAN);
    CASE(JB_E_INVALID, "std inf", r.std = INFINITY);
    CASE(JB_E_INVALID, "\"jb.exit.0.temperature\" is 0", r.temperature = 0);
    CASE(JB_E_INVALID, "\"jb.exit.0.temperature\" is nan", r.temperature = NAN);
    CASE(JB_E_NOT_FOUND, "\"jb.labels\" is missing", r.no_labels = true);
    CASE(JB_E_INVALID, "jb.labels names 0 classes", r.labels[0] = NULL);
    CASE(JB_E_INVALID, "label 1 is not valid UTF-8", r.labels[1] = "\xff");
    CASE(JB_E_INVALID, "range of \"a\" is nan", r.range_lo[0] = NAN);
    CASE(JB_E_INVALID, "range of \"a\" is 3 to 2", r.range_lo[0] = 3);
    CASE(JB_E_INVALID, "range of \"a\" is 0 to inf", r.range_hi[0] = INFINITY);
    CASE(JB_E_INVALID, "range of \"a\" stands twice", r.range_names[1] = "a");
    CASE(JB_E_INVALID, "tensor \"a.weight\", value 5 is NaN", r.weight = NAN);
    CASE(JB_E_INVALID, "tensor \"a.weight\", value 5 is infinite", r.weight = -INFINITY);
    CASE(JB_E_INVALID, "tensor \"a.weight\", value 5 is beyond 2^30", r.weight = 2e9f);
    CASE(JB_E_INVALID, "tensor \"a.bias\", value 0 is NaN", r.bias = NAN);
    CASE(JB_E_INVALID, "tensor \"a.bias\" is missing", r.no_bias = true);
    CASE(JB_E_UNSUPPORTED, "tensor \"a.weight\" has type 24", r.weight_type = JB_GGML_I8);
    CASE(JB_E_INVALID, "tensor \"a.weight\" has sizes 3, 1, 3, 4", r.dims[0] = 3, r.dims[1] = 1);
}

static void test_integers_refused_with_reason(void **state)
{
    struct jb_model *m;
    struct jb_err err = { 0 };
    struct jb_session *s;
    void *data;
    uint32_t row = 0;
    uint8_t image[16] = { 0 };
    (void)state;
    struct recipe r = good();
    r.range_names[1] = NULL;
    assert_int_equal(open_recipe(&r, 0, &m, &data, &err), 0);
    assert_int_equal(jb_model_info(m)->precisions, 1u << JB_PREC_F32);
    assert_string_equal(jb_model_info(m)->precision_reason[JB_PREC_INT4], "no range for value \"g\"");
    assert_int_equal(jb_session_open(&s, m, &(struct jb_session_opts){ .max_rows = 1 }, &err), 0);
    assert_int_equal(jb_session_begin(s, 0, &(struct jb_row_input){ .data = image }, 1, &err), 0);
    assert_int_equal(jb_session_run_stage(s, 0, JB_PREC_INT8, &row, 1, NULL), JB_E_UNSUPPORTED);
    assert_int_equal(jb_session_run_stage(s, 0, JB_PREC_F32, &row, 1, NULL), 0);
    jb_session_close(s);
    jb_model_close(m);
    free(data);
    assert_int_equal(open_recipe(&r, 1u << JB_PREC_INT8, &m, &data, &err), JB_E_UNSUPPORTED);
    assert_non_null(strstr(err.detail, "no range for value \"g\""));
    free(data);
    r = good();
    r.graph[0] = "a = conv input w=a k=3 p=1 act=hswish";
    assert_int_equal(open_recipe(&r, 0, &m, &data, &err), 0);
    assert_string_equal(jb_model_info(m)->precision_reason[JB_PREC_INT8], "hswish of value \"a\" has no integer form");
    jb_model_close(m);
    free(data);
    r = good();
    assert_int_equal(open_recipe(&r, 1u << JB_PREC_INT8, &m, &data, &err), 0);
    assert_int_equal(jb_model_info(m)->precisions, 1u << JB_PREC_INT8);
    assert_non_null(jb_model_info(m)->precision_reason[JB_PREC_F32]);
    assert_int_equal(jb_model_info(m)->weight_bytes[JB_PREC_F32], 0);
    jb_model_close(m);
    free(data);
}

// Sessions that cannot be.
static void test_session_limits(void **state)
{
    struct recipe r = good();
    struct jb_model *m;
    struct jb_err err = { 0 };
    struct jb_session *s = NULL;
    void *data;
    (void)state;
    assert_int_equal(open_recipe(&r, 0, &m, &data, &err), 0);
    assert_int_equal(jb_session_open(&s, m, &(struct jb_session_opts){ .max_rows = 0 }, &err), JB_E_INVALID);
    assert_int_equal(jb_session_open(&s, m, &(struct jb_session_opts){ .max_rows = 65537 }, &err), JB_E_RANGE);
    assert_int_equal(jb_session_open(&s, m, &(struct jb_session_opts){ .max_rows = 1, .threads = 2 }, &err), JB_E_UNSUPPORTED);
    assert_null(s);
    jb_session_close(NULL);
    jb_model_close(m);
    jb_model_close(NULL);
    free(data);
    r.shape[0] = r.shape[1] = 4096; // the largest there is: a row of its boundary alone has 84 MB
    assert_int_equal(open_recipe(&r, 0, &m, &data, &err), 0);
    assert_int_equal(jb_session_open(&s, m, &(struct jb_session_opts){ .max_rows = 65536 }, &err), JB_E_RANGE);
    assert_non_null(strstr(err.detail, "a session of 65536 rows of this model needs more than 4 GiB"));
    jb_model_close(m);
    free(data);
}

// --- Side files
static void *side_file(const char *hash, const char *head0, size_t *n)
{
    struct jb_gguf_writer *w;
    void *data;
    float weights[8] = { 1, 0, 0, 0, 0, 0, 0, 1 }, zero[2] = { 0, 0.5f };
    const char *head[2] = { head0, "n2 = fc n1 w=n" }, *names[1] = { "n1" };
    float lo = 0, hi = 1;
    assert_int_equal(jb_gguf_writer_open(&w), 0);
    int rc = jb_gguf_put_str(w, "general.architecture", "jb-exits");
    rc |= jb_gguf_put_u32(w, "jb.format", 1);
    rc |= jb_gguf_put_str(w, "jb.base.sha256", hash);
    rc |= jb_gguf_put_array_str(w, "jb.stage.0.head", head, 2);
    rc |= jb_gguf_put_f32(w, "jb.exit.0.temperature", 3.0f);
    rc |= jb_gguf_put_array_str(w, "jb.range.names", names, 1);
    rc |= jb_gguf_put_array_f32(w, "jb.range.min", &lo, 1);
    rc |= jb_gguf_put_array_f32(w, "jb.range.max", &hi, 1);
    rc |= jb_gguf_put_tensor(w, "n.weight", JB_GGML_F32, (uint64_t[]){ 4, 2 }, 2, weights, 32);
    rc |= jb_gguf_put_tensor(w, "n.bias", JB_GGML_F32, (uint64_t[]){ 2 }, 1, zero, 8);
    assert_int_equal(rc, 0);
    assert_int_equal(jb_gguf_write_memory(w, &data, n, NULL), 0);
    jb_gguf_writer_close(w);
    return data;
}

static void test_side_file(void **state)
{
    struct recipe r = good();
    struct jb_gguf_writer *w;
    struct jb_kernels k;
    struct jb_model *m = NULL;
    struct jb_err err = { 0 };
    void *base, *side;
    size_t base_n, side_n;
    char hash[JB_HASH_HEX];
    (void)state;
    jb_kernels_init(&k, 0);
    assert_int_equal(jb_gguf_writer_open(&w), 0);
    put_all(w, &r);
    assert_int_equal(jb_gguf_write_memory(w, &base, &base_n, NULL), 0);
    jb_gguf_writer_close(w);
    jb_hash_bytes(base, base_n, hash);
    side = side_file(hash, "n1 = gap b", &side_n);
    if (jb_model_open_memory(&m, "base", base, base_n, side, side_n, &k, NULL, &err))
        fail_msg("%s", err.detail);
    const struct jb_model_info *info = jb_model_info(m);
    struct jb_op_info op;
    assert_int_equal(info->precisions, 7);
    assert_true(info->stages[0].temperature == 3.0);
    assert_int_equal(strlen(info->exits_sha256), 64);
    assert_int_equal(jb_model_op(m, 0, true, 0, &op), 0);
    assert_string_equal(op.text, "n1 = gap b");
    jb_model_close(m);
    free(side);
    side = side_file(hash, "n1 = gap a", &side_n); // reads what a head may not read
    assert_int_equal(jb_model_open_memory(&m, "base", base, base_n, side, side_n, &k, NULL, &err), JB_E_INVALID);
    assert_non_null(strstr(err.detail, "exits: key \"jb.stage.0.head\", line 1"));
    free(side);
    hash[0] = hash[0] == '0' ? '1' : '0';
    side = side_file(hash, "n1 = gap b", &side_n);
    assert_int_equal(jb_model_open_memory(&m, "base", base, base_n, side, side_n, &k, NULL, &err), JB_E_MISMATCH);
    assert_non_null(strstr(err.detail, hash));
    assert_int_equal(jb_model_open_memory(&m, "base", base, base_n, base, base_n, &k, NULL, &err), JB_E_NOT_FOUND); // a base is no side file
    free(side);
    free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good), cmocka_unit_test(test_int4_needs_a_group), cmocka_unit_test(test_bad_lines), cmocka_unit_test(test_bad_graphs), cmocka_unit_test(test_bad_facts),
        cmocka_unit_test(test_integers_refused_with_reason), cmocka_unit_test(test_session_limits), cmocka_unit_test(test_side_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
