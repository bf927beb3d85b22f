// Fuzz target: a plan of any bytes is read or refused with a reason.
#include <stdlib.h>
#include <string.h>
#include "harness/plan_data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct jb_plan *p = NULL;
    struct jb_err err = { 0 };
    int rc = jb_plan_parse(&p, "fuzz.json", (const char *)data, n, &err);
    if (rc) {
        if (p || err.code != rc || !err.detail[0]) abort();
        return 0;
    }
    if (!p->n_workloads || !p->n_policies || !p->precisions.n || !p->scenarios.n || jb_plan_count(p) > JB_PLAN_MAX_CELLS) abort();
    for (size_t i = 0; i < p->n_models; i++)
        if (p->models[i].workload >= p->n_workloads || !strlen(p->models[i].name)) abort();
    jb_plan_close(p);
    return 0;
}
