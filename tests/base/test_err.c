// Error codes, details, exit codes, version.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/exit.h"
#include "base/version.h"

static void codes_are_pinned(void **state)
{
    (void)state;
    assert_int_equal(JB_E_NOMEM, -1);
    assert_int_equal(JB_E_INTERNAL, -15);
#define JB_ERR(name, value, text) \
    assert_int_equal(strcasecmp(jb_code_name(JB_E_##name), #name), 0); \
    assert_string_equal(jb_code_text(JB_E_##name), text);
#include "base/err.def"
#undef JB_ERR
    assert_string_equal(jb_code_name(JB_E_IO), "io");
    assert_string_equal(jb_code_name(JB_OK), "ok");
    assert_string_equal(jb_code_name(-99), "unknown");
    assert_string_equal(jb_code_name(7), "unknown");
}

static void fail_fills_and_returns(void **state)
{
    (void)state;
    struct jb_err err = {0};
    assert_int_equal(jb_fail(&err, JB_E_RANGE, "%s: %d", "plan.json", 7), JB_E_RANGE);
    assert_int_equal(err.code, JB_E_RANGE);
    assert_string_equal(err.detail, "plan.json: 7");
    assert_int_equal(jb_fail(NULL, JB_E_IO, "x"), JB_E_IO);
    assert_int_equal(jb_err_prefix(NULL, "x"), JB_E_INTERNAL);
}

static void arguments_may_alias(void **state)
{
    (void)state;
    struct jb_err err = {0};
    jb_fail(&err, JB_E_IO, "first");
    jb_fail(&err, JB_E_IO, "again %s, %s", err.detail, err.detail);
    assert_string_equal(err.detail, "again first, first");
    assert_int_equal(jb_err_prefix(&err, "cell %d", 3), JB_E_IO);
    assert_string_equal(err.detail, "cell 3: again first, first");
}

static void errno_text_survives_long_names(void **state)
{
    (void)state;
    char name[2000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct jb_err err = {0};
    assert_int_equal(jb_fail_errno(&err, JB_E_NOT_FOUND, ENOENT, "%s: cannot open", name), JB_E_NOT_FOUND);
    assert_non_null(strstr(err.detail, ": No such file or directory"));
    for (int i = 0; i < 5; i++) jb_err_prefix(&err, "%s", name);
    assert_int_equal(strlen(err.detail), sizeof err.detail - 1);
    assert_int_equal(jb_fail_errno(NULL, JB_E_IO, EIO, "x"), JB_E_IO);
}

static void detail_is_one_line_of_utf8(void **state)
{
    (void)state;
    struct jb_err err = {0};
    jb_fail(&err, JB_E_IO, "a\nb\rc\x1b[31m\td");
    assert_string_equal(err.detail, "a?b?c?[31m d");
    // Every cut position of a two-, three- and four-byte sequence.
    static const char *const letters[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (int l = 0; l < 3; l++) {
        for (size_t shift = 0; shift < 4; shift++) {
            char text[600];
            size_t n = 0, len = strlen(letters[l]);
            while (n < shift) text[n++] = 'x';
            while (n + len < sizeof text) {
                memcpy(text + n, letters[l], len);
                n += len;
            }
            text[n] = '\0';
            jb_fail(&err, JB_E_IO, "%s", text);
            assert_int_equal((strlen(err.detail) - shift) % len, 0);
        }
    }
}

static void errno_maps_to_codes(void **state)
{
    (void)state;
    assert_int_equal(jb_code_of_errno(ENOENT), JB_E_NOT_FOUND);
    assert_int_equal(jb_code_of_errno(EACCES), JB_E_DENIED);
    assert_int_equal(jb_code_of_errno(ENOSPC), JB_E_NO_SPACE);
    assert_int_equal(jb_code_of_errno(EIO), JB_E_IO);
}

static void errors_map_to_exit_codes(void **state)
{
    (void)state;
    assert_int_equal(jb_exit_of_error(JB_OK), 0);
    assert_int_equal(jb_exit_of_error(JB_E_USAGE), 1);
    static const int input[] = {JB_E_INVALID, JB_E_RANGE, JB_E_NOT_FOUND, JB_E_UNSUPPORTED, JB_E_MISMATCH};
    for (size_t i = 0; i < sizeof input / sizeof input[0]; i++) assert_int_equal(jb_exit_of_error(input[i]), 2);
    static const int environment[] = {JB_E_NOMEM, JB_E_IO, JB_E_UNAVAILABLE, JB_E_BUSY, JB_E_EXISTS, JB_E_NO_SPACE, JB_E_INTERRUPTED, JB_E_DENIED, JB_E_INTERNAL, -77};
    for (size_t i = 0; i < sizeof environment / sizeof environment[0]; i++) assert_int_equal(jb_exit_of_error(environment[i]), 4);
    assert_int_equal(JB_EXIT_GATE_FAILED, 10);
    assert_string_equal(jb_exit_text(0), "done, or pass");
    assert_string_equal(jb_exit_text(130), "ended by a signal");
    assert_string_equal(jb_exit_text(77), "unknown");
}

static void version_is_there(void **state)
{
    (void)state;
    assert_true(strlen(jb_version()) > 0);
    assert_true(strlen(jb_git_revision()) > 0);
    assert_non_null(strstr(jb_build_flags(), "-ffp-contract=off"));
    assert_true(strncmp(jb_build_compiler(), "gcc", 3) == 0 || strncmp(jb_build_compiler(), "clang", 5) == 0);
    assert_true(jb_build_prefix()[0] == '/');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_pinned), cmocka_unit_test(fail_fills_and_returns), cmocka_unit_test(arguments_may_alias),
        cmocka_unit_test(errno_text_survives_long_names), cmocka_unit_test(detail_is_one_line_of_utf8), cmocka_unit_test(errno_maps_to_codes),
        cmocka_unit_test(errors_map_to_exit_codes), cmocka_unit_test(version_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
