// One cell's row: identity, accuracy, costs. What comes from blocks is in build_latency.c and build_energy.c.
#include "harness/build.h"

#include "base/stats.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void jb_built_free(struct jb_built *x)
{
    free(x->index);
    free(x->outcome);
    free(x->first);
    free(x->whole);
    free(x->use);
    free(x->repetition);
    free(x->block_sum);
    free(x->block_n);
}

static int copy_texts(struct jb_result *r, struct jb_result_cell *c, const struct jb_facts *f)
{
    c->id = jb_result_str(r, f->id);
    c->key = jb_result_str(r, f->key);
    c->workload = jb_result_str(r, f->workload);
    c->model = jb_result_str(r, f->model);
    c->precision = jb_result_str(r, f->precision);
    c->policy = jb_result_str(r, f->policy);
    c->scenario = jb_scenario_name((enum jb_scenario)f->scenario);
    c->unit = jb_result_str(r, f->unit);
    c->label = jb_result_str(r, f->label);
    c->role = jb_result_str(r, f->role);
    c->calibration_id = f->calibration_id[0] ? jb_result_str(r, f->calibration_id) : NULL;
    c->reason = f->reason[0] ? jb_result_str(r, f->reason) : NULL;
    bool ok = c->id && c->key && c->workload && c->model && c->precision && c->policy && c->unit && c->label && c->role && (c->calibration_id || !f->calibration_id[0]) &&
              (c->reason || !f->reason[0]);
    return ok ? 0 : JB_E_NOMEM;
}

static int copy_setting(struct jb_result *r, struct jb_result_cell *c, const struct jb_facts *f)
{
    c->policy_params = jb_result_array(r, f->n_params + 1, sizeof *c->policy_params);
    if (!c->policy_params) return JB_E_NOMEM;
    for (; c->n_policy_params < f->n_params; c->n_policy_params++) {
        struct jb_kd *x = &c->policy_params[c->n_policy_params];
        *x = (struct jb_kd){ jb_result_str(r, f->params[c->n_policy_params].name), f->params[c->n_policy_params].value };
        if (!x->name) return JB_E_NOMEM;
    }
    bool same = f->n_thresholds > 0;
    for (uint32_t i = 1; i < f->n_thresholds; i++) same &= f->threshold[i] == f->threshold[0];
    if (same) c->threshold = f->threshold[0];
    c->n_thresholds = same ? 0 : f->n_thresholds;
    memcpy(c->thresholds, f->threshold, c->n_thresholds * sizeof *c->thresholds);
    c->threshold_source = !isnan(f->target_loss) ? "calibrated" : f->n_thresholds ? "given" : NULL;
    c->target_loss = f->target_loss;
    c->threads = f->threads;
    c->streams = f->streams;
    c->power_limit_w = f->power_limit_w;
    c->status = f->status;
    return 0;
}

static int copy_quality(struct jb_result *r, struct jb_result_cell *c, const struct jb_facts *f)
{
    c->quality = jb_result_array(r, f->n_quality + 1, sizeof *c->quality);
    if (!c->quality) return JB_E_NOMEM;
    for (; c->n_quality < f->n_quality; c->n_quality++) {
        const struct jb_quality *q = &f->quality[c->n_quality];
        c->quality[c->n_quality] = (struct jb_result_quality){ jb_result_str(r, q->name), q->value, q->lower, q->upper, q->n, q->higher_is_better };
        if (!c->quality[c->n_quality].name) return JB_E_NOMEM;
    }
    return 0;
}

static void accuracy(struct jb_result_cell *c, const struct jb_facts *f)
{
    if (!f->n) return;
    struct jb_interval ci = jb_wilson(f->correct, f->n, 1.959963984540054);
    c->accuracy = (struct jb_value){ (double)f->correct / (double)f->n, ci.lower, ci.upper, f->n };
    for (uint32_t i = 0; i < f->n_quality && f->kv[0]; i++) // tokens of a query depend on each other: the interval that knows of queries
        if (!strcmp(f->quality[i].name, "accuracy") || !strcmp(f->quality[i].name, "matching")) c->accuracy = (struct jb_value){ c->accuracy.value, f->quality[i].lower, f->quality[i].upper, f->n };
    c->accuracy_loss = f->accuracy_loss;
    c->overthinking_wasteful = f->wasteful;
    c->overthinking_destructive = f->destructive;
}

static int costs(struct jb_result *r, struct jb_result_cell *c, const struct jb_facts *f)
{
    double macs[JB_PREC_COUNT] = { 0 }, stages[JB_PREC_COUNT] = { 0 }, bytes = 0, all = 0, sum = 0;
    uint64_t n = 0;
    c->n_exits = f->n_exits;
    for (uint32_t k = 0; k < f->n_exits; k++) {
        const struct jb_exit_fact *e = &f->exits[k];
        double here = 0;
        n += e->count;
        for (int p = 0; p < JB_PREC_COUNT; p++) {
            macs[p] += e->macs[p] * (double)e->count;
            bytes += e->bytes[p] * (double)e->count;
            stages[p] += e->stages[p] * (double)e->count;
            all += e->stages[p] * (double)e->count;
            here += e->macs[p];
        }
        c->exit_histogram[k] = e->count;
        c->exits[k] = (struct jb_result_exit){ e->count, e->count ? (double)e->correct / (double)e->count : NAN, e->count ? here : NAN, NAN };
    }
    if (!n || !all) return 0; // not run, or a workload without a model: it has no costs, not costs of 0
    c->macs_by_precision = jb_result_array(r, JB_PREC_COUNT, sizeof *c->macs_by_precision);
    c->precision_histogram = jb_result_array(r, JB_PREC_COUNT, sizeof *c->precision_histogram);
    if (!c->macs_by_precision || !c->precision_histogram) return JB_E_NOMEM;
    for (int p = 0; p < JB_PREC_COUNT; p++) {
        if (!stages[p] && !(macs[p] > 0)) continue; // a head may be stored in more bits than the stages
        c->macs_by_precision[c->n_macs_by_precision++] = (struct jb_kd){ jb_precision_name(p), macs[p] / (double)n };
        if (stages[p]) c->precision_histogram[c->n_precision_histogram++] = (struct jb_kd){ jb_precision_name(p), stages[p] };
        sum += macs[p];
    }
    c->macs_mean = sum / (double)n;
    c->bytes_mean = bytes / (double)n;
    c->regret_macs = c->macs_mean - f->oracle_macs;
    return 0;
}

static int modelled(struct jb_result *r, struct jb_result_cell *c, const struct jb_facts *f)
{
    if (isnan(f->relative)) return 0;
    c->modelled = jb_result_array(r, 1, sizeof *c->modelled);
    if (!c->modelled) return JB_E_NOMEM;
    c->modelled[0] = (struct jb_result_modelled){ .source = "macs-and-bytes", .per = jb_energy_per(c), .uj = NAN, .lower_uj = NAN, .upper_uj = NAN, .relative = f->relative,
                                                  .reason = jb_result_strf(r, "relative only: full %s = 1; no coefficients fitted for this CPU", f->relative_to) };
    c->n_modelled = c->modelled[0].reason ? 1 : 0;
    return c->n_modelled ? 0 : JB_E_NOMEM;
}

static int instructions(struct jb_result *r, struct jb_result_cell *c, const struct jb_facts *f)
{
    if (f->instructions > 0 && f->instructions_source[0]) {
        c->instructions = (struct jb_result_instructions){ f->instructions, f->instructions_queries, jb_result_str(r, f->instructions_source), jb_result_str(r, f->instructions_kernels) };
        return c->instructions.source && c->instructions.kernels ? 0 : JB_E_NOMEM;
    }
    if (!f->instructions_reason[0]) return 0; // nobody asked
    struct jb_kv *reasons = jb_result_array(r, c->n_reasons + 1, sizeof *reasons);
    if (!reasons) return JB_E_NOMEM;
    if (c->n_reasons) memcpy(reasons, c->reasons, c->n_reasons * sizeof *reasons);
    reasons[c->n_reasons] = (struct jb_kv){ "instructions", jb_result_str(r, f->instructions_reason) };
    if (!reasons[c->n_reasons].value) return JB_E_NOMEM;
    c->reasons = reasons;
    c->n_reasons++;
    return 0;
}

// ---- samples for the bootstraps ----

static bool counts_whole(const struct jb_facts *f)
{
    for (uint32_t i = 0; i < f->n_quality; i++)
        if (!strcmp(f->quality[i].name, "exact-match")) return true;
    return false;
}

// Queries of a text: their answers stand together.
static int groups(struct jb_built *x, const struct jb_raw_samples *s, const struct jb_facts *f)
{
    x->first = malloc(((size_t)s->n + 1) * sizeof *x->first);
    x->whole = counts_whole(f) ? malloc((size_t)s->n + 1) : NULL;
    if (!x->first || (counts_whole(f) && !x->whole)) return JB_E_NOMEM;
    for (uint32_t i = 0; i < s->n; i++) {
        bool begins = i == 0 || s->query[i] != s->query[i - 1], right = x->outcome[i] & 1u;
        if (begins) x->first[x->n_groups++] = i;
        if (x->whole) x->whole[x->n_groups - 1] = right && (begins || x->whole[x->n_groups - 1]);
    }
    x->first[x->n_groups] = s->n;
    return 0;
}

static int samples(struct jb_build *b, struct jb_built *x, struct jb_err *err)
{
    const struct jb_facts *f = &x->rec->facts;
    uint8_t *bytes = NULL;
    struct jb_raw_samples s = { 0 };
    int rc = jb_store_get(b->store, f->id, JB_RAW_SAMPLES, &f->samples, &bytes, err);
    if (!rc) rc = jb_raw_samples_decode(&s, bytes, f->samples.n_bytes, err);
    free(bytes);
    if (rc) return rc;
    x->n = s.n;
    x->index = s.index;
    s.index = NULL;
    x->outcome = malloc((size_t)s.n + 1);
    for (uint32_t i = 0; x->outcome && i < s.n; i++) x->outcome[i] = (uint8_t)(s.exit[i] * 2 + (s.label[i] != UINT32_MAX && s.prediction[i] == s.label[i]));
    rc = !x->outcome ? JB_E_NOMEM : s.query ? groups(x, &s, f) : 0;
    jb_raw_samples_free(&s);
    for (uint32_t k = 0; k < f->n_exits; k++)
        for (int p = 0; p < JB_PREC_COUNT; p++) x->macs[k] += f->exits[k].macs[p];
    return rc;
}

static int language(struct jb_result *r, struct jb_result_cell *c, const struct jb_facts *f)
{
    struct jb_result_language *l = &c->language;
    if (!f->kv[0]) return 0;
    l->kv = jb_result_str(r, f->kv);
    l->fill = jb_result_str(r, f->fill);
    l->deferred_macs = f->deferred_macs;
    l->deferred_bytes = f->deferred_bytes;
    for (uint32_t i = 0; i < f->n_quality; i++)
        if (!strcmp(f->quality[i].name, "perplexity")) l->ppl = (struct jb_value){ f->quality[i].value, f->quality[i].lower, f->quality[i].upper, f->quality[i].n };
    return l->kv && l->fill ? 0 : JB_E_NOMEM;
}

static double or_nan(double v) { return v > 0 ? v : NAN; }

int jb_build_cell(struct jb_build *b, size_t index, struct jb_err *err)
{
    struct jb_result_cell *c = &b->r->cells[index];
    struct jb_built *x = &b->built[index];
    const struct jb_facts *f = &x->rec->facts;
    struct jb_err why = { 0 };
    jb_result_cell_init(c);
    int rc = copy_texts(b->r, c, f);
    if (!rc) rc = copy_setting(b->r, c, f);
    if (!rc) rc = copy_quality(b->r, c, f);
    if (!rc) rc = costs(b->r, c, f);
    if (!rc) rc = language(b->r, c, f);
    if (rc) return rc;
    accuracy(c, f);
    c->model_bytes = or_nan(f->model_bytes);
    c->session_bytes = or_nan(f->session_bytes);
    c->load_ns = or_nan(f->load_ns);
    c->peak_rss_bytes = or_nan(b->rec->peak_rss_bytes);
    rc = modelled(b->r, c, f);
    if (!rc) rc = instructions(b->r, c, f);
    if (!rc) rc = jb_build_blocks(b, index);
    if (!rc) rc = jb_build_energy(b, c, x);
    if (!rc && f->samples.n_bytes) {
        rc = samples(b, x, &why);
        if (!rc) rc = jb_build_latency(b, index, &why);
        if (rc && rc != JB_E_NOMEM) { // figures whose bytes are gone or changed are no figures
            c->status = JB_CELL_FAILED;
            c->reason = jb_result_str(b->r, why.detail);
            rc = c->reason ? 0 : JB_E_NOMEM;
        }
    }
    if (f->batch == 1) c->energy.edp_uj_ms = c->energy.gross_uj * c->latency_mean_ns * 1e-6; // the delay of a batch is not that of one query
    (void)err;
    return rc;
}
