// Confidence measures by name: what each needs of a head, and its value.
#include <math.h>
#include "early_exit/policy.h"

static const struct { const char *name; uint32_t needs; } measures[JB_MEASURE_COUNT] = {
    [JB_MEASURE_MAXPROB] = {"maxprob", JB_WANT_LOGITS},
    [JB_MEASURE_MARGIN] = {"margin", JB_WANT_LOGITS},
    [JB_MEASURE_ENTROPY] = {"entropy", JB_WANT_LOGITS},
    [JB_MEASURE_GATE] = {"gate", JB_WANT_GATE},
};

const char *jb_measure_name(enum jb_measure m)
{
    return m < JB_MEASURE_COUNT ? measures[m].name : "none";
}

uint32_t jb_measure_needs(enum jb_measure m)
{
    return m < JB_MEASURE_COUNT ? measures[m].needs : 0;
}

float jb_measure(enum jb_measure m, const struct jb_head_row *head, float inverse_temperature)
{
    if (jb_measure_needs(m) & JB_WANT_LOGITS && !head->logits) return NAN;
    switch (m) {
    case JB_MEASURE_MAXPROB: return jb_conf_maxprob(head->logits, head->n_logits, inverse_temperature);
    case JB_MEASURE_MARGIN: return jb_conf_margin(head->logits, head->n_logits, inverse_temperature);
    case JB_MEASURE_ENTROPY: return jb_conf_entropy(head->logits, head->n_logits, inverse_temperature);
    case JB_MEASURE_GATE: return head->gate;
    default: return NAN;
    }
}
