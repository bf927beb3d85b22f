// The progress line: what it says, that it fits, and that a hostile name cannot steer the terminal.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "cli/progress.h"

static void times(void **state)
{
    (void)state;
    static const struct { double s; const char *text; } cases[] = {
        { 0, "0 s" }, { 59.4, "59 s" }, { 60, "1 min 00 s" }, { 185, "3 min 05 s" }, { 7800, "2 h 10 min" }, { NAN, "" }, { -1, "" }, { INFINITY, "" }, { 1e300, "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[32];
        cli_time_left(cases[i].s, out);
        assert_string_equal(out, cases[i].text);
    }
}

static void lines(void **state)
{
    (void)state;
    char out[200];
    struct jb_progress p = { "measure", "net int8 maxprob 0.80", 45, 120, 72 };
    cli_progress_line(&p, 100, out, sizeof out);
    assert_string_equal(out, "[ 45/120] measure   1 min 12 s left  net int8 maxprob 0.80");
    cli_progress_line(&p, 20, out, sizeof out);
    assert_string_equal(out, "[ 45/120] measure   ");
    cli_progress_line(&p, 100, out, 5);
    assert_string_equal(out, "[ 45");
    p.cell = "\033]0;owned\007\nx\x80";
    cli_progress_line(&p, 100, out, sizeof out);
    assert_string_equal(out, "[ 45/120] measure   1 min 12 s left  ?]0;owned??x?");
    p = (struct jb_progress){ "load", "net", 0, 2, NAN };
    cli_progress_line(&p, 100, out, sizeof out);
    assert_string_equal(out, "[0/2] load      net");
    p = (struct jb_progress){ NULL, NULL, 0, 0, 0 };
    cli_progress_line(&p, 100, out, sizeof out);
    assert_non_null(strstr(out, "[0/0]"));
}

static void quiet_without_a_terminal(void **state)
{
    (void)state;
    struct cli c = { .err_tty = false, .width = 80 };
    struct cli_progress p;
    struct jb_progress step = { "load", "x", 1, 2, 3 };
    cli_progress_open(&p, &c);
    cli_progress_show(&p, &step);
    assert_false(p.drawn);
    cli_progress_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times),
        cmocka_unit_test(lines),
        cmocka_unit_test(quiet_without_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
