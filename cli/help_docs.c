// The same tables as Markdown and as a man page. tests/golden/run.sh holds docs/ against what is written here.
#include "base/version.h"
#include "cli/help.h"

static void print_markdown(const char *text)
{
    struct jb_str b = { 0 };
    jb_str_add_md(&b, text);
    fputs(jb_str_get(&b), stdout);
    jb_str_free(&b);
}

static void markdown_option(const struct cli_option *row)
{
    struct jb_str remark = { 0 };
    cli_option_remark(row, &remark);
    printf("| ");
    if (row->letter)
        printf("`-%c`, ", row->letter);
    printf("`--%s%s", row->name, row->type == CLI_FLAG ? "" : " ");
    for (const char *p = row->type == CLI_FLAG ? "" : row->metavar; *p; p++)
        printf("%s%c", *p == '|' ? "\\" : "", *p);
    printf("` | ");
    print_markdown(row->help);
    printf(" | ");
    print_markdown(jb_str_get(&remark));
    printf(" |\n");
    jb_str_free(&remark);
}

// A table of commands with the anchors that Markdown makes of headings: lower case, '-' for a space.
static void markdown_commands(const struct cli_command *const *commands)
{
    printf("| command | |\n|---|---|\n");
    for (; *commands; commands++) {
        printf("| [%s](#joulebench-", cli_command_word(*commands));
        for (const char *p = (*commands)->name; *p; p++)
            putchar(*p == ' ' ? '-' : *p);
        printf(") | %s |\n", (*commands)->summary);
    }
}

static void markdown_command(const struct cli_command *c)
{
    printf("\n## joulebench %s\n\n`joulebench %s %s%s%s`\n\n%s\n", c->name, c->name, c->otherwise ? "[COMMAND]" : c->subs ? "COMMAND" : "[options]", c->arguments[0] ? " " : "", c->arguments, c->about);
    if (c->subs) {
        putchar('\n');
        markdown_commands(c->subs);
    }
    if (c->options->type != CLI_END) {
        printf("\n| option | meaning | |\n|---|---|---|\n");
        for (const struct cli_option *row = c->options; row->type != CLI_END; row++)
            markdown_option(row);
    }
    printf("\n");
    for (const struct cli_example *e = c->examples; e->command; e++)
        printf("- `%s`: %s\n", e->command, e->what);
    for (size_t i = 0; c->subs && c->subs[i]; i++)
        markdown_command(c->subs[i]);
}

void cli_help_markdown(void)
{
    printf("# Command line\n\nMade by `joulebench help --format markdown`; `joulebench help COMMAND` shows the same on the terminal.\n\n");
    markdown_commands(cli_commands);
    for (size_t i = 0; cli_commands[i]; i++)
        markdown_command(cli_commands[i]);
    printf("\n## Exit codes\n\n| code | meaning |\n|---|---|\n");
    for (const struct cli_fact *f = cli_exit_facts; f->text; f++)
        printf("| %d | %s |\n", f->code, f->text);
    printf("| 128+N | ended by signal N (130: Ctrl-C) |\n\n## Environment\n\n| variable | meaning |\n|---|---|\n");
    for (const struct cli_fact *f = cli_environment_facts; f->text; f++)
        printf("| `%s` | %s |\n", f->name, f->text);
    printf("\n## Files\n\nFiles named in plans and parameters are looked for beside the plan (without a plan: in the working directory), in `$JB_DATA`, and in\n"
           "`PREFIX/share/joulebench`. A program that runs out of its build directory finds the source tree's own data too.\n");
}

// Text for troff: backslashes and hyphens literal, a leading dot or quote guarded.
static void print_man(const char *text)
{
    bool start = true;
    for (; *text; text++) {
        if (start && (*text == '.' || *text == '\''))
            printf("\\&");
        if (*text == '\\')
            printf("\\e");
        else if (*text == '-')
            printf("\\-");
        else if (*text == '\n' && text[1] == '\n')
            printf("\n.PP"), text += text[2] == '\0';
        else
            putchar(*text);
        start = *text == '\n';
    }
}

static void man_option(const struct cli_option *row)
{
    struct jb_str remark = { 0 };
    cli_option_remark(row, &remark);
    printf(".TP\n.B ");
    if (row->letter)
        printf("\\-%c, ", row->letter);
    printf("\\-\\-");
    print_man(row->name);
    if (row->type != CLI_FLAG) {
        putchar(' ');
        print_man(row->metavar);
    }
    putchar('\n');
    print_man(row->help);
    if (remark.len) {
        printf(" (");
        print_man(remark.s);
        printf(")");
    }
    putchar('\n');
    jb_str_free(&remark);
}

static void man_commands(const struct cli_command *const *commands)
{
    for (; *commands; commands++) {
        printf(".TP\n.B %s\n", cli_command_word(*commands));
        print_man((*commands)->summary);
        putchar('\n');
    }
}

static void man_command(const struct cli_command *c)
{
    printf(".SH \"JOULEBENCH %s\"\n.B joulebench %s\n%s ", c->name, c->name, c->otherwise ? "[COMMAND]" : c->subs ? "COMMAND" : "[options]");
    print_man(c->arguments);
    printf("\n.PP\n");
    print_man(c->about);
    putchar('\n');
    if (c->subs)
        man_commands(c->subs);
    for (const struct cli_option *row = c->options; row->type != CLI_END; row++)
        man_option(row);
    printf(".PP\nExamples:\n");
    for (const struct cli_example *e = c->examples; e->command; e++) {
        printf(".TP\n.B ");
        print_man(e->command);
        putchar('\n');
        print_man(e->what);
        putchar('\n');
    }
    for (size_t i = 0; c->subs && c->subs[i]; i++)
        man_command(c->subs[i]);
}

static void man_facts(const struct cli_fact *f, bool codes)
{
    for (; f->text; f++) {
        if (codes)
            printf(".TP\n.B %d\n", f->code);
        else
            printf(".TP\n.B %s\n", f->name);
        print_man(f->text);
        putchar('\n');
    }
}

void cli_help_man(void)
{
    printf(".TH JOULEBENCH 1 \"\" \"joulebench %s\" \"User Commands\"\n", jb_version());
    printf(".SH NAME\njoulebench \\- measure networks that stop early and change their precision\n");
    printf(".SH SYNOPSIS\n.B joulebench\n.I COMMAND\n[options] [arguments]\n.SH DESCRIPTION\n");
    printf("Runs multi\\-exit networks over real test data at many precisions and exit thresholds, and reports accuracy, latency and energy.\n");
    man_commands(cli_commands);
    for (size_t i = 0; cli_commands[i]; i++)
        man_command(cli_commands[i]);
    printf(".SH \"EXIT STATUS\"\n");
    man_facts(cli_exit_facts, true);
    printf(".TP\n.B 128+N\nended by signal N (130: Ctrl\\-C)\n.SH ENVIRONMENT\n");
    man_facts(cli_environment_facts, false);
}
