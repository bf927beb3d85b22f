#include "cli/help.h"

#include <string.h>
#include "base/version.h"

#define WIDTH 80
#define COLUMN 26 // where the text of an option begins

const struct cli_fact cli_exit_facts[] = {
#define JB_EXIT(name, value, text) { value, #name, text },
#include "base/exit.def"
#undef JB_EXIT
    { 0, NULL, NULL },
};

const struct cli_fact cli_environment_facts[] = {
    { 0, "JB_CPU", "ref, avx2, avx512 or vnni: use no kernels above this tier" },
    { 0, "JB_DATA", "a directory in which data and models are looked for, after the plan's own and before the installed one" },
    { 0, "JOULEBENCH_STATE_DIR", "a directory for what must outlast a process: limits.json, what power limits were before they were changed" },
    { 0, "NO_COLOR", "when set and not empty: no colour" },
    { 0, "COLUMNS", "width of tables, when it is not the terminal's" },
    { 0, NULL, NULL },
};

// Prints text wrapped at WIDTH, further lines indented; `at` is the column already reached.
static void wrap(FILE *to, const char *text, int at, int indent)
{
    bool first = true;
    while (*text) {
        size_t n = strcspn(text, " \n");
        if (!first && at + 1 + (int)n > WIDTH) {
            fprintf(to, "\n%*s", indent, "");
            at = indent;
            first = true;
        }
        if (!first) {
            fputc(' ', to);
            at++;
        }
        fwrite(text, 1, n, to);
        at += (int)n;
        first = false;
        text += n;
        if (*text == '\n') {
            fprintf(to, "\n%*s", text[1] == '\n' || !text[1] ? 0 : indent, "");
            at = indent;
            first = true;
        }
        text += *text != '\0';
    }
    fputc('\n', to);
}

void cli_option_remark(const struct cli_option *row, struct jb_str *out)
{
    bool number = row->type == CLI_I64 || row->type == CLI_F64 || row->type == CLI_NUMBERS;
    if (number && row->max > row->min && row->max < 1e15)
        jb_str_addf(out, "%.15g to %.15g", row->min, row->max);
    if (row->type == CLI_LIST)
        jb_str_add(out, "may be repeated");
    if (row->fallback && row->fallback[0])
        jb_str_addf(out, "%sdefault %s", out->len ? "; " : "", row->fallback);
}

static void print_option(const struct cli_option *row)
{
    char left[96];
    struct jb_str text = { 0 }, remark = { 0 };
    int n = row->letter ? snprintf(left, sizeof left, "  -%c, --%s", row->letter, row->name) : snprintf(left, sizeof left, "      --%s", row->name);
    if (row->type != CLI_FLAG)
        n += snprintf(left + n, sizeof left - (size_t)n, " %s", row->metavar);
    cli_option_remark(row, &remark);
    jb_str_add(&text, row->help);
    if (remark.len)
        jb_str_addf(&text, " (%s)", remark.s);
    fputs(left, stdout);
    if (n + 2 > COLUMN)
        printf("\n%*s", COLUMN, "");
    else
        printf("%*s", COLUMN - n, "");
    wrap(stdout, jb_str_get(&text), COLUMN, COLUMN);
    jb_str_free(&text);
    jb_str_free(&remark);
}

static void print_commands(FILE *to, const struct cli_command *const *commands)
{
    for (; *commands; commands++) {
        fprintf(to, "  %-10s ", cli_command_word(*commands));
        wrap(to, (*commands)->summary, 13, 13);
    }
}

void cli_help_command(const struct cli_command *command)
{
    static const struct cli_option help = { "help", 'h', CLI_FLAG, 0, NULL, NULL, 0, 0, "show this" };
    printf("Usage: joulebench %s %s%s%s\n\n", command->name, command->otherwise ? "[COMMAND]" : command->subs ? "COMMAND" : "[options]", command->arguments[0] ? " " : "", command->arguments);
    wrap(stdout, command->about, 0, 0);
    if (command->subs) {
        printf("\nCommands:\n");
        print_commands(stdout, command->subs);
    }
    printf("\nOptions:\n");
    for (const struct cli_option *row = command->options; row->type != CLI_END; row++)
        print_option(row);
    print_option(&help);
    printf("\nExamples:\n");
    for (const struct cli_example *e = command->examples; e->command; e++) {
        printf("  %s\n      ", e->command);
        wrap(stdout, e->what, 6, 6);
    }
}

void cli_help_overview(FILE *to)
{
    fprintf(to, "joulebench %s: measures networks that stop early and change their precision, by accuracy, time and energy.\n\n", jb_version());
    fprintf(to, "Usage: joulebench COMMAND [options] [arguments]\n\nCommands:\n");
    print_commands(to, cli_commands);
    fprintf(to, "\nFirst steps:\n  joulebench doctor\n  joulebench sweep plans/default.json -o out\n\n");
    fprintf(to, "joulebench COMMAND --help shows options and examples.\n");
    fprintf(to, "joulebench help exit-codes and joulebench help environment: what they say.\n");
}

static void print_facts(const struct cli_fact *f, bool codes)
{
    for (; f->text; f++) {
        if (codes)
            printf("  %3d  ", f->code);
        else if (strlen(f->name) < 10)
            printf("  %-9s ", f->name);
        else
            printf("  %s\n%12s", f->name, "");
        wrap(stdout, f->text, codes ? 7 : 12, codes ? 7 : 12);
    }
}

void cli_help_exit_codes(void)
{
    printf("Exit codes:\n");
    print_facts(cli_exit_facts, true);
    printf("  128+N  ended by signal N (130: Ctrl-C)\n");
}

void cli_help_environment(void)
{
    printf("Environment:\n");
    print_facts(cli_environment_facts, false);
    printf("\nFiles named in plans and parameters are looked for beside the plan (without a\nplan: here), in $JB_DATA, and in PREFIX/share/joulebench.\n");
}
