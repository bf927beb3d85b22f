// One row gives the parsing, the default and the range: all kinds of rows, all kinds of mistakes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "cli/cli.h"

struct opts {
    bool quiet, fast;
    const char *file, *choice;
    int64_t count;
    double share;
    struct cli_list names, kinds;
    struct cli_numbers losses;
};

static const struct cli_option options[] = {
    { "quiet", 'q', CLI_FLAG, offsetof(struct opts, quiet), NULL, NULL, 0, 0, "" },
    { "fast", 'f', CLI_FLAG, offsetof(struct opts, fast), NULL, NULL, 0, 0, "" },
    { "file", 'o', CLI_TEXT, offsetof(struct opts, file), "FILE", NULL, 0, 0, "" },
    { "choice", 0, CLI_CHOICE, offsetof(struct opts, choice), "one|two|three", "two", 0, 0, "" },
    { "count", 'n', CLI_I64, offsetof(struct opts, count), "N", "7", -5, 100, "" },
    { "share", 0, CLI_F64, offsetof(struct opts, share), "X", "0.5", 0, 1, "" },
    { "name", 0, CLI_LIST, offsetof(struct opts, names), "NAME", NULL, 0, 0, "" },
    { "kind", 'k', CLI_LIST, offsetof(struct opts, kinds), "KIND", "plain", 0, 0, "" },
    { "losses", 0, CLI_NUMBERS, offsetof(struct opts, losses), "X,...", "0.1,0.2", 0, 1, "" },
    { .type = CLI_END },
};

static const struct cli_command command = {
    .name = "test", .arguments = "[A [B]]", .options = options, .max_args = 2, .opts_bytes = sizeof(struct opts),
};

struct parsed { struct opts o; struct cli_list args; bool help; struct jb_err err; int rc; };

static void parse(struct parsed *p, const char *line)
{
    static char text[512];
    char *argv[32];
    int argc = 0;
    memset(p, 0x5a, sizeof *p); // nothing may depend on what was there
    p->err = (struct jb_err){ 0 };
    snprintf(text, sizeof text, "%s", line);
    for (char *w = strtok(text, " "); w; w = strtok(NULL, " "))
        argv[argc++] = strcmp(w, "EMPTY") == 0 ? w + 5 : w;
    argv[argc] = NULL;
    p->rc = cli_parse(&command, argc, argv, &p->o, &p->args, &p->help, &p->err);
}

static void done(struct parsed *p)
{
    cli_parse_free(&command, &p->o, &p->args);
}

static void defaults(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "test");
    assert_int_equal(p.rc, 0);
    assert_false(p.o.quiet || p.o.fast || p.help);
    assert_null(p.o.file);
    assert_string_equal(p.o.choice, "two");
    assert_int_equal(p.o.count, 7);
    assert_true(p.o.share == 0.5);
    assert_int_equal(p.o.names.n, 0);
    assert_int_equal(p.o.kinds.n, 1);
    assert_string_equal(p.o.kinds.item[0], "plain");
    assert_int_equal(p.o.losses.n, 2);
    assert_true(p.o.losses.item[1] == 0.2);
    assert_int_equal(p.args.n, 0);
    done(&p);
}

static void all_spellings(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "test -qf -oout.txt first --count=-5 --share 0.25 --choice three --name a --name=b=c -k x -ky --losses 0,1,5e-1 -- --second");
    if (p.rc != 0)
        fail_msg("%s", p.err.detail);
    assert_true(p.o.quiet && p.o.fast);
    assert_string_equal(p.o.file, "out.txt");
    assert_int_equal(p.o.count, -5);
    assert_true(p.o.share == 0.25);
    assert_string_equal(p.o.choice, "three");
    assert_int_equal(p.o.names.n, 2);
    assert_string_equal(p.o.names.item[1], "b=c");
    assert_int_equal(p.o.kinds.n, 2); // the default is gone
    assert_string_equal(p.o.kinds.item[0], "x");
    assert_string_equal(p.o.kinds.item[1], "y");
    assert_int_equal(p.o.losses.n, 3);
    assert_true(p.o.losses.item[2] == 0.5);
    assert_int_equal(p.args.n, 2);
    assert_string_equal(p.args.item[0], "first");
    assert_string_equal(p.args.item[1], "--second");
    done(&p);
    parse(&p, "test - -n 3 -n 4"); // a dash alone is an argument; the last value counts
    assert_int_equal(p.rc, 0);
    assert_string_equal(p.args.item[0], "-");
    assert_int_equal(p.o.count, 4);
    done(&p);
}

static void mistakes(void **state)
{
    (void)state;
    static const struct { const char *line, *says; } cases[] = {
        { "test --quite", "unknown option --quite; did you mean --quiet?" },
        { "test --elephant", "unknown option --elephant" },
        { "test -z", "unknown option -z" },
        { "test -qz", "unknown option -z" },
        { "test --quiet=1", "--quiet takes no value" },
        { "test --file", "--file needs a value: FILE" },
        { "test -o", "--file needs a value: FILE" },
        { "test --choice four", "--choice: \"four\" is none of one|two|three" },
        { "test --choice on", "is none of" },
        { "test --choice EMPTY", "is none of" },
        { "test --count 3.5", "--count: \"3.5\" is no whole number" },
        { "test --count EMPTY", "is no whole number" },
        { "test --count 101", "--count: 101 is outside -5 to 100" },
        { "test --count 99999999999999999999", "is no whole number" },
        { "test --share nan", "--share: \"nan\" is no number" },
        { "test --share inf", "is no number" },
        { "test --share 1.01", "--share: 1.01 is outside 0 to 1" },
        { "test --share EMPTY", "is no number" },
        { "test --share 0.11111111111111111111111111111111111111111111111111111111111111111", "is no number" },
        { "test --losses 0.1,,0.2", "--losses: \"\" is no number" },
        { "test --losses 0.1,2", "--losses: 2 is outside 0 to 1" },
        { "test --losses EMPTY", "is no number" },
        { "test a b c", "one argument too many: \"c\"" },
        { "test --=3", "unknown option --" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct parsed p;
        parse(&p, cases[i].line);
        if (p.rc != JB_E_USAGE || !strstr(p.err.detail, cases[i].says))
            fail_msg("%s: %d \"%s\" lacks \"%s\"", cases[i].line, p.rc, p.err.detail, cases[i].says);
        done(&p);
    }
}

static void help_wins_over_mistakes(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "test --nonsense -h");
    assert_int_equal(p.rc, 0);
    assert_true(p.help);
    done(&p);
    parse(&p, "test -- --help"); // behind -- it is an argument
    assert_int_equal(p.rc, 0);
    assert_false(p.help);
    assert_int_equal(p.args.n, 1);
    done(&p);
}

static void too_few_arguments(void **state)
{
    (void)state;
    struct cli_command needs = command;
    struct opts o;
    struct cli_list args;
    bool help;
    struct jb_err err = { 0 };
    char name[] = "test", *argv[] = { name, NULL };
    needs.min_args = 1;
    assert_int_equal(cli_parse(&needs, 1, argv, &o, &args, &help, &err), JB_E_USAGE);
    assert_non_null(strstr(err.detail, "missing argument: [A [B]]"));
    cli_parse_free(&needs, &o, &args);
}

static void edit_distances(void **state)
{
    (void)state;
    static const struct { const char *a, *b; size_t d; } cases[] = {
        { "", "", 0 }, { "", "abc", 3 }, { "kitten", "sitting", 3 }, { "sweep", "swep", 1 }, { "sweep", "sweep", 0 }, { "ab", "ba", 1 }, { "abcdef", "abdcef", 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(cli_edit_distance(cases[i].a, cases[i].b), cases[i].d);
        assert_int_equal(cli_edit_distance(cases[i].b, cases[i].a), cases[i].d);
    }
    static const char *const names[] = { "sweep", "run", "report", NULL };
    assert_string_equal(cli_suggest("sweeep", names), "sweep");
    assert_string_equal(cli_suggest("rnu", names), "run");
    assert_null(cli_suggest("power", names));
    assert_null(cli_suggest("", names));
    char longest[200];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_null(cli_suggest(longest, names));
}

static void pairs(void **state)
{
    (void)state;
    char name[8];
    const char *value;
    assert_true(cli_split_pair("k=1=2", name, sizeof name, &value));
    assert_string_equal(name, "k");
    assert_string_equal(value, "1=2");
    assert_true(cli_split_pair("k=", name, sizeof name, &value));
    assert_string_equal(value, "");
    assert_false(cli_split_pair("=1", name, sizeof name, &value));
    assert_false(cli_split_pair("k", name, sizeof name, &value));
    assert_false(cli_split_pair("12345678=1", name, sizeof name, &value));
}

// A command that stands before another one: nothing from the first argument on is its own.
static void another_command_line(void **state)
{
    (void)state;
    static const struct cli_command wraps = { .name = "wrap", .arguments = "CMD", .options = options, .min_args = 1, .max_args = SIZE_MAX, .ends_options = true, .opts_bytes = sizeof(struct opts) };
    static const struct { const char *argv[8]; size_t n; bool quiet, help; int rc; } CASES[] = {
        { { "wrap", "-q", "ls", "-q", "--help", "--" }, 4, true, false, 0 },
        { { "wrap", "--", "-q", "-h" }, 2, false, false, 0 },
        { { "wrap", "-q", "--", "--", "-x" }, 2, true, false, 0 },
        { { "wrap", "-q", "--help", "ls" }, 0, true, true, 0 },
        { { "wrap", "-o", "-h", "ls" }, 1, false, false, 0 }, // the value of an option, not a question
        { { "wrap", "--" }, 0, false, false, JB_E_USAGE },
        { { "wrap", "-x", "ls" }, 0, false, false, JB_E_USAGE },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct opts o;
        struct cli_list args;
        struct jb_err err = { 0 };
        bool help;
        int argc = 0;
        char *argv[8];
        for (; argc < 8 && CASES[i].argv[argc]; argc++)
            argv[argc] = (char *)(uintptr_t)CASES[i].argv[argc];
        assert_int_equal(cli_parse(&wraps, argc, argv, &o, &args, &help, &err), CASES[i].rc);
        assert_int_equal(help, CASES[i].help);
        if (!CASES[i].rc) {
            assert_int_equal(args.n, CASES[i].n);
            assert_int_equal(o.quiet, CASES[i].quiet);
            if (args.n)
                assert_null(args.item[args.n]);
        }
        cli_parse_free(&wraps, &o, &args);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_command_line), cmocka_unit_test(defaults),
        cmocka_unit_test(all_spellings),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(help_wins_over_mistakes),
        cmocka_unit_test(too_few_arguments),
        cmocka_unit_test(edit_distances),
        cmocka_unit_test(pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
