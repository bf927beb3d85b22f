#include "workloads/workload.h"

#include <stdlib.h>
#include <string.h>
#include "base/strbuf.h"
#include "workloads/params.h"

extern const struct jb_workload_ops jb_workload_fashion, jb_workload_classify, jb_workload_null, jb_workload_synthetic, jb_workload_prose, jb_workload_cloze, jb_workload_decode;

const struct jb_workload_ops *const jb_workloads[] = {
    &jb_workload_fashion,
    &jb_workload_classify,
    &jb_workload_null,
    &jb_workload_synthetic,
    &jb_workload_prose,
    &jb_workload_cloze,
    &jb_workload_decode,
    NULL,
};

struct jb_workload {
    const struct jb_workload_ops *ops;
    struct jb_workload_info info;
    void *impl; // owned
};

const char *jb_split_name(enum jb_split s)
{
    static const char *const names[JB_SPLIT_COUNT] = { "train", "fit", "calibration", "test" };
    return (unsigned)s < JB_SPLIT_COUNT ? names[s] : "?";
}

int jb_split_parse(const char *name)
{
    for (int s = 0; s < JB_SPLIT_COUNT; s++)
        if (strcmp(name, jb_split_name((enum jb_split)s)) == 0)
            return s;
    return -1;
}

static const struct jb_workload_ops *find(const char *name)
{
    for (size_t i = 0; jb_workloads[i]; i++)
        if (strcmp(jb_workloads[i]->name, name) == 0)
            return jb_workloads[i];
    return NULL;
}

static int unknown(const char *name, struct jb_err *err)
{
    struct jb_str known = { 0 };
    for (size_t i = 0; jb_workloads[i]; i++)
        jb_str_addf(&known, "%s%s", i ? ", " : "", jb_workloads[i]->name);
    int rc = jb_fail(err, JB_E_NOT_FOUND, "unknown workload \"%s\" (known: %s)", name, jb_str_get(&known));
    jb_str_free(&known);
    return rc;
}

int jb_workload_open(struct jb_workload **out, const char *name, const struct jb_workload_opts *o, struct jb_err *err)
{
    const struct jb_workload_ops *ops = find(name);
    if (!ops)
        return unknown(name, err);
    int rc = jb_params_check(name, ops->options, o, err);
    if (rc < 0)
        return rc;
    struct jb_workload *w = calloc(1, sizeof *w);
    if (!w)
        return jb_fail(err, JB_E_NOMEM, "workload %s: out of memory", name);
    w->ops = ops;
    rc = ops->open(&w->impl, &w->info, o, err);
    if (rc < 0) {
        free(w);
        return rc;
    }
    *out = w;
    return JB_OK;
}

void jb_workload_close(struct jb_workload *w)
{
    if (!w)
        return;
    w->ops->close(w->impl);
    free(w);
}

const struct jb_workload_info *jb_workload_info(const struct jb_workload *w)
{
    return &w->info;
}

int jb_workload_sample(const struct jb_workload *w, enum jb_split s, uint32_t i, struct jb_row_input *row, uint32_t *label)
{
    return w->ops->sample ? w->ops->sample(w->impl, s, i, row, label) : JB_E_UNSUPPORTED;
}

int jb_workload_score(const struct jb_workload *w, enum jb_split s, const uint32_t *index, const uint32_t *prediction, uint32_t n, struct jb_quality *out,
                      size_t room, size_t *n_out)
{
    return w->ops->score ? w->ops->score(w->impl, s, index, prediction, n, out, room, n_out) : JB_E_UNSUPPORTED;
}

bool jb_workload_is_text(const struct jb_workload *w)
{
    return w->ops->text != NULL;
}

int jb_workload_text(const struct jb_workload *w, enum jb_split s, uint32_t i, struct jb_text_query *out)
{
    return w->ops->text ? w->ops->text(w->impl, s, i, out) : JB_E_UNSUPPORTED;
}

bool jb_workload_needs_model(const struct jb_workload *w)
{
    return w->ops->run_without_model == NULL;
}

int jb_workload_run(struct jb_workload *w, uint32_t i, struct jb_query_result *out)
{
    return w->ops->run_without_model ? w->ops->run_without_model(w->impl, i, out) : JB_E_UNSUPPORTED;
}
