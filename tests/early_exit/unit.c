#include "tests/early_exit/unit.h"

void unit_recording(struct jb_recording *r, uint32_t n, uint32_t n_exits, uint32_t n_classes, const char *schedule)
{
    *r = (struct jb_recording){.n = n, .n_exits = n_exits, .n_classes = n_classes, .n_stages = n_exits};
    assert_int_equal(jb_schedule_parse(&r->schedule, schedule, n_exits, NULL), 0);
    r->logits = calloc((size_t)n * n_exits * n_classes, sizeof(float));
    r->label = calloc(n, sizeof *r->label);
    assert_true(r->logits && r->label);
    for (uint32_t k = 0; k < n_exits; k++) {
        r->exit_stage[k] = k;
        r->inverse_temperature[k] = 1.0f;
        r->stage_cost[k].macs[JB_PREC_INT8] = 100 * (k + 1);
        r->head_cost[k].macs[JB_PREC_INT8] = 10;
        r->stage_cost[k].bytes[JB_PREC_INT8] = 7 * (k + 1);
    }
}

void unit_fill(struct jb_recording *r, struct jb_rng *rng)
{
    for (uint32_t i = 0; i < r->n; i++) {
        r->label[i] = (uint32_t)jb_rng_below(rng, r->n_classes);
        double difficulty = 3.0 * jb_rng_unit(rng);
        float *z = r->logits + (size_t)i * r->n_exits * r->n_classes;
        for (uint32_t k = 0; k < r->n_exits; k++)
            for (uint32_t c = 0; c < r->n_classes; c++, z++)
                *z = (float)(difficulty * jb_rng_normal(rng) + (c == r->label[i] ? 3.0 + k : 0.0));
    }
}

struct jb_policy unit_threshold_policy(const char *name, double threshold, uint32_t n_exits)
{
    struct jb_policy p;
    assert_int_equal(jb_policy_make(&p, name, NULL, 0, &threshold, 1, n_exits, NULL), 0);
    return p;
}

struct jb_policy unit_param_policy(const char *name, const char *param, double value, uint32_t n_exits)
{
    struct jb_policy p;
    assert_int_equal(jb_policy_make(&p, name, &(struct jb_param){param, value}, param ? 1 : 0, NULL, 0, n_exits, NULL), 0);
    return p;
}
