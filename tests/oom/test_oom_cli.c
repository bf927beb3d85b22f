// The option parser, with every allocation failing in turn.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "cli/cli.h"
#include "cli/measure.h"
#include "tests/oom/countdown.h"

struct opts { struct cli_list names; struct cli_numbers numbers; };
static const struct cli_option options[] = {
    { "name", 'n', CLI_LIST, offsetof(struct opts, names), "X", "first", 0, 0, "" },
    { "numbers", 0, CLI_NUMBERS, offsetof(struct opts, numbers), "X", "1,2", 0, 9, "" },
    { .type = CLI_END },
};

static int parse(void *user)
{
    (void)user;
    static const struct cli_command command = { .name = "test", .arguments = "", .options = options, .max_args = 3, .opts_bytes = sizeof(struct opts) };
    char words[][16] = { "test", "-na=1", "-n", "b=2", "--numbers=3,4", "one", "two" };
    char *argv[8] = { NULL };
    for (int i = 0; i < 7; i++)
        argv[i] = words[i];
    struct opts o;
    struct cli_list args;
    bool help;
    struct cli_params pairs = { NULL, 0, NULL };
    int rc = cli_parse(&command, 7, argv, &o, &args, &help, NULL);
    if (rc == JB_OK)
        rc = cli_params_parse(&pairs, &o.names, NULL);
    cli_params_free(&pairs);
    cli_parse_free(&command, &o, &args);
    return rc;
}

static void command_line(void **state)
{
    (void)state;
    oom_countdown("options", parse, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(command_line) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
