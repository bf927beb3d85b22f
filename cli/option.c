#include "cli/option.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "cli/cli.h"

static void *field(void *opts, const struct cli_option *row)
{
    return (char *)opts + row->offset;
}

static int append(struct cli_list *list, const char *text, struct jb_err *err)
{
    const char **grown = realloc(list->item, (list->n + 2) * sizeof *grown);
    if (!grown)
        return jb_fail(err, JB_E_NOMEM, "out of memory");
    list->item = grown;
    list->item[list->n++] = text;
    list->item[list->n] = NULL; // as argv ends: a command line of another program is handed on as it is
    return JB_OK;
}

static int parse_f64(const struct cli_option *row, const char *text, size_t len, double *out, struct jb_err *err)
{
    char copy[64], *end;
    if (len == 0 || len >= sizeof copy)
        return jb_fail(err, JB_E_USAGE, "--%s: \"%.*s\" is no number", row->name, (int)(len > 40 ? 40 : len), text);
    memcpy(copy, text, len);
    copy[len] = '\0';
    errno = 0;
    double v = strtod(copy, &end);
    if (*end != '\0' || !isfinite(v))
        return jb_fail(err, JB_E_USAGE, "--%s: \"%s\" is no number", row->name, copy);
    if (v < row->min || v > row->max)
        return jb_fail(err, JB_E_USAGE, "--%s: %s is outside %.15g to %.15g", row->name, copy, row->min, row->max);
    *out = v;
    return JB_OK;
}

static int parse_i64(const struct cli_option *row, const char *text, int64_t *out, struct jb_err *err)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno == ERANGE)
        return jb_fail(err, JB_E_USAGE, "--%s: \"%s\" is no whole number", row->name, text);
    if ((double)v < row->min || (double)v > row->max)
        return jb_fail(err, JB_E_USAGE, "--%s: %lld is outside %.15g to %.15g", row->name, v, row->min, row->max);
    *out = v;
    return JB_OK;
}

static int parse_numbers(const struct cli_option *row, const char *text, struct cli_numbers *out, struct jb_err *err)
{
    size_t n = 1;
    for (const char *p = text; *p; p++)
        n += *p == ',';
    double *item = malloc(n * sizeof *item);
    if (!item)
        return jb_fail(err, JB_E_NOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        size_t len = strcspn(text, ",");
        int rc = parse_f64(row, text, len, &item[i], err);
        if (rc < 0) {
            free(item);
            return rc;
        }
        text += len + 1;
    }
    free(out->item);
    *out = (struct cli_numbers){ item, n };
    return JB_OK;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t n = strlen(text);
    for (const char *p = choices; *p;) {
        size_t len = strcspn(p, "|");
        if (len == n && memcmp(p, text, n) == 0)
            return true;
        p += len + (p[len] == '|');
    }
    return false;
}

static int set_value(void *opts, const struct cli_option *row, const char *text, struct jb_err *err)
{
    void *f = field(opts, row);
    switch (row->type) {
    case CLI_FLAG:
        *(bool *)f = true;
        return JB_OK;
    case CLI_CHOICE:
        if (!is_choice(row->metavar, text))
            return jb_fail(err, JB_E_USAGE, "--%s: \"%s\" is none of %s", row->name, text, row->metavar);
        *(const char **)f = text;
        return JB_OK;
    case CLI_TEXT:
        *(const char **)f = text;
        return JB_OK;
    case CLI_I64:
        return parse_i64(row, text, f, err);
    case CLI_F64:
        return parse_f64(row, text, strlen(text), f, err);
    case CLI_LIST:
        return append(f, text, err);
    case CLI_NUMBERS:
        return parse_numbers(row, text, f, err);
    case CLI_END:
        break;
    }
    return jb_fail(err, JB_E_INTERNAL, "--%s: a row without a type", row->name);
}

static const struct cli_option *by_name(const struct cli_option *rows, const char *name, size_t n)
{
    for (; rows->type != CLI_END; rows++)
        if (strlen(rows->name) == n && memcmp(rows->name, name, n) == 0)
            return rows;
    return NULL;
}

static const struct cli_option *by_letter(const struct cli_option *rows, char letter)
{
    for (; rows->type != CLI_END; rows++)
        if (rows->letter && rows->letter == letter)
            return rows;
    return NULL;
}

static int unknown_option(const struct cli_option *rows, const char *word, size_t n, struct jb_err *err)
{
    const char *names[64];
    char name[64];
    size_t k = 0;
    for (; rows->type != CLI_END && k < 62; rows++)
        names[k++] = rows->name;
    names[k++] = "help";
    names[k] = NULL;
    if (n >= sizeof name)
        n = sizeof name - 1;
    memcpy(name, word, n);
    name[n] = '\0';
    const char *guess = cli_suggest(name, names);
    return jb_fail(err, JB_E_USAGE, "unknown option --%s%s%s%s", name, guess ? "; did you mean --" : "", guess ? guess : "", guess ? "?" : "");
}

struct walk {
    const struct cli_command *command;
    int argc, at;
    char **argv;
    void *opts;
    struct jb_err *err;
};

// The value of an option: behind '=' or the letter, else the next word.
static int with_value(struct walk *w, const struct cli_option *row, const char *attached)
{
    if (row->type == CLI_FLAG) {
        if (attached)
            return jb_fail(w->err, JB_E_USAGE, "--%s takes no value", row->name);
        return set_value(w->opts, row, NULL, w->err);
    }
    if (!attached) {
        if (w->at + 1 >= w->argc)
            return jb_fail(w->err, JB_E_USAGE, "--%s needs a value: %s", row->name, row->metavar);
        attached = w->argv[++w->at];
    }
    return set_value(w->opts, row, attached, w->err);
}

static int long_option(struct walk *w, const char *word)
{
    size_t n = strcspn(word, "=");
    const struct cli_option *row = by_name(w->command->options, word, n);
    if (!row)
        return unknown_option(w->command->options, word, n, w->err);
    return with_value(w, row, word[n] == '=' ? word + n + 1 : NULL);
}

// One letter, or several flags in one word; a letter that takes a value ends the word.
static int short_options(struct walk *w, const char *word)
{
    for (; *word; word++) {
        const struct cli_option *row = by_letter(w->command->options, *word);
        if (!row)
            return jb_fail(w->err, JB_E_USAGE, "unknown option -%c", *word);
        if (row->type != CLI_FLAG)
            return with_value(w, row, word[1] ? word + 1 : NULL);
        int rc = with_value(w, row, NULL);
        if (rc < 0)
            return rc;
    }
    return JB_OK;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

// Anywhere before "--": help is wanted even where the rest is wrong. Not where another program's command line follows, which may ask that one for help.
static bool asks_for_help(const struct cli_command *command, int argc, char **argv)
{
    for (int i = 1; !command->ends_options && i < argc && strcmp(argv[i], "--") != 0; i++)
        if (is_help(argv[i]))
            return true;
    return false;
}

static int set_defaults(const struct cli_command *command, void *opts, struct jb_err *err)
{
    memset(opts, 0, command->opts_bytes);
    for (const struct cli_option *row = command->options; row->type != CLI_END; row++) {
        int rc = row->fallback ? set_value(opts, row, row->fallback, err) : JB_OK;
        if (rc < 0)
            return rc;
    }
    return JB_OK;
}

static int check_count(const struct cli_command *command, size_t n, const char *extra, struct jb_err *err)
{
    if (n < command->min_args)
        return jb_fail(err, JB_E_USAGE, "missing argument: %s", command->arguments);
    if (n > command->max_args)
        return jb_fail(err, JB_E_USAGE, "one argument too many: \"%s\"", extra);
    return JB_OK;
}

// A list's default stands only until the first value is given.
static void drop_list_default(struct walk *w, const char *word)
{
    for (const struct cli_option *row = w->command->options; row->type != CLI_END; row++) {
        struct cli_list *list = field(w->opts, row);
        bool names_it = (word[1] == '-' && by_name(row, word + 2, strcspn(word + 2, "=")) == row) || (word[1] == row->letter && row->letter);
        if (row->type == CLI_LIST && row->fallback && names_it && list->n == 1 && list->item[0] == row->fallback)
            list->n = 0;
    }
}

int cli_parse(const struct cli_command *command, int argc, char **argv, void *opts, struct cli_list *args, bool *help, struct jb_err *err)
{
    struct walk w = { command, argc, 1, argv, opts, err };
    bool only_args = false;
    *args = (struct cli_list){ NULL, 0 };
    *help = asks_for_help(command, argc, argv);
    int rc = set_defaults(command, opts, err);
    for (; rc == JB_OK && !*help && w.at < argc; w.at++) {
        const char *word = argv[w.at];
        if (only_args || word[0] != '-' || word[1] == '\0') {
            only_args |= command->ends_options;
            rc = append(args, word, err);
            continue;
        }
        if (strcmp(word, "--") == 0) {
            only_args = true;
            continue;
        }
        if (is_help(word)) {
            *help = true;
            break;
        }
        drop_list_default(&w, word);
        rc = word[1] == '-' ? long_option(&w, word + 2) : short_options(&w, word + 1);
    }
    if (rc == JB_OK && !*help)
        rc = check_count(command, args->n, args->n > command->max_args ? args->item[command->max_args] : "", err);
    return rc;
}

void cli_parse_free(const struct cli_command *command, void *opts, struct cli_list *args)
{
    for (const struct cli_option *row = command->options; row->type != CLI_END; row++) {
        if (row->type == CLI_LIST)
            free(((struct cli_list *)field(opts, row))->item);
        if (row->type == CLI_NUMBERS)
            free(((struct cli_numbers *)field(opts, row))->item);
    }
    free(args->item);
}

bool cli_split_pair(const char *text, char *name, size_t n, const char **value)
{
    const char *eq = strchr(text, '=');
    size_t len = eq ? (size_t)(eq - text) : 0;
    if (len == 0 || len >= n)
        return false;
    memcpy(name, text, len);
    name[len] = '\0';
    *value = eq + 1;
    return true;
}
