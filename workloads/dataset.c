#include "workloads/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "workloads/score.h"

void jb_dataset_close(struct jb_dataset *d)
{
    if (!d)
        return;
    for (int s = 0; s < JB_SPLIT_COUNT; s++) {
        jb_array_close(&d->split[s].array);
        free(d->split[s].owned);
        free(d->split[s].label);
    }
    free(d);
}

void jb_dataset_close_impl(void *impl)
{
    jb_dataset_close(impl);
}

int jb_dataset_hash(const struct jb_dataset *d, enum jb_split s, char hex[65])
{
    const struct jb_dataset_split *p = &d->split[s];
    struct jb_hash *h;
    int rc = jb_hash_open(&h);
    if (rc < 0)
        return rc;
    char head[128];
    int n = snprintf(head, sizeof head, "joulebench.split/1 %u %d %d %d %d\n", p->n, d->shape.h, d->shape.w, d->shape.c, p->label != NULL);
    jb_hash_update(h, head, (size_t)n);
    jb_hash_update(h, p->samples, p->n * d->sample_bytes);
    for (uint32_t i = 0; p->label && i < p->n; i++) {
        uint32_t v = p->label[i];
        uint8_t le[4] = { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24) };
        jb_hash_update(h, le, sizeof le);
    }
    jb_hash_finish(h, hex);
    jb_hash_close(h);
    return JB_OK;
}

int jb_dataset_describe(const struct jb_dataset *d, struct jb_workload_info *info, struct jb_err *err)
{
    info->unit = "query";
    info->shape = d->shape;
    info->n_classes = d->n_classes;
    for (int s = 0; s < JB_SPLIT_COUNT; s++) {
        info->n[s] = d->split[s].n;
        info->sha256[s][0] = '\0';
        if (d->split[s].n == 0)
            continue;
        int rc = jb_dataset_hash(d, (enum jb_split)s, info->sha256[s]);
        if (rc < 0)
            return jb_fail(err, rc, "hashing the %s split: %s", jb_split_name((enum jb_split)s), jb_code_text(rc));
    }
    return JB_OK;
}

int jb_dataset_sample(const void *impl, enum jb_split s, uint32_t i, struct jb_row_input *row, uint32_t *label)
{
    const struct jb_dataset *d = impl;
    if ((unsigned)s >= JB_SPLIT_COUNT || i >= d->split[s].n)
        return JB_E_RANGE;
    const struct jb_dataset_split *p = &d->split[s];
    *row = (struct jb_row_input){ .data = p->samples + i * d->sample_bytes };
    *label = p->label ? p->label[i] : UINT32_MAX;
    return JB_OK;
}

int jb_dataset_score(const void *impl, enum jb_split s, const uint32_t *index, const uint32_t *prediction, uint32_t n, struct jb_quality *out, size_t room,
                     size_t *n_out)
{
    const struct jb_dataset *d = impl;
    if ((unsigned)s >= JB_SPLIT_COUNT)
        return JB_E_RANGE;
    const struct jb_dataset_split *p = &d->split[s];
    return jb_score_classes(p->label, p->n, d->n_classes, index, prediction, n, out, room, n_out);
}
