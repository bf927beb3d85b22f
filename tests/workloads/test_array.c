// IDX and NPY: what is read, and that every lie is an error which names file, offset and reason.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/workloads/files.h"
#include "workloads/array.h"

static void refuses(const struct bytes *b, int code, const char *offset, const char *reason)
{
    // A copy of exactly that size, so that the sanitizer sees a read past the end.
    uint8_t *exact = malloc(b->n ? b->n : 1);
    struct jb_array a = { .n_dims = 77 };
    struct jb_err err = { 0 };
    assert_non_null(exact);
    memcpy(exact, b->b, b->n);
    assert_int_equal(jb_array_parse(&a, "file.x", exact, b->n, &err), code);
    assert_int_equal(err.code, code);
    assert_int_equal(a.n_dims, 77); // untouched
    if (!strstr(err.detail, "file.x") || !strstr(err.detail, offset) || !strstr(err.detail, reason))
        fail_msg("\"%s\" lacks \"%s\" or \"%s\"", err.detail, offset, reason);
    free(exact);
}

static void idx_reads(void **state)
{
    (void)state;
    struct bytes b = make_idx(0x08, (uint32_t[]){ 2, 3, 4 }, 3, 24, 5);
    struct jb_array a;
    char is[80];
    assert_int_equal(jb_array_parse(&a, "x", b.b, b.n, NULL), 0);
    assert_int_equal(a.n_items, 24);
    assert_int_equal(a.dims[2], 4);
    assert_int_equal(jb_array_int(&a, 23), 28);
    jb_array_describe(&a, is, sizeof is);
    assert_string_equal(is, "uint8 (2, 3, 4)");
}

static void idx_integers_are_big_endian_and_signed(void **state)
{
    (void)state;
    struct bytes b = make_idx(0x0b, (uint32_t[]){ 2 }, 1, 4, 0xfe); // fe ff, 00 01
    struct jb_array a;
    assert_int_equal(jb_array_parse(&a, "x", b.b, b.n, NULL), 0);
    assert_int_equal(jb_array_int(&a, 0), -257);
    assert_int_equal(jb_array_int(&a, 1), 1);
}

static void idx_lies(void **state)
{
    (void)state;
    struct bytes b = make_idx(0x08, (uint32_t[]){ 10, 2 }, 2, 19, 0);
    refuses(&b, JB_E_INVALID, "offset 12", "announces 20 bytes of data, the file has 19");
    b = make_idx(0x08, (uint32_t[]){ 10, 2 }, 2, 21, 0);
    refuses(&b, JB_E_INVALID, "offset 32", "1 bytes too many");
    b = make_idx(0x08, (uint32_t[]){ 0xffffffff, 0xffffffff, 0xffffffff }, 3, 8, 0);
    refuses(&b, JB_E_INVALID, "offset 16", "more than 64 bits");
    b = make_idx(0x0e, (uint32_t[]){ 0x80000000, 0x40000000 }, 2, 8, 0); // items fit 64 bits, bytes do not
    refuses(&b, JB_E_INVALID, "offset 12", "more than 64 bits");
    b = make_idx(0x08, (uint32_t[]){ 0xffffffff, 4 }, 2, 8, 0);
    refuses(&b, JB_E_INVALID, "offset 12", "announces 17179869180 bytes");
    b = make_idx(0x07, (uint32_t[]){ 1 }, 1, 1, 0);
    refuses(&b, JB_E_INVALID, "offset 2", "unknown IDX type 0x07");
    b = make_idx(0x08, NULL, 0, 1, 0);
    refuses(&b, JB_E_INVALID, "offset 3", "0 dimensions");
    b = make_idx(0x08, (uint32_t[]){ 1, 1, 1, 1, 1, 1, 1, 1, 1 }, 9, 1, 0);
    refuses(&b, JB_E_INVALID, "offset 3", "9 dimensions");
}

static void idx_cut_anywhere(void **state)
{
    (void)state;
    struct bytes b = make_idx(0x08, (uint32_t[]){ 2, 3 }, 2, 6, 0);
    for (size_t n = b.n; n-- > 0;) {
        struct bytes cut = b;
        cut.n = n;
        refuses(&cut, JB_E_INVALID, "offset", n < 4 ? "neither" : "truncated");
    }
}

static void npy_reads(void **state)
{
    (void)state;
    static const char *const same[] = {
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }          \n",
        "{\"shape\": (2,3), \"descr\":\"<u1\", \"fortran_order\":False}",
        "{'fortran_order': False, 'shape': (2, 3, ), 'descr': '|u1'}\n",
    };
    for (size_t i = 0; i < 3; i++) {
        struct bytes b = make_npy(same[i], 6, 9);
        struct jb_array a;
        struct jb_err err = { 0 };
        if (jb_array_parse(&a, "x", b.b, b.n, &err) != 0)
            fail_msg("%s", err.detail);
        assert_int_equal(a.n_dims, 2);
        assert_int_equal(a.dims[1], 3);
        assert_int_equal(jb_array_int(&a, 5), 14);
    }
}

static void npy_types(void **state)
{
    (void)state;
    static const struct { const char *type; size_t bytes; int64_t first; } cases[] = {
        { "|i1", 1, -2 }, { "<i2", 2, -2 }, { ">i2", 2, -257 }, { "<u2", 2, 0xfffe }, { "<i4", 4, 0x0100fffe }, { "<i8", 8, 0x050403020100fffe },
        { ">u8", 8, INT64_MAX },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[120];
        snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (1,), }\n", cases[i].type);
        struct bytes b = make_npy(text, cases[i].bytes, 0xfe); // fe ff 00 01 02 ...
        struct jb_array a;
        assert_int_equal(jb_array_parse(&a, "x", b.b, b.n, NULL), 0);
        assert_int_equal(jb_array_int(&a, 0), cases[i].first);
    }
}

static void npy_lies(void **state)
{
    (void)state;
    static const struct { const char *text; int code; const char *reason; } cases[] = {
        { "{'descr': '|u1', 'fortran_order': False, 'shape': (7,), }", JB_E_INVALID, "announces 7 bytes of data, the file has 6" },
        { "{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }", JB_E_INVALID, "1 bytes too many" },
        { "{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", JB_E_INVALID, "more than 64 bits" },
        { "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,), }", JB_E_INVALID, "does not fit 64 bits" },
        { "{'descr': '|u1', 'fortran_order': False, 'shape': (-6,), }", JB_E_INVALID, "a size was expected" },
        { "{'descr': '|u1', 'fortran_order': False, 'shape': 6, }", JB_E_INVALID, "a tuple was expected" },
        { "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", JB_E_UNSUPPORTED, "Fortran order" },
        { "{'descr': '|u1', 'fortran_order': Maybe, 'shape': (6,), }", JB_E_INVALID, "True or False" },
        { "{'descr': '<c8', 'fortran_order': False, 'shape': (6,), }", JB_E_UNSUPPORTED, "\"<c8\" is not supported" },
        { "{'descr': '|O', 'fortran_order': False, 'shape': (6,), }", JB_E_UNSUPPORTED, "\"|O\" is not supported" },
        { "{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (6,), }", JB_E_INVALID, "structured" },
        { "{'descr': '|u1', 'shape': (6,), }", JB_E_INVALID, "must all be there" },
        { "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (6,), }", JB_E_INVALID, "twice" },
        { "{'descr': '|u1', 'fortran_order': False, 'shape': (6,), 'x': 1}", JB_E_INVALID, "unknown key" },
        { "{'descr': '|u1', 'fortran_order': False, 'shape': (6,)} + {}", JB_E_INVALID, "behind the dictionary" },
        { "{'descr': '|u1', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,6)}", JB_E_INVALID, "more than 8 dimensions" },
        { "", JB_E_INVALID, "'{' was expected" },
        { "{'descr", JB_E_INVALID, "not closed" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes b = make_npy(cases[i].text, 6, 0);
        refuses(&b, cases[i].code, "offset", cases[i].reason);
    }
    struct bytes b = make_npy("{'descr': '|u1', 'fortran_order': False, 'shape': (6,), }", 6, 0);
    b.b[9] = 0xff; // header length
    refuses(&b, JB_E_INVALID, "offset 8", "header claims");
    b.b[6] = 9;
    refuses(&b, JB_E_UNSUPPORTED, "offset 6", "version 9");
}

static void npy_cut_anywhere(void **state)
{
    (void)state;
    struct bytes b = make_npy("{'descr': '|u1', 'fortran_order': False, 'shape': (6,), }", 6, 0);
    for (size_t n = b.n; n-- > 0;) {
        struct bytes cut = b;
        cut.n = n;
        refuses(&cut, JB_E_INVALID, "offset", "");
    }
}

static void files_plain_gzipped_and_broken(void **state)
{
    (void)state;
    struct temp_dir t;
    struct jb_array a;
    struct jb_err err = { 0 };
    temp_open(&t);
    struct bytes b = make_idx(0x08, (uint32_t[]){ 200 }, 1, 200, 0);
    assert_int_equal(jb_array_read(&a, temp_write(&t, "a.idx", b.b, b.n), &err), 0);
    assert_int_equal(a.n_items, 200);
    jb_array_close(&a);
    assert_int_equal(jb_array_read(&a, temp_gzip(&t, "a.idx.gz", b.b, b.n), &err), 0);
    assert_int_equal(jb_array_int(&a, 199), 199);
    jb_array_close(&a);
    static const char broken[] = "\x1f\x8b\x08\x00garbage that is no deflate stream";
    assert_true(jb_array_read(&a, temp_write(&t, "b.gz", broken, sizeof broken), &err) < 0);
    assert_non_null(strstr(err.detail, "b.gz"));
    assert_int_equal(jb_array_read(&a, "/nonexistent/x.npy", &err), JB_E_NOT_FOUND);
    temp_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idx_reads),
        cmocka_unit_test(idx_integers_are_big_endian_and_signed),
        cmocka_unit_test(idx_lies),
        cmocka_unit_test(idx_cut_anywhere),
        cmocka_unit_test(npy_reads),
        cmocka_unit_test(npy_types),
        cmocka_unit_test(npy_lies),
        cmocka_unit_test(npy_cut_anywhere),
        cmocka_unit_test(files_plain_gzipped_and_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
