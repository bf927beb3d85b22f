#include "cli/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"

static void append(struct cli_table *t, char *text)
{
    char **grown = text ? realloc(t->cell, (t->n_cells + 1) * sizeof *grown) : NULL;
    if (!grown) {
        free(text);
        t->failed = true;
        return;
    }
    t->cell = grown;
    t->cell[t->n_cells++] = text;
}

void cli_table_open(struct cli_table *t, const char *heads)
{
    memset(t, 0, sizeof *t);
    for (;;) {
        size_t n = strcspn(heads, "|");
        bool right = heads[0] == '>';
        t->right[t->n_columns++] = right;
        append(t, strndup(heads + right, n - right));
        if (heads[n] == '\0' || t->n_columns == CLI_TABLE_COLUMNS)
            return;
        heads += n + 1;
    }
}

void cli_table_addf(struct cli_table *t, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    append(t, n < 0 ? NULL : text);
}

// Code points, which is the width of all but rare scripts.
static int width_of(const char *s)
{
    int n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

void cli_print_safe(const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        putchar(c < 0x20 || c == 0x7f ? '?' : c);
    }
}

static void print_row(const struct cli_table *t, size_t first, const int *width)
{
    size_t n = t->n_columns;
    while (n > 0 && t->cell[first + n - 1][0] == '\0') // no white space at the end of a line
        n--;
    for (size_t c = 0; c < n; c++) {
        const char *text = t->cell[first + c];
        bool last = c + 1 == n;
        int pad = width[c] - width_of(text);
        if (t->right[c])
            printf("%*s", pad, "");
        cli_print_safe(text);
        if (!last)
            printf("%*s", (t->right[c] ? 0 : pad) + 2, "");
    }
    putchar('\n');
}

int cli_table_close(struct cli_table *t)
{
    int width[CLI_TABLE_COLUMNS] = { 0 };
    for (size_t i = 0; i < t->n_cells; i++) {
        int w = width_of(t->cell[i]);
        if (w > width[i % t->n_columns])
            width[i % t->n_columns] = w;
    }
    for (size_t i = 0; !t->failed && i + t->n_columns <= t->n_cells; i += t->n_columns)
        print_row(t, i, width);
    for (size_t i = 0; i < t->n_cells; i++)
        free(t->cell[i]);
    free(t->cell);
    return t->failed ? JB_E_NOMEM : JB_OK;
}
