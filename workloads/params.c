#include "workloads/params.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/strbuf.h"

static const struct jb_option *find_row(const struct jb_option *rows, const char *name)
{
    for (; rows->type != JB_OPT_END; rows++)
        if (strcmp(rows->name, name) == 0)
            return rows;
    return NULL;
}

static const char *given(const struct jb_workload_opts *o, const char *name)
{
    for (size_t i = o ? o->n_params : 0; i > 0; i--)
        if (strcmp(o->params[i - 1].name, name) == 0)
            return o->params[i - 1].value;
    return NULL;
}

static int unknown(const char *workload, const struct jb_option *rows, const char *name, struct jb_err *err)
{
    struct jb_str known = { 0 };
    for (; rows->type != JB_OPT_END; rows++)
        jb_str_addf(&known, "%s%s", known.len ? ", " : "", rows->name);
    int rc = jb_fail(err, JB_E_INVALID, "workload %s has no parameter \"%s\" (%s%s)", workload, name, known.len ? "known: " : "it has none", jb_str_get(&known));
    jb_str_free(&known);
    return rc;
}

static int check_value(const char *workload, const struct jb_option *row, const char *text, struct jb_err *err)
{
    char *end = NULL;
    double v;
    errno = 0;
    switch (row->type) {
    case JB_OPT_I64:
        v = (double)strtoll(text, &end, 10);
        break;
    case JB_OPT_F64:
        v = strtod(text, &end);
        break;
    case JB_OPT_BOOL:
        if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
            return JB_OK;
        return jb_fail(err, JB_E_INVALID, "workload %s: parameter %s: \"%s\" is neither true nor false", workload, row->name, text);
    default:
        return JB_OK;
    }
    if (end == text || *end != '\0' || errno == ERANGE || !isfinite(v))
        return jb_fail(err, JB_E_INVALID, "workload %s: parameter %s: \"%s\" is no %snumber", workload, row->name, text, row->type == JB_OPT_I64 ? "whole " : "");
    if (v < row->min || v > row->max)
        return jb_fail(err, JB_E_RANGE, "workload %s: parameter %s: %s is outside %.15g to %.15g", workload, row->name, text, row->min, row->max);
    return JB_OK;
}

int jb_params_check(const char *workload, const struct jb_option *rows, const struct jb_workload_opts *o, struct jb_err *err)
{
    for (size_t i = 0; i < (o ? o->n_params : 0); i++)
        if (!find_row(rows, o->params[i].name))
            return unknown(workload, rows, o->params[i].name, err);
    for (const struct jb_option *row = rows; row->type != JB_OPT_END; row++) {
        const char *text = jb_params_text(rows, o, row->name);
        if (!text)
            return jb_fail(err, JB_E_INVALID, "workload %s: parameter %s is missing: %s", workload, row->name, row->help);
        int rc = check_value(workload, row, text, err);
        if (rc < 0)
            return rc;
    }
    return JB_OK;
}

const char *jb_params_text(const struct jb_option *rows, const struct jb_workload_opts *o, const char *name)
{
    const char *text = given(o, name);
    const struct jb_option *row = text ? NULL : find_row(rows, name);
    return row ? row->default_text : text;
}

int64_t jb_params_i64(const struct jb_option *rows, const struct jb_workload_opts *o, const char *name)
{
    const char *text = jb_params_text(rows, o, name);
    return text ? strtoll(text, NULL, 10) : 0;
}
