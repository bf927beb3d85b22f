// Fuzz target: a comparison of any bytes is read or refused with a reason; what was read is written as the same again, and every rendering of it is safe to show.
#include <stdlib.h>
#include <string.h>
#include "reports/comparison.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void render(const struct jb_comparison *c, int (*f)(const struct jb_comparison *, struct jb_str *))
{
    struct jb_str s = { 0 };
    if (f(c, &s) || strchr(jb_str_get(&s), '\033') || strchr(jb_str_get(&s), '\a')) abort();
    jb_str_free(&s);
}

static int terminal(const struct jb_comparison *c, struct jb_str *out) { return jb_comparison_terminal(c, 80, false, out); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct jb_comparison *c = NULL, *again = NULL;
    struct jb_err err = { 0 };
    int rc = jb_comparison_parse(&c, "fuzz.json", (const char *)data, n, &err);
    if (rc) {
        if (c || err.code != rc || !err.detail[0]) abort();
        return 0;
    }
    char *first = jb_comparison_json(c), *second = NULL;
    if (!first || jb_comparison_parse(&again, "again.json", first, strlen(first), &err) || !(second = jb_comparison_json(again)) || strcmp(first, second)) abort();
    render(c, terminal);
    render(c, jb_comparison_markdown);
    render(c, jb_comparison_html);
    render(c, jb_comparison_junit);
    render(c, jb_comparison_annotations);
    free(first);
    free(second);
    jb_comparison_close(again);
    jb_comparison_close(c);
    return 0;
}
