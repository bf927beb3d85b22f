// The container: written and read back; and files that lie, each refused with an error that names place and reason.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "runtime/gguf.h"
#include "runtime/model.h"
#include "runtime/synth.h"

// A file put together by hand, so that it may lie.
struct file { uint64_t words[1024]; size_t n; };

static uint8_t *bytes_of(struct file *f)
{
    return (uint8_t *)f->words;
}

static void put(struct file *f, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        bytes_of(f)[f->n++] = (uint8_t)(v >> (8 * i));
}

static void put_text(struct file *f, const char *s)
{
    put(f, strlen(s), 8);
    memcpy(bytes_of(f) + f->n, s, strlen(s));
    f->n += strlen(s);
}

static void header(struct file *f, uint64_t n_tensors, uint64_t n_keys)
{
    f->n = 0;
    memset(f->words, 0, sizeof f->words);
    put(f, 0x46554747, 4);
    put(f, 3, 4);
    put(f, n_tensors, 8);
    put(f, n_keys, 8);
}

static void tensor(struct file *f, const char *name, uint32_t n_dims, const uint64_t *dims, uint32_t type, uint64_t offset)
{
    put_text(f, name);
    put(f, n_dims, 4);
    for (uint32_t i = 0; i < n_dims; i++)
        put(f, dims[i], 8);
    put(f, type, 4);
    put(f, offset, 8);
}

static void data_part(struct file *f, size_t n)
{
    f->n = (f->n + 31) / 32 * 32 + n;
}

static void refused(struct file *f, int code, const char *reason)
{
    struct jb_err err = { 0 };
    struct jb_gguf *g = NULL;
    int rc = jb_gguf_open_memory(&g, "bad.gguf", f->words, f->n, &err);
    if (rc != code || !strstr(err.detail, reason) || strncmp(err.detail, "bad.gguf: byte ", 15) != 0)
        fail_msg("code %d (wanted %d), \"%s\" (wanted \"%s\")", rc, code, err.detail, reason);
    assert_null(g);
    assert_int_equal(jb_gguf_open_memory(&g, "bad.gguf", f->words, f->n, NULL), code);
}

static void test_round_trip(void **state)
{
    struct jb_gguf_writer *w;
    struct jb_gguf *g = NULL;
    struct jb_err err = { 0 };
    const char *texts[3] = { "one", "", "dr\xc3\xa9i" };
    uint32_t numbers[2] = { 7, 4000000000u };
    float reals[2] = { -0.5f, 1e30f };
    uint64_t dims[3] = { 3, 2, 1 };
    (void)state;
    assert_int_equal(jb_gguf_writer_open(&w), 0);
    assert_int_equal(jb_gguf_put_str(w, "a.text", "hello"), 0);
    assert_int_equal(jb_gguf_put_str(w, "a.text", "again"), JB_E_EXISTS);
    assert_int_equal(jb_gguf_put_str(w, "", "no name"), JB_E_INVALID);
    assert_int_equal(jb_gguf_put_u32(w, "a.u32", 42), 0);
    assert_int_equal(jb_gguf_put_u64(w, "a.u64", UINT64_MAX), 0);
    assert_int_equal(jb_gguf_put_f32(w, "a.f32", 0.25f), 0);
    assert_int_equal(jb_gguf_put_bool(w, "a.bool", true), 0);
    assert_int_equal(jb_gguf_put_array_str(w, "b.texts", texts, 3), 0);
    assert_int_equal(jb_gguf_put_array_u32(w, "b.numbers", numbers, 2), 0);
    assert_int_equal(jb_gguf_put_array_f32(w, "b.reals", reals, 2), 0);
    assert_int_equal(jb_gguf_put_tensor(w, "t1", JB_GGML_F32, dims, 3, (float[]){ 1, 2, 3, 4, 5, 6 }, 24), 0);
    assert_int_equal(jb_gguf_put_tensor(w, "t1", JB_GGML_F32, dims, 3, (float[]){ 1, 2, 3, 4, 5, 6 }, 24), JB_E_EXISTS);
    assert_int_equal(jb_gguf_put_tensor(w, "t2", JB_GGML_I8, dims, 1, "abc", 3), 0);
    assert_int_equal(jb_gguf_put_tensor(w, "t3", JB_GGML_F32, dims, 3, "", 23), JB_E_INVALID);
    char path[] = "/tmp/jb-gguf-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    if (jb_gguf_write(w, path, &err) || jb_gguf_open(&g, path, &err))
        fail_msg("%s", err.detail);
    jb_gguf_writer_close(w);
    const char *s;
    size_t n;
    uint64_t u;
    double d;
    bool b;
    enum jb_gguf_type type;
    assert_int_equal(jb_gguf_n_keys(g), 8);
    assert_int_equal(jb_gguf_n_tensors(g), 2);
    assert_string_equal(jb_gguf_key_at(g, 1, &type), "a.u32");
    assert_int_equal(type, JB_GGUF_U32);
    assert_null(jb_gguf_key_at(g, 8, NULL));
    assert_int_equal(jb_gguf_str(g, "a.text", &s, &n, &err), 0);
    assert_string_equal(s, "hello");
    assert_int_equal(n, 5);
    assert_int_equal(jb_gguf_u64(g, "a.u32", &u, &err), 0);
    assert_int_equal(u, 42);
    assert_int_equal(jb_gguf_u64(g, "a.u64", &u, &err), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(jb_gguf_f64(g, "a.f32", &d, &err), 0);
    assert_true(d == 0.25);
    assert_int_equal(jb_gguf_bool(g, "a.bool", &b, &err), 0);
    assert_true(b);
    assert_int_equal(jb_gguf_array(g, "b.texts", &type, &n, &err), 0);
    assert_int_equal(type, JB_GGUF_STRING);
    assert_int_equal(n, 3);
    assert_int_equal(jb_gguf_array_str(g, "b.texts", 2, &s, NULL, &err), 0);
    assert_string_equal(s, texts[2]);
    assert_int_equal(jb_gguf_array_u64(g, "b.numbers", 1, &u, &err), 0);
    assert_true(u == 4000000000u);
    assert_int_equal(jb_gguf_array_f64(g, "b.reals", 0, &d, &err), 0);
    assert_true(d == -0.5);
    // Wrong types, absent keys, past the end: outputs stay.
    u = 99;
    assert_int_equal(jb_gguf_u64(g, "a.text", &u, &err), JB_E_INVALID);
    assert_non_null(strstr(err.detail, "\"a.text\" has type string (an integer is required)"));
    assert_int_equal(jb_gguf_u64(g, "none", &u, &err), JB_E_NOT_FOUND);
    assert_int_equal(jb_gguf_u64(g, "b.numbers", &u, &err), JB_E_INVALID);
    assert_int_equal(jb_gguf_array_u64(g, "b.numbers", 2, &u, &err), JB_E_RANGE);
    assert_int_equal(jb_gguf_array_u64(g, "a.u32", 0, &u, &err), JB_E_INVALID);
    assert_int_equal(u, 99);
    const struct jb_gguf_tensor *t = jb_gguf_tensor(g, "t1");
    assert_non_null(t);
    assert_int_equal(t->n_dims, 3);
    assert_int_equal(t->dims[1], 2);
    assert_int_equal(t->dims[3], 1);
    assert_int_equal(t->n_bytes, 24);
    assert_true(((const float *)t->data)[5] == 6.0f);
    assert_null(jb_gguf_tensor(g, "t3"));
    assert_memory_equal(jb_gguf_tensor_at(g, 1)->data, "abc", 3);
    char hash[JB_HASH_HEX], file_hash[JB_HASH_HEX];
    jb_gguf_hash(g, hash);
    assert_int_equal(jb_hash_file(path, file_hash, &err), 0);
    assert_string_equal(hash, file_hash);
    jb_gguf_close(g);
    jb_gguf_close(NULL);
    unlink(path);
    assert_int_equal(jb_gguf_open(&g, path, &err), JB_E_NOT_FOUND);
    assert_non_null(strstr(err.detail, path));
}

static void test_lies_in_metadata(void **state)
{
    static struct file f;
    (void)state;
    header(&f, 0, 0);
    bytes_of(&f)[0] = 'X';
    refused(&f, JB_E_INVALID, "not a GGUF file");
    header(&f, 0, 0);
    bytes_of(&f)[4] = 2;
    refused(&f, JB_E_UNSUPPORTED, "GGUF version 2");
    header(&f, 0, 0);
    memcpy(bytes_of(&f) + 4, "\0\0\0\3", 4);
    refused(&f, JB_E_UNSUPPORTED, "big-endian");
    header(&f, UINT64_MAX, 0);
    refused(&f, JB_E_INVALID, "tensors cannot be");
    header(&f, 0, UINT64_MAX / 2);
    refused(&f, JB_E_INVALID, "metadata entries cannot be");
    header(&f, 0, 65537);
    refused(&f, JB_E_INVALID, "metadata entries cannot be");
    header(&f, 0, 1); // a string longer than the file
    put(&f, 1000, 8);
    put(&f, 0, 8);
    refused(&f, JB_E_INVALID, "byte 24: a key of 1000 bytes ends past the end");
    header(&f, 0, 1);
    put(&f, UINT64_MAX, 8);
    put(&f, 0, 8);
    refused(&f, JB_E_INVALID, "limit 1 MiB");
    header(&f, 0, 1);
    put(&f, 3, 8);
    put(&f, 0x00410041, 4); // a NUL in the key
    put(&f, 0, 8);
    refused(&f, JB_E_INVALID, "holds a NUL");
    header(&f, 0, 1);
    put_text(&f, "\xc3\x28");
    put(&f, 0, 8);
    refused(&f, JB_E_INVALID, "not valid UTF-8");
    header(&f, 0, 1);
    put_text(&f, "k");
    put(&f, 13, 4);
    put(&f, 0, 8);
    refused(&f, JB_E_INVALID, "unknown value type 13");
    header(&f, 0, 1);
    put_text(&f, "k");
    put(&f, JB_GGUF_BOOL, 4);
    put(&f, 2, 1);
    refused(&f, JB_E_INVALID, "a bool is 0 or 1");
    header(&f, 0, 2);
    for (int i = 0; i < 2; i++) {
        put_text(&f, "twice");
        put(&f, JB_GGUF_U8, 4);
        put(&f, 1, 1);
    }
    refused(&f, JB_E_INVALID, "\"twice\" occurs twice");
}

static void test_lies_in_arrays(void **state)
{
    static struct file f;
    const struct { uint32_t element; uint64_t count; int code; const char *reason; } cases[] = {
        { JB_GGUF_ARRAY, 1, JB_E_UNSUPPORTED, "array of arrays" },
        { 77, 1, JB_E_INVALID, "unknown element type 77" },
        { JB_GGUF_U8, (1u << 24) + 1, JB_E_INVALID, "limit 2^24" },
        { JB_GGUF_F64, 1u << 24, JB_E_INVALID, "end past the end of the file" },
        { JB_GGUF_STRING, 1u << 24, JB_E_INVALID, "do not fit the file" },
        { JB_GGUF_F64, UINT64_MAX / 8 + 2, JB_E_INVALID, "limit 2^24" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        header(&f, 0, 1);
        put_text(&f, "k");
        put(&f, JB_GGUF_ARRAY, 4);
        put(&f, cases[i].element, 4);
        put(&f, cases[i].count, 8);
        put(&f, 0, 8);
        refused(&f, cases[i].code, cases[i].reason);
    }
    for (int i = 0; i < 6; i++) {
        const uint64_t bad[6] = { 0, 1, 4, 24, 131072, UINT32_MAX };
        header(&f, 0, 1);
        put_text(&f, "general.alignment");
        put(&f, JB_GGUF_U32, 4);
        put(&f, bad[i], 4);
        refused(&f, JB_E_INVALID, "no power of two");
    }
    header(&f, 0, 1);
    put_text(&f, "general.alignment");
    put(&f, JB_GGUF_U64, 4);
    put(&f, 32, 8);
    refused(&f, JB_E_INVALID, "u32 is required");
}

static void test_lies_in_tensors(void **state)
{
    static struct file f;
    const uint64_t big = ((uint64_t)1 << 31) - 1;
    const struct { uint32_t n_dims; uint64_t dims[4]; uint32_t type; uint64_t offset; const char *reason; } cases[] = {
        { 0, { 0 }, 0, 0, "0 dimensions" },
        { 5, { 1, 1, 1, 1 }, 0, 0, "5 dimensions" },
        { 2, { 4, 0 }, 0, 0, "size 0" },
        { 1, { (uint64_t)1 << 31 }, 0, 0, "size 2147483648" },
        { 4, { big, big, big, big }, 0, 0, "overflows 64 bits" },
        { 4, { big, big, 4, 1 }, 0, 0, "overflows 64 bits" }, // 2^64 - 2^34 + 4 elements of 4 bytes
        { 2, { big, big }, 0, 0, "ends past the end" },
        { 1, { 17 }, 0, 0, "ends past the end" },
        { 1, { 8 }, 0, 64, "ends past the end" },
        { 1, { 8 }, 0, 1 << 20, "ends past the end" },
        { 1, { 8 }, 0, UINT64_MAX / 32 * 32, "ends past the end" },
        { 1, { 8 }, 0, 8, "no multiple of the alignment" },
        { 1, { 33 }, JB_GGML_Q8_0, 0, "no whole blocks" },
        { 1, { 8 }, 999, 1 << 20, "ends past the end" },
        // Types in blocks: rows that are none, and counts of blocks that overflow.
        { 2, { 31, 1 }, JB_GGML_Q4_0, 0, "rows of 31 values are no whole blocks of 32" },
        { 2, { 128, 2 }, JB_GGML_Q4_K, 0, "rows of 128 values are no whole blocks of 256" },
        { 2, { 384, 1 }, JB_GGML_Q6_K, 0, "no whole blocks of 256" },
        { 2, { 32, 2 }, JB_GGML_Q8_0, 0, "(68 bytes at offset 0" },
        { 1, { 256 }, JB_GGML_Q4_K, 0, "(144 bytes at offset 0" },
        { 4, { big / 256 * 256, big, big, 1 }, JB_GGML_Q6_K, 0, "overflows 64 bits" },
        { 4, { 256, big, big, 1 }, JB_GGML_Q4_K, 0, "overflows 64 bits" }, // 144 * 2^62
        { 4, { 32, big, big, big }, JB_GGML_Q5_1, 0, "overflows 64 bits" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        header(&f, 1, 0);
        tensor(&f, "t", cases[i].n_dims, cases[i].dims, cases[i].type, cases[i].offset);
        if (cases[i].n_dims == 5)
            put(&f, 0, 8);
        data_part(&f, 64);
        refused(&f, JB_E_INVALID, cases[i].reason);
    }
    const uint64_t dims[1] = { 16 };
    header(&f, 2, 0);
    tensor(&f, "a", 1, dims, 0, 0);
    tensor(&f, "b", 1, dims, 0, 32);
    data_part(&f, 128);
    refused(&f, JB_E_INVALID, "\"a\" and \"b\" overlap");
    header(&f, 2, 0);
    tensor(&f, "same", 1, dims, 0, 0);
    tensor(&f, "same", 1, dims, 0, 64);
    data_part(&f, 128);
    refused(&f, JB_E_INVALID, "\"same\" occurs twice");
}

// Vocabularies that promise more than there is.
static void test_lies_in_vocabularies(void **state)
{
    static struct file f;
    static const char *const keys[] = { "tokenizer.ggml.tokens", "tokenizer.ggml.merges" };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        header(&f, 0, 1);
        put_text(&f, keys[i]);
        put(&f, JB_GGUF_ARRAY, 4);
        put(&f, JB_GGUF_STRING, 4);
        put(&f, (uint64_t)1 << 31, 8);
        put_text(&f, "a");
        refused(&f, JB_E_INVALID, "array of 2147483648 elements");
        header(&f, 0, 1);
        put_text(&f, keys[i]);
        put(&f, JB_GGUF_ARRAY, 4);
        put(&f, JB_GGUF_STRING, 4);
        put(&f, 2, 8);
        put_text(&f, "a");
        put(&f, 3, 8);
        put(&f, 0x610061, 3); // a NUL within
        refused(&f, JB_E_INVALID, "holds a NUL");
        header(&f, 0, 1);
        put_text(&f, keys[i]);
        put(&f, JB_GGUF_ARRAY, 4);
        put(&f, JB_GGUF_STRING, 4);
        put(&f, 3, 8);
        for (int k = 0; k < 3; k++)
            put(&f, k == 2 ? (uint64_t)1 << 40 : 0, 8);
        refused(&f, JB_E_INVALID, "limit 1 MiB");
    }
    header(&f, 0, 2);
    for (int k = 0; k < 2; k++) {
        put_text(&f, "llama.block_count");
        put(&f, JB_GGUF_U32, 4);
        put(&f, 2, 4);
    }
    refused(&f, JB_E_INVALID, "\"llama.block_count\" occurs twice");
}

struct counted { uint64_t next, fail_at; };

static int fill_rows(void *self, uint64_t row, uint64_t n_rows, void *out, struct jb_err *err)
{
    struct counted *c = self;
    assert_true(row == c->next && n_rows > 0);
    c->next = row + n_rows;
    if (c->next > c->fail_at)
        return jb_fail(err, JB_E_INTERRUPTED, "enough");
    for (uint64_t i = 0; i < n_rows; i++)
        ((uint32_t *)out)[i * 1000] = (uint32_t)(row + i);
    return JB_OK;
}

// Rows made while they are written: each once, in order, between tensors that lie in memory.
static void test_rows(void **state)
{
    const uint64_t dims[2] = { 1000, 700 }, one[1] = { 1 }; // 2.8 MB: several pieces
    struct counted c = { .fail_at = UINT64_MAX };
    struct jb_gguf_writer *w;
    struct jb_gguf *g;
    struct jb_err err = { 0 };
    void *data = NULL;
    size_t n = 0;
    (void)state;
    assert_int_equal(jb_gguf_writer_open(&w), 0);
    assert_int_equal(jb_gguf_put_tensor(w, "before", JB_GGML_I8, one, 1, "b", 1), 0);
    assert_int_equal(jb_gguf_put_rows(w, "rows", JB_GGML_I32, dims, 2, fill_rows, &c), 0);
    assert_int_equal(jb_gguf_put_rows(w, "rows", JB_GGML_I32, dims, 2, fill_rows, &c), JB_E_EXISTS);
    assert_int_equal(jb_gguf_put_rows(w, "q", JB_GGML_Q8_0, dims, 2, fill_rows, &c), JB_E_INVALID);
    assert_int_equal(jb_gguf_put_rows(w, "r", JB_GGML_I32, (uint64_t[4]){ 1u << 30, 1u << 30, 1u << 30, 1 }, 4, fill_rows, &c), JB_E_RANGE);
    assert_int_equal(jb_gguf_put_tensor(w, "after", JB_GGML_I8, one, 1, "a", 1), 0);
    assert_int_equal(jb_gguf_write_memory(w, &data, &n, &err), 0);
    assert_int_equal(c.next, 700);
    assert_int_equal(jb_gguf_open_memory(&g, "rows", data, n, &err), 0);
    assert_int_equal(jb_gguf_n_tensors(g), 3);
    for (uint32_t i = 0; i < 700; i++)
        assert_int_equal(((const uint32_t *)jb_gguf_tensor(g, "rows")->data)[1000 * i], i);
    assert_memory_equal(jb_gguf_tensor(g, "before")->data, "b", 1);
    assert_memory_equal(jb_gguf_tensor(g, "after")->data, "a", 1);
    jb_gguf_close(g);
    free(data);
    c = (struct counted){ .fail_at = 400 };
    assert_int_equal(jb_gguf_write(w, "/tmp/jb-gguf-never", &err), JB_E_INTERRUPTED);
    assert_string_equal(err.detail, "enough");
    assert_int_equal(access("/tmp/jb-gguf-never", F_OK), -1);
    jb_gguf_writer_close(w);
}

static void test_copied_keys(void **state)
{
    static struct file f;
    struct jb_gguf *g, *copy;
    struct jb_gguf_writer *w;
    struct jb_err err = { 0 };
    void *data = NULL;
    size_t n = 0;
    (void)state;
    header(&f, 0, 13);
    for (uint32_t type = 0; type <= JB_GGUF_F64; type++) {
        static const uint8_t bytes[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
        put_text(&f, type == JB_GGUF_U32 ? "general.alignment" : (char[]){ (char)('a' + type), 0 });
        put(&f, type, 4);
        if (type == JB_GGUF_STRING) {
            put_text(&f, "text");
        } else if (type == JB_GGUF_ARRAY) {
            put(&f, JB_GGUF_I16, 4);
            put(&f, 3, 8);
            put(&f, 0xffff80007fff, 6);
        } else {
            put(&f, type == JB_GGUF_BOOL ? 1 : type == JB_GGUF_U32 ? 64 : 0xfedcba9876543210, bytes[type]);
        }
    }
    assert_int_equal(jb_gguf_open_memory(&g, "m", f.words, f.n, &err), 0);
    assert_int_equal(jb_gguf_writer_open(&w), 0);
    for (size_t i = 0; i < 13; i++)
        assert_int_equal(jb_gguf_copy_key(w, g, i), i == JB_GGUF_U32 ? JB_E_INVALID : 0);
    assert_int_equal(jb_gguf_copy_key(w, g, 0), JB_E_EXISTS);
    assert_int_equal(jb_gguf_copy_key(w, g, 13), JB_E_INVALID);
    assert_int_equal(jb_gguf_write_memory(w, &data, &n, &err), 0);
    assert_int_equal(jb_gguf_open_memory(&copy, "c", data, n, &err), 0);
    assert_int_equal(jb_gguf_n_keys(copy), 12);
    // What stands before and behind the key that was left out is the same, to the byte.
    size_t before = 24 + 2 * (8 + 1 + 4 + 1) + 2 * (8 + 1 + 4 + 2), left_out = 8 + 17 + 4 + 4;
    assert_memory_equal((uint8_t *)data + 24, bytes_of(&f) + 24, before - 24);
    assert_memory_equal((uint8_t *)data + before, bytes_of(&f) + before + left_out, f.n - before - left_out);
    jb_gguf_close(copy);
    free(data);
    jb_gguf_writer_close(w);
    jb_gguf_close(g);
}

static void test_unknown_type_and_no_tensors(void **state)
{
    static struct file f;
    struct jb_gguf *g;
    const uint64_t dims[1] = { 8 };
    (void)state;
    header(&f, 1, 0);
    tensor(&f, "t", 1, dims, 999, 0);
    data_part(&f, 64);
    assert_int_equal(jb_gguf_open_memory(&g, "m", f.words, f.n, NULL), 0);
    assert_null(jb_gguf_tensor(g, "t")->data);
    assert_int_equal(jb_gguf_tensor(g, "t")->n_bytes, 0);
    jb_gguf_close(g);
    header(&f, 0, 0);
    assert_int_equal(jb_gguf_open_memory(&g, "m", f.words, f.n, NULL), 0);
    assert_null(jb_gguf_tensor(g, "t"));
    jb_gguf_close(g);
}

static void make_model(void **data, size_t *n)
{
    struct jb_synth_opts o;
    struct jb_err err = { 0 };
    jb_synth_defaults(&o);
    o.stages = 2;
    o.width = 2;
    o.size = 6;
    o.classes = 3;
    if (jb_synth_make(data, n, &o, &err))
        fail_msg("%s", err.detail);
}

// Copies of exactly n bytes, so that a read past the end is seen by the sanitizer.
static void *copy_of(const void *data, size_t n)
{
    void *p = malloc(n ? n : 1);
    memcpy(p, data, n);
    return p;
}

static void test_truncated_everywhere(void **state)
{
    void *data;
    size_t n;
    struct jb_kernels k;
    (void)state;
    jb_kernels_init(&k, 0);
    make_model(&data, &n);
    for (size_t cut = 0; cut < n; cut++) {
        struct jb_gguf *g;
        struct jb_err err = { 0 };
        void *part = copy_of(data, cut);
        assert_int_equal(jb_gguf_open_memory(&g, "cut.gguf", part, cut, &err), JB_E_INVALID);
        assert_true(strncmp(err.detail, "cut.gguf: byte ", 15) == 0);
        free(part);
    }
    free(data);
}

// Whatever a flipped bit does: a clean error, or a model that can be opened and closed.
static void test_flipped_bits(void **state)
{
    void *data;
    size_t n;
    struct jb_kernels k;
    struct jb_rng rng;
    int opened = 0, refusals = 0;
    (void)state;
    jb_kernels_init(&k, 0);
    jb_rng_seed(&rng, 7);
    make_model(&data, &n);
    for (size_t i = 0; i < 6000; i++) {
        struct jb_model *m;
        struct jb_err err = { 0 };
        uint8_t *copy = copy_of(data, n);
        for (uint64_t flips = 1 + jb_rng_below(&rng, 3); flips; flips--)
            copy[i < 4000 && flips == 1 ? (i * 7) % n : jb_rng_below(&rng, n)] ^= (uint8_t)(1u << jb_rng_below(&rng, 8));
        int rc = jb_model_open_memory(&m, "flipped.gguf", copy, n, NULL, 0, &k, NULL, &err);
        if (rc == 0) {
            opened++;
            jb_model_close(m);
        } else {
            refusals++;
            if (!strstr(err.detail, "flipped.gguf"))
                fail_msg("\"%s\" does not name the file", err.detail);
        }
        free(copy);
    }
    assert_true(opened > 500 && refusals > 500);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_lies_in_metadata), cmocka_unit_test(test_lies_in_arrays), cmocka_unit_test(test_lies_in_tensors),
        cmocka_unit_test(test_lies_in_vocabularies), cmocka_unit_test(test_rows), cmocka_unit_test(test_copied_keys),
        cmocka_unit_test(test_unknown_type_and_no_tensors), cmocka_unit_test(test_truncated_everywhere), cmocka_unit_test(test_flipped_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
