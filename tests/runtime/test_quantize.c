// Whole files in another type: what is changed, what is copied, what is refused, and that nothing is left of a failure.
#include <setjmp.h>
#include <stdarg.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "runtime/blocks.h"
#include "runtime/gguf.h"
#include "runtime/quantize.h"
#include "runtime/synth.h"

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/jb-quantize-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char command[96];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static const char *in_dir(const char *name)
{
    static char paths[4][160];
    static int turn;
    char *p = paths[turn++ % 4];
    snprintf(p, sizeof paths[0], "%s/%s", dir, name);
    return p;
}

static void make(const char *path, const char *type, uint32_t width)
{
    struct jb_synth_opts o;
    struct jb_err err = { 0 };
    jb_synth_defaults(&o);
    o.kind = "llama";
    o.type = type;
    o.width = width;
    if (jb_synth_write(path, &o, &err))
        fail_msg("%s", err.detail);
}

static void quantize(const char *in, const char *out, const char *type, struct jb_quantize_report *r)
{
    struct jb_err err = { 0 };
    if (jb_quantize_file(in, out, type, NULL, r, &err))
        fail_msg("%s", err.detail);
}

static struct jb_gguf *open_file(const char *path)
{
    struct jb_gguf *g = NULL;
    struct jb_err err = { 0 };
    if (jb_gguf_open(&g, path, &err))
        fail_msg("%s", err.detail);
    return g;
}

static bool same_content(const char *a, const char *b)
{
    char *x, *y;
    size_t n, m;
    assert_int_equal(jb_read_file(a, (size_t)1 << 28, &x, &n, NULL), 0);
    assert_int_equal(jb_read_file(b, (size_t)1 << 28, &y, &m, NULL), 0);
    bool same = n == m && memcmp(x, y, n) == 0;
    free(x);
    free(y);
    return same;
}

static int files_left(void)
{
    int n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

// Every tensor, widened and narrowed here once more, is what the file holds; norms are as they were; every key but the file's type is too.
static void check_content(const char *in, const char *out, uint32_t type)
{
    struct jb_gguf *a = open_file(in), *b = open_file(out);
    const struct jb_block_type *to = jb_block_type(type);
    assert_int_equal(jb_gguf_n_tensors(a), jb_gguf_n_tensors(b));
    for (size_t i = 0; i < jb_gguf_n_tensors(a); i++) {
        const struct jb_gguf_tensor *x = jb_gguf_tensor_at(a, i), *y = jb_gguf_tensor_at(b, i);
        assert_string_equal(x->name, y->name);
        assert_memory_equal(x->dims, y->dims, sizeof x->dims);
        assert_int_equal(x->n_dims, y->n_dims);
        if (x->n_dims == 1 || x->type == type) {
            assert_int_equal(x->type, y->type);
            assert_int_equal(x->n_bytes, y->n_bytes);
            assert_memory_equal(x->data, y->data, x->n_bytes);
            continue;
        }
        size_t n = (size_t)(x->dims[0] * x->dims[1]);
        float *values = malloc(n * sizeof *values);
        uint8_t *rows = malloc(jb_block_row_bytes(to, n));
        jb_block_type(x->type)->widen(x->data, values, n);
        assert_true(to->narrow(values, rows, n));
        assert_int_equal(y->type, type);
        assert_int_equal(y->n_bytes, jb_block_row_bytes(to, n));
        assert_memory_equal(rows, y->data, y->n_bytes);
        free(values);
        free(rows);
    }
    uint64_t file_type;
    assert_int_equal(jb_gguf_u64(b, "general.file_type", &file_type, NULL), 0);
    assert_int_equal(file_type, type == JB_GGML_Q8_0 ? 7 : type == JB_GGML_Q4_0 ? 2 : 1);
    size_t count = 0, count_too = 0;
    assert_int_equal(jb_gguf_array(a, "tokenizer.ggml.merges", NULL, &count, NULL), 0);
    assert_int_equal(jb_gguf_array(b, "tokenizer.ggml.merges", NULL, &count_too, NULL), 0);
    assert_int_equal(count, count_too);
    const char *s, *t;
    assert_int_equal(jb_gguf_array_str(a, "tokenizer.ggml.merges", count - 1, &s, NULL, NULL), 0);
    assert_int_equal(jb_gguf_array_str(b, "tokenizer.ggml.merges", count - 1, &t, NULL, NULL), 0);
    assert_string_equal(s, t);
    jb_gguf_close(a);
    jb_gguf_close(b);
}

static void test_every_type_to_every_type(void **state)
{
    static const char *const from[] = { "f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_K", "q5_K", "q6_K", "mixed" }, *const to[] = { "q8_0", "q4_0", "f16" };
    (void)state;
    for (size_t i = 0; i < sizeof from / sizeof *from; i++)
        for (size_t k = 0; k < sizeof to / sizeof *to; k++) {
            struct jb_quantize_report r;
            char source[160], target[160];
            snprintf(source, sizeof source, "%s", in_dir("in.gguf"));
            snprintf(target, sizeof target, "%s", in_dir("out.gguf"));
            make(source, from[i], strchr(from[i], 'K') || i == 11 ? 256 : 64);
            quantize(source, target, to[k], &r);
            check_content(source, target, jb_block_type_named(to[k])->type);
            assert_int_equal(r.n_weights, 16);
            assert_int_equal(r.n_tensors, 21);
            assert_int_equal(r.n_short_rows, 0);
            if (i < 11) {
                assert_int_equal(r.n_changed, strcmp(from[i], to[k]) == 0 ? 0 : 16);
                assert_int_equal(r.n_requantized, i < 3 ? 0 : r.n_changed);
            }
            jb_quantize_report_free(&r);
        }
}

static void test_deterministic(void **state)
{
    struct jb_quantize_report r;
    (void)state;
    make(in_dir("in.gguf"), "f32", 64);
    quantize(in_dir("in.gguf"), in_dir("one.gguf"), "q4_0", &r);
    jb_quantize_report_free(&r);
    quantize(in_dir("in.gguf"), in_dir("two.gguf"), "q4_0", &r);
    struct jb_gguf *g = open_file(in_dir("two.gguf"));
    assert_int_equal(jb_gguf_file_bytes(g), r.bytes_to);
    jb_gguf_close(g);
    jb_quantize_report_free(&r);
    assert_true(same_content(in_dir("one.gguf"), in_dir("two.gguf")));
    // Once more to the same type: nothing left to do.
    quantize(in_dir("one.gguf"), in_dir("two.gguf"), "q4_0", &r);
    assert_int_equal(r.n_changed, 0);
    jb_quantize_report_free(&r);
    assert_true(same_content(in_dir("one.gguf"), in_dir("two.gguf")));
}

// A file of odd keys and tensors: every type of key comes through; what is no weight by name or shape stays; short rows become f16.
static void put_odd(struct jb_gguf_writer *w, float bad)
{
    static float x[64 * 4], three[3 * 4] = { 1, -2, 0.5f };
    uint64_t square[2] = { 64, 4 }, narrow[2] = { 3, 4 }, line[1] = { 64 }, cube[3] = { 32, 2, 4 };
    for (int i = 0; i < 64 * 4; i++)
        x[i] = (float)(i % 17) - 8.0f;
    x[70] = bad;
    assert_int_equal(jb_gguf_put_u32(w, "general.file_type", 0), 0);
    assert_int_equal(jb_gguf_put_str(w, "odd.text", "dr\xc3\xa9i"), 0);
    assert_int_equal(jb_gguf_put_bool(w, "odd.bool", true), 0);
    assert_int_equal(jb_gguf_put_u64(w, "odd.u64", UINT64_MAX), 0);
    assert_int_equal(jb_gguf_put_f32(w, "odd.f32", NAN), 0);
    assert_int_equal(jb_gguf_put_array_str(w, "odd.texts", (const char *const[]){ "", "b" }, 2), 0);
    assert_int_equal(jb_gguf_put_array_f32(w, "odd.reals", (float[]){ 1, 2 }, 2), 0);
    assert_int_equal(jb_gguf_put_array_i32(w, "odd.none", NULL, 0), 0);
    assert_int_equal(jb_gguf_put_tensor(w, "a.weight", JB_GGML_F32, square, 2, x, sizeof x), 0);
    assert_int_equal(jb_gguf_put_tensor(w, "b.bias", JB_GGML_F32, square, 2, x, sizeof x), 0);
    assert_int_equal(jb_gguf_put_tensor(w, "c_norm.weight", JB_GGML_F32, square, 2, x, sizeof x), 0);
    assert_int_equal(jb_gguf_put_tensor(w, "d.weight", JB_GGML_F32, narrow, 2, three, sizeof three), 0);
    assert_int_equal(jb_gguf_put_tensor(w, "e.weight", JB_GGML_F32, line, 1, x, 256), 0);
    assert_int_equal(jb_gguf_put_tensor(w, "f.weight", JB_GGML_F32, cube, 3, x, sizeof x), 0);
    assert_int_equal(jb_gguf_put_tensor(w, "g.ids", JB_GGML_I32, line, 1, x, 256), 0);
}

static void write_odd(const char *path, float bad)
{
    struct jb_gguf_writer *w;
    struct jb_err err = { 0 };
    assert_int_equal(jb_gguf_writer_open(&w), 0);
    put_odd(w, bad);
    if (jb_gguf_write(w, path, &err))
        fail_msg("%s", err.detail);
    jb_gguf_writer_close(w);
}

static void test_odd_keys_and_tensors(void **state)
{
    struct jb_quantize_report r;
    static const uint32_t wanted[] = { JB_GGML_Q8_0, JB_GGML_F32, JB_GGML_F32, JB_GGML_F16, JB_GGML_F32, JB_GGML_Q8_0, JB_GGML_I32 };
    (void)state;
    write_odd(in_dir("odd.gguf"), 1);
    quantize(in_dir("odd.gguf"), in_dir("out.gguf"), "Q8_0", &r);
    struct jb_gguf *a = open_file(in_dir("odd.gguf")), *b = open_file(in_dir("out.gguf"));
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(jb_gguf_tensor_at(b, i)->type, wanted[i]);
        assert_int_equal(r.tensors[i].to, wanted[i]);
        assert_int_equal(r.tensors[i].bytes_to, jb_gguf_tensor_at(b, i)->n_bytes);
        assert_int_equal(r.tensors[i].short_rows, i == 3);
    }
    assert_int_equal(r.n_short_rows, 1);
    assert_int_equal(jb_gguf_n_keys(b), jb_gguf_n_keys(a) + 1); // the quantization's version
    for (size_t i = 1; i < jb_gguf_n_keys(a); i++) {
        enum jb_gguf_type x, y;
        assert_string_equal(jb_gguf_key_at(a, i, &x), jb_gguf_key_at(b, i, &y));
        assert_int_equal(x, y);
    }
    double d;
    uint64_t u;
    size_t n;
    const char *s;
    assert_int_equal(jb_gguf_f64(b, "odd.f32", &d, NULL), 0);
    assert_true(isnan(d));
    assert_int_equal(jb_gguf_u64(b, "odd.u64", &u, NULL), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(jb_gguf_array_str(b, "odd.texts", 1, &s, &n, NULL), 0);
    assert_string_equal(s, "b");
    assert_int_equal(jb_gguf_array(b, "odd.none", NULL, &n, NULL), 0);
    assert_int_equal(n, 0);
    jb_quantize_report_free(&r);
    jb_gguf_close(a);
    jb_gguf_close(b);
}

static void refused(const char *in, const char *out, const char *type, const volatile int *stop, int code, const char *reason)
{
    struct jb_quantize_report r;
    struct jb_err err = { 0 };
    int left = files_left(), rc = jb_quantize_file(in, out, type, stop, &r, &err);
    if (rc != code || !strstr(err.detail, reason))
        fail_msg("code %d (wanted %d), \"%s\" (wanted \"%s\")", rc, code, err.detail, reason);
    assert_int_equal(files_left(), left);
}

static void test_refusals(void **state)
{
    volatile int stop = 2;
    char link_path[160];
    (void)state;
    unlink(in_dir("out.gguf"));
    write_odd(in_dir("odd.gguf"), 1);
    refused(in_dir("odd.gguf"), in_dir("odd.gguf"), "q8_0", NULL, JB_E_INVALID, "one file");
    snprintf(link_path, sizeof link_path, "%s", in_dir("link.gguf"));
    assert_int_equal(symlink(in_dir("odd.gguf"), link_path), 0);
    refused(in_dir("odd.gguf"), link_path, "q8_0", NULL, JB_E_INVALID, "one file");
    refused(in_dir("odd.gguf"), in_dir("out.gguf"), "q6_K", NULL, JB_E_UNSUPPORTED, "\"q6_K\" (q8_0, q4_0, f16)");
    refused(in_dir("odd.gguf"), in_dir("out.gguf"), "q9", NULL, JB_E_UNSUPPORTED, "\"q9\"");
    refused(in_dir("absent.gguf"), in_dir("out.gguf"), "q8_0", NULL, JB_E_NOT_FOUND, "absent.gguf");
    refused(in_dir("odd.gguf"), in_dir("absent/out.gguf"), "q8_0", NULL, JB_E_NOT_FOUND, "absent/out.gguf");
    refused(in_dir("odd.gguf"), in_dir("out.gguf"), "q8_0", &stop, JB_E_INTERRUPTED, "interrupted");
    refused(in_dir("odd.gguf"), "/dev/full", "q8_0", NULL, JB_E_NO_SPACE, "/dev/full");
    write_odd(in_dir("nan.gguf"), NAN);
    refused(in_dir("nan.gguf"), in_dir("out.gguf"), "q8_0", NULL, JB_E_INVALID, "tensor \"a.weight\", value 70 is NaN");
    write_odd(in_dir("nan.gguf"), -INFINITY);
    refused(in_dir("nan.gguf"), in_dir("out.gguf"), "q4_0", NULL, JB_E_INVALID, "value 70 is infinite");
    write_odd(in_dir("nan.gguf"), 1e30f);
    refused(in_dir("nan.gguf"), in_dir("out.gguf"), "f16", NULL, JB_E_INVALID, "value 70: 1e+30 is too large for f16");
}

// A failure leaves what stood at OUT before.
static void test_old_file_stays(void **state)
{
    struct jb_quantize_report r;
    struct jb_err err = { 0 };
    (void)state;
    make(in_dir("old.gguf"), "f16", 32);
    make(in_dir("copy.gguf"), "f16", 32);
    write_odd(in_dir("nan.gguf"), NAN);
    assert_int_equal(jb_quantize_file(in_dir("nan.gguf"), in_dir("old.gguf"), "q8_0", NULL, &r, &err), JB_E_INVALID);
    assert_true(same_content(in_dir("old.gguf"), in_dir("copy.gguf")));
}

// Types that this build knows by size alone, or not at all.
static void test_types_that_cannot_be_read(void **state)
{
    struct jb_gguf_writer *w;
    uint64_t dims[2] = { 256, 2 };
    static uint8_t blocks[168];
    char *data;
    size_t n;
    struct jb_err err = { 0 };
    (void)state;
    assert_int_equal(jb_gguf_writer_open(&w), 0);
    assert_int_equal(jb_gguf_put_tensor(w, "k.weight", JB_GGML_Q2_K, dims, 2, blocks, sizeof blocks), 0);
    assert_int_equal(jb_gguf_write(w, in_dir("k.gguf"), &err), 0);
    jb_gguf_writer_close(w);
    refused(in_dir("k.gguf"), in_dir("out.gguf"), "q8_0", NULL, JB_E_UNSUPPORTED, "tensor \"k.weight\" has type q2_K");
    assert_int_equal(jb_read_file(in_dir("k.gguf"), 4096, &data, &n, &err), 0);
    data[24 + 8 + 8 + 4 + 16] = 99; // its type
    assert_int_equal(jb_write_file_atomic(in_dir("k.gguf"), data, n, &err), 0);
    free(data);
    refused(in_dir("k.gguf"), in_dir("out.gguf"), "q8_0", NULL, JB_E_UNSUPPORTED, "type 99");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type_to_every_type), cmocka_unit_test(test_deterministic), cmocka_unit_test(test_odd_keys_and_tensors), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_old_file_stays), cmocka_unit_test(test_types_that_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
