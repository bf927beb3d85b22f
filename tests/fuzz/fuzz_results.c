// Fuzz target: a results.json of any bytes, with its validity, blocks and joules, is read or refused with a reason; what was read is written as the same again, and every rendering of it is safe to show.
#include <stdlib.h>
#include <string.h>
#include "reports/codec.h"
#include "reports/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char *text_of(const struct jb_result *r)
{
    cJSON *root = jb_result_to_json(r);
    char *text = root ? jb_json_pretty(root) : NULL;
    cJSON_Delete(root);
    if (!text) abort();
    return text;
}

static bool is_check(const struct jb_result_check *c)
{
    return c->name && c->name[0] && c->verdict && (!strcmp(c->verdict, "pass") || !strcmp(c->verdict, "fail") || !strcmp(c->verdict, "unknown"));
}

static void must_hold(const struct jb_result *r)
{
    const struct jb_result_validity *v = &r->validity;
    if (v->verdict && strcmp(v->verdict, "VALID") && strcmp(v->verdict, "INVALID")) abort();
    if (!v->verdict && v->n_checks) abort();
    for (size_t i = 0; i < v->n_checks; i++)
        if (!is_check(&v->checks[i])) abort();
    for (size_t i = 0; i < r->n_cells; i++)
        if (r->cells[i].energy.cls == JB_ENERGY_MODELLED || (r->cells[i].blocks.known && (r->cells[i].blocks.confidence < 0 || r->cells[i].blocks.confidence > 1))) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct jb_result *r = NULL, *again = NULL;
    struct jb_err err = { 0 };
    struct jb_str s = { 0 };
    int rc = jb_result_parse(&r, "results.json", (const char *)data, n, &err);
    if (rc) {
        if (r || err.code != rc || !err.detail[0]) abort();
        return 0;
    }
    must_hold(r);
    char *first = text_of(r), *second = NULL;
    if (jb_result_parse(&again, "again.json", first, strlen(first), &err) || !(second = text_of(again)) || strcmp(first, second)) abort();
    if (jb_report_terminal(r, 80, false, &s) == 0 && (strchr(jb_str_get(&s), '\033') || strchr(jb_str_get(&s), '\a'))) abort();
    jb_str_free(&s);
    free(first);
    free(second);
    jb_result_close(again);
    jb_result_close(r);
    return 0;
}
