// Fuzz target: rules of a gate of any bytes are read or refused with a reason, and what is read can be asked.
#include <math.h>
#include <stdlib.h>
#include "harness/gate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must_be_a_metric(const struct jb_gate_metric *m)
{
    const char *key = jb_gate_metric_key(m->name);
    if (!key || !jb_gate_metric_name(key) || (!m->off && !(m->margin >= 0 && m->margin <= 10))) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct jb_gate_rules r = {.n_overrides = 77};
    struct jb_gate_metric m;
    struct jb_err err = {0};
    int rc = jb_gate_rules_parse(&r, "gate.json", (const char *)data, n, &err);
    if (rc) {
        if (r.n_overrides != 77 || err.code != rc || !err.detail[0]) abort();
        return 0;
    }
    if (!r.n_metrics || r.n_metrics > JB_GATE_MAX_METRICS || r.n_overrides > JB_GATE_MAX_OVERRIDES || !(r.error_rate > 0 && r.error_rate <= 0.1) || !(r.confidence < 1) || !r.cells[0]) abort();
    for (size_t i = 0; i < r.n_metrics; i++) must_be_a_metric(&r.metric[i]);
    for (size_t i = 0; i < r.n_overrides; i++)
        for (size_t k = 0; k < r.overrides[i].n_metrics; k++) must_be_a_metric(&r.overrides[i].metric[k]);
    if (jb_gate_rule_for(&r, "fashion/fashion-ee int8 maxprob 0.8", "p50", &m)) must_be_a_metric(&m);
    jb_gate_rules_free(&r);
    return 0;
}
