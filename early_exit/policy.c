// The table of policies, and how one gets its parameters.
#include "early_exit/policy.h"
#include <math.h>
#include <string.h>
#include "early_exit/policies.h"

const struct jb_policy_ops *const jb_policies[] = {
    &jb_policy_final, &jb_policy_fixed, &jb_policy_maxprob, &jb_policy_margin, &jb_policy_entropy, &jb_policy_patience, &jb_policy_gate, NULL,
};

const struct jb_option jb_no_options[] = {{.type = JB_OPT_END}};

const struct jb_policy_ops *jb_policy_find(const char *name)
{
    for (size_t i = 0; name && jb_policies[i]; i++)
        if (strcmp(jb_policies[i]->name, name) == 0) return jb_policies[i];
    return NULL;
}

bool jb_wants_every_exit(const struct jb_policy *p, uint32_t exit, uint32_t n_exits)
{
    (void)p, (void)exit, (void)n_exits;
    return true;
}

bool jb_policy_wants(const struct jb_policy *p, uint32_t exit, uint32_t n_exits)
{
    return exit + 1 == n_exits || p->ops->wants_exit(p, exit, n_exits);
}

void jb_decide_by_threshold(const struct jb_policy *p, void *row_state, const struct jb_decision_in *in, struct jb_decision *out)
{
    (void)row_state;
    out->confidence = in->confidence;
    out->stop = (double)in->confidence >= p->threshold[in->exit];
}

bool jb_policy_asks_first(const struct jb_policy_ops *ops)
{
    return ops->needs && !(ops->needs & (JB_WANT_TOP | JB_WANT_LOGITS));
}

int jb_policy_fits(const struct jb_policy_ops *ops, const struct jb_model_info *info, struct jb_err *err)
{
    if (!(ops->needs & JB_WANT_GATE)) return JB_OK;
    for (uint32_t k = 0; k + 1 < info->n_exits; k++)
        if (!info->stages[info->exit_stage[k]].has_gate)
            return jb_fail(err, JB_E_UNSUPPORTED, "%s: policy %s needs a gate at every exit, and exit %u (behind stage %s) has none; a side file with trained exits may bring them (--exits)",
                           info->path, ops->name, k, info->stages[info->exit_stage[k]].name);
    return JB_OK;
}

static int option_index(const struct jb_policy_ops *ops, const char *name)
{
    for (int i = 0; ops->options[i].type != JB_OPT_END; i++)
        if (strcmp(ops->options[i].name, name) == 0) return i;
    return -1;
}

static int set_param(struct jb_policy *p, const struct jb_param *param, uint32_t *seen, struct jb_err *err)
{
    int i = option_index(p->ops, param->name);
    if (i < 0) return jb_fail(err, JB_E_INVALID, "policy %s has no parameter \"%s\"", p->ops->name, param->name);
    const struct jb_option *o = &p->ops->options[i];
    if (!(param->value >= o->min && param->value <= o->max) || (o->type == JB_OPT_I64 && param->value != floor(param->value)))
        return jb_fail(err, JB_E_RANGE, "policy %s: %s = %g, must be %s from %g to %g", p->ops->name, o->name, param->value,
                       o->type == JB_OPT_I64 ? "a whole number" : "a number", o->min, o->max);
    p->param[i] = param->value;
    *seen |= 1u << i;
    return JB_OK;
}

static int set_thresholds(struct jb_policy *p, const double *threshold, size_t n, uint32_t n_exits, struct jb_err *err)
{
    const struct jb_policy_ops *ops = p->ops;
    if (n != 1 && n + 1 != n_exits && n != n_exits)
        return jb_fail(err, JB_E_INVALID, "policy %s: %zu thresholds, must be 1 or one for each of the %u exits but the last", ops->name, n, n_exits - 1);
    for (uint32_t k = 0; k + 1 < n_exits; k++) {
        double t = threshold[n == 1 ? 0 : k];
        if (!((t >= ops->threshold_min && t <= ops->threshold_max) || t == JB_THRESHOLD_NEVER))
            return jb_fail(err, JB_E_RANGE, "policy %s: threshold %g for exit %u, must be from %g to %g (or %g: never)", ops->name, t, k,
                           ops->threshold_min, ops->threshold_max, JB_THRESHOLD_NEVER);
        p->threshold[k] = t;
    }
    return JB_OK;
}

// Thresholds as given, or a parameter "threshold" for all exits, or for a counting policy its one parameter (a calibration file stores
// patience's t where the others have thresholds).
static int take_thresholds(struct jb_policy *p, const double *threshold, size_t n, uint32_t n_exits, uint32_t *seen, struct jb_err *err)
{
    const struct jb_policy_ops *ops = p->ops;
    if (ops->has_threshold) return set_thresholds(p, threshold, n, n_exits, err);
    if (ops != &jb_policy_patience) return jb_fail(err, JB_E_INVALID, "policy %s takes no threshold", ops->name);
    return set_param(p, &(struct jb_param){ops->options[0].name, threshold[0]}, seen, err);
}

static int check_complete(const struct jb_policy *p, uint32_t seen, bool have_thresholds, uint32_t n_exits, struct jb_err *err)
{
    const struct jb_policy_ops *ops = p->ops;
    for (int i = 0; ops->options[i].type != JB_OPT_END; i++)
        if (!(seen & 1u << i)) return jb_fail(err, JB_E_INVALID, "policy %s needs its parameter %s (%s)", ops->name, ops->options[i].name, ops->options[i].help);
    if (ops->has_threshold && !have_thresholds && n_exits > 1)
        return jb_fail(err, JB_E_INVALID, "policy %s needs a threshold from %g to %g, given or calibrated", ops->name, ops->threshold_min, ops->threshold_max);
    if (ops == &jb_policy_fixed && p->param[0] >= n_exits)
        return jb_fail(err, JB_E_RANGE, "policy fixed: k = %g, but the model has exits 0 to %u", p->param[0], n_exits - 1);
    return JB_OK;
}

int jb_policy_make(struct jb_policy *out, const char *name, const struct jb_param *params, size_t n_params, const double *threshold,
                   size_t n_thresholds, uint32_t n_exits, struct jb_err *err)
{
    struct jb_policy p = {.ops = jb_policy_find(name)};
    if (!p.ops) return jb_fail(err, JB_E_NOT_FOUND, "unknown policy \"%s\" (known: final, fixed, maxprob, margin, entropy, patience, gate)", name ? name : "");
    if (n_exits < 1 || n_exits > JB_MAX_STAGES) return jb_fail(err, JB_E_RANGE, "policy %s: %u exits, must be 1 to %d", name, n_exits, JB_MAX_STAGES);
    for (uint32_t k = 0; k < JB_MAX_STAGES; k++) p.threshold[k] = JB_THRESHOLD_NEVER;

    uint32_t seen = 0;
    bool have_thresholds = threshold && n_thresholds > 0;
    int rc = JB_OK;
    if (have_thresholds) rc = take_thresholds(&p, threshold, n_thresholds, n_exits, &seen, err);
    for (size_t i = 0; rc == JB_OK && i < n_params; i++) {
        if (p.ops->has_threshold && strcmp(params[i].name, "threshold") == 0) {
            rc = set_thresholds(&p, &params[i].value, 1, n_exits, err);
            have_thresholds = true;
        } else {
            rc = set_param(&p, &params[i], &seen, err);
        }
    }
    if (rc == JB_OK) rc = check_complete(&p, seen, have_thresholds, n_exits, err);
    if (rc == JB_OK) *out = p;
    return rc;
}
