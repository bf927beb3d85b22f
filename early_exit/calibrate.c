// Calibration: turns a recording and a policy into a table of confidences, searches it, and reports what a replay of the found thresholds gives.
#include "early_exit/calibrate.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "early_exit/calibrate_search.h"
#include "early_exit/policies.h"
#include "early_exit/recorded.h"

static int check(const struct jb_recording *r, const struct jb_policy_ops *ops, const char *name, double target_loss, struct jb_err *err)
{
    if (!ops) return jb_fail(err, JB_E_NOT_FOUND, "unknown policy \"%s\"", name);
    if (!ops->has_threshold && ops != &jb_policy_patience) return jb_fail(err, JB_E_INVALID, "policy %s has no threshold to calibrate", name);
    if (r->n < 1) return jb_fail(err, JB_E_INVALID, "calibration of %s: no samples", name);
    if (!(target_loss >= 0 && target_loss <= 1)) return jb_fail(err, JB_E_RANGE, "target loss %g, must be from 0 to 1 (0.005 is half a point)", target_loss);
    for (uint32_t i = 0; i < r->n; i++)
        if (r->label[i] == UINT32_MAX) return jb_fail(err, JB_E_INVALID, "calibration of %s: sample %u of %u has no label", name, i, r->n);
    return JB_OK;
}

// Confidences of one sample at every exit but the last: the policy itself is asked, with thresholds that never stop.
static void confidences(const struct jb_recording *r, const struct jb_policy *never, uint32_t i, float *out)
{
    struct jb_query_result q;
    for (uint32_t k = 0; k + 1 < r->n_exits; k++) out[k] = NAN;
    if (jb_recording_replay(r, never, i, &q) != JB_OK) return;
    for (uint32_t j = 0; j < q.n_reached; j++)
        if (q.reached[j] + 1u < r->n_exits) out[q.reached[j]] = q.confidence[j];
}

static bool fill(struct jb_search *s, const struct jb_recording *r, const struct jb_policy_ops *ops)
{
    if (!jb_search_open(s, r->n, r->n_exits)) return false;
    struct jb_policy never = {.ops = ops};
    for (uint32_t k = 0; k < JB_MAX_STAGES; k++) never.threshold[k] = JB_THRESHOLD_NEVER;
    for (uint32_t i = 0; i < r->n; i++) {
        confidences(r, &never, i, s->confidence + (size_t)i * (r->n_exits - 1));
        for (uint32_t k = 0; k < r->n_exits; k++) s->correct[(size_t)i * r->n_exits + k] = jb_recording_prediction(r, i, k) == r->label[i];
    }
    for (uint32_t k = 0; k < r->n_exits; k++) {
        struct jb_cost c = jb_recording_path_cost(r, ops, k);
        s->cost[k] = (double)jb_cost_macs(&c);
    }
    return jb_search_sort(s);
}

static int search_thresholds(double *threshold, const struct jb_recording *r, const struct jb_policy_ops *ops, double target_loss, bool per_exit, struct jb_err *err)
{
    if (r->n_exits < 2) return JB_OK; // nothing to choose
    struct jb_search s;
    uint32_t *at = malloc(r->n * sizeof *at);
    bool ok = fill(&s, r, ops) && at;
    if (ok) {
        jb_search_uniform(&s, target_loss, at, threshold);
        if (per_exit) jb_search_per_exit(&s, target_loss, at, threshold);
    }
    jb_search_close(&s);
    free(at);
    return ok ? JB_OK : jb_fail(err, JB_E_NOMEM, "out of memory calibrating %s on %u samples", ops->name, r->n);
}

struct measured { double accuracy, loss, macs; };

// Replays the policy over the whole recording: what is reported is what a run does, not what the search believes.
static int measure(struct measured *m, const struct jb_recording *r, const struct jb_policy *p, struct jb_err *err)
{
    uint64_t right = 0, right_final = 0, macs = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        struct jb_query_result q;
        int rc = jb_recording_replay(r, p, i, &q);
        if (rc) return jb_fail(err, rc, "policy %s cannot be replayed on a recording at %s", p->ops->name, r->schedule.text);
        right += q.prediction == r->label[i];
        right_final += jb_recording_prediction(r, i, r->n_exits - 1) == r->label[i];
        macs += jb_cost_macs(&q.cost);
    }
    for (uint32_t i = 0, n = 0; r->group && i < r->n; i += n) {
        struct jb_cost late;
        int rc = jb_recording_replay_group(r, p, i, NULL, &n, &late);
        if (rc) return jb_fail(err, rc, "what policy %s leaves to be filled cannot be replayed", p->ops->name);
        macs += jb_cost_macs(&late);
    }
    m->accuracy = (double)right / r->n;
    m->loss = ((double)right_final - (double)right) / r->n;
    m->macs = (double)macs / r->n;
    return JB_OK;
}

// Few values: each is measured. t = n_exits can never be reached, so one always holds the target.
static int search_patience(struct jb_policy *best, const struct jb_recording *r, double target_loss, struct jb_err *err)
{
    double least = INFINITY;
    for (uint32_t t = r->n_exits; t >= 1; t--) {
        struct jb_policy p;
        struct measured m;
        int rc = jb_policy_make(&p, "patience", &(struct jb_param){"t", t}, 1, NULL, 0, r->n_exits, err);
        if (rc == JB_OK) rc = measure(&m, r, &p, err);
        if (rc) return rc;
        if (m.loss <= target_loss + 1e-12 && m.macs < least) {
            least = m.macs;
            *best = p;
        }
    }
    return JB_OK;
}

int jb_calibrate(struct jb_calibrated *out, const struct jb_recording *r, const char *policy, double target_loss, bool per_exit, struct jb_err *err)
{
    const struct jb_policy_ops *ops = jb_policy_find(policy);
    int rc = check(r, ops, policy, target_loss, err);
    if (rc) return rc;

    struct jb_calibrated c = {.agreement = r->agreement, .target_loss = target_loss, .n_exits = r->n_exits};
    struct jb_policy p = {.ops = ops};
    if (ops->has_threshold) {
        rc = search_thresholds(c.threshold, r, ops, target_loss, per_exit, err);
        memcpy(p.threshold, c.threshold, sizeof p.threshold);
    } else {
        rc = search_patience(&p, r, target_loss, err);
        for (uint32_t k = 0; k + 1 < r->n_exits; k++) c.threshold[k] = p.param[0];
        if (r->n_exits == 1) c.threshold[0] = p.param[0];
    }
    struct measured m;
    if (rc == JB_OK) rc = measure(&m, r, &p, err);
    if (rc) return rc;
    snprintf(c.policy, sizeof c.policy, "%s", ops->name);
    snprintf(c.precision, sizeof c.precision, "%s", r->schedule.text);
    c.loss_observed = m.loss;
    c.accuracy = m.accuracy;
    c.macs_mean = m.macs;
    *out = c;
    return JB_OK;
}
