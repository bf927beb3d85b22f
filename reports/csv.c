// results.csv: tidy, one row a cell, RFC 4180 (CRLF). A missing figure is an empty field; why it is missing stands in results.json.
#include "reports/formats.h"

#include "base/fs.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char COLUMNS[] =
    "run,id,key,label,role,workload,model,precision,policy,policy_params,threshold,thresholds,threshold_source,target_loss,calibration_id,threads,streams,power_limit_w,"
    "scenario,unit,status,reason,accuracy,accuracy_lower,accuracy_upper,accuracy_n,accuracy_loss,latency_p50_ns,latency_p90_ns,latency_p99_ns,"
    "latency_mean_ns,latency_mean_lower_ns,latency_mean_upper_ns,latency_n,latency_blocks,throughput_per_s,macs_mean,macs_by_precision,bytes_mean,"
    "exit_counts,regret_macs,overthinking_wasteful,overthinking_destructive,model_bytes,session_bytes,peak_rss_bytes,load_ns,energy_class,energy_source,"
    "energy_per,energy_gross_uj,energy_gross_lower_uj,energy_gross_upper_uj,energy_net_uj,energy_net_lower_uj,energy_net_upper_uj,energy_per_correct_uj,"
    "energy_per_correct_lower_uj,energy_per_correct_upper_uj,energy_root,energy_domains,energy_power_w,energy_idle_w,energy_idle_lower_w,energy_idle_upper_w,"
    "energy_edp_uj_ms,energy_half_width,energy_windows,energy_windows_failed,energy_drift_windows,energy_stopped,energy_remark,"
    "energy_reason,energy_modelled_source,energy_modelled_relative,energy_modelled_uj,others_cpu_share,others_cpu_contaminated,others_cpu_repeated,pareto_front,"
    "kv,fill,quality,ppl,ppl_lower,ppl_upper,tokens_prompt,tokens_committed,tokens_drafted,ttft_mean_ns,ttft_p50_ns,ttft_p90_ns,ttft_p99_ns,ttft_n,tpot_mean_ns,tpot_p50_ns,tpot_p90_ns,tpot_p99_ns,tpot_n,"
    "deferred_macs,deferred_bytes\r\n";

static void text(struct jb_str *b, const char *value)
{
    jb_str_add_csv(b, jb_text(value, ""));
    jb_str_add(b, ",");
}

// Shortest text that reads back equal; empty for what there is not.
static void number(struct jb_str *b, double v, const char *after)
{
    char s[40] = "";
    for (int digits = 15; isfinite(v) && digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, v);
        if (strtod(s, NULL) == v)
            break;
    }
    jb_str_addf(b, "%s%s", s, after);
}

static void num(struct jb_str *b, double v) { number(b, v, ","); }

static void count(struct jb_str *b, uint64_t v) { jb_str_addf(b, "%" PRIu64 ",", v); }

static void pairs(struct jb_str *b, const struct jb_kd *kd, size_t n)
{
    struct jb_str s = {0};
    for (size_t i = 0; i < n; i++) {
        jb_str_addf(&s, "%s%s=", i ? ";" : "", jb_text(kd[i].name, ""));
        number(&s, kd[i].value, "");
    }
    text(b, jb_str_get(&s));
    b->failed |= s.failed;
    jb_str_free(&s);
}

static void setting(struct jb_str *b, const struct jb_result_cell *c)
{
    text(b, c->id);
    text(b, c->key);
    text(b, c->label);
    text(b, c->role);
    text(b, c->workload);
    text(b, c->model);
    text(b, c->precision);
    text(b, c->policy);
    pairs(b, c->policy_params, c->n_policy_params);
    num(b, c->threshold);
    for (uint32_t i = 0; i < c->n_thresholds && i < JB_RESULT_MAX_EXITS; i++)
        number(b, c->thresholds[i], i + 1 < c->n_thresholds ? ";" : "");
    jb_str_add(b, ",");
    text(b, c->threshold_source);
    num(b, c->target_loss);
    text(b, c->calibration_id);
    count(b, c->threads);
    count(b, c->streams);
    num(b, c->power_limit_w);
    text(b, c->scenario);
    text(b, c->unit);
    text(b, jb_cell_status_name(c->status));
    text(b, c->reason);
}

static void figures(struct jb_str *b, const struct jb_result_cell *c)
{
    num(b, c->accuracy.value);
    num(b, c->accuracy.lower);
    num(b, c->accuracy.upper);
    count(b, c->accuracy.n);
    num(b, c->accuracy_loss);
    num(b, jb_cell_percentile(c, 0.5));
    num(b, jb_cell_percentile(c, 0.9));
    num(b, jb_cell_percentile(c, 0.99));
    num(b, c->latency_mean_ns);
    num(b, c->latency_mean_ci.lower);
    num(b, c->latency_mean_ci.upper);
    count(b, c->n_queries);
    count(b, c->n_blocks);
    num(b, c->throughput_per_s);
    num(b, c->macs_mean);
    pairs(b, c->macs_by_precision, c->n_macs_by_precision);
    num(b, c->bytes_mean);
    for (uint32_t i = 0; i < c->n_exits && i < JB_RESULT_MAX_EXITS; i++)
        jb_str_addf(b, "%s%" PRIu64, i ? ";" : "", c->exit_histogram[i]);
    jb_str_add(b, ",");
    num(b, c->regret_macs);
    num(b, c->overthinking_wasteful);
    num(b, c->overthinking_destructive);
    num(b, c->model_bytes);
    num(b, c->session_bytes);
    num(b, c->peak_rss_bytes);
    num(b, c->load_ns);
}

// The relative figure and the one in microjoules may come from two models: "a;b".
static void modelled(struct jb_str *b, const struct jb_result_cell *c)
{
    struct jb_str s = {0};
    double uj = NAN;
    for (size_t i = 0; i < c->n_modelled; i++) {
        jb_str_addf(&s, "%s%s", i ? ";" : "", jb_text(c->modelled[i].source, ""));
        if (!isfinite(uj))
            uj = c->modelled[i].uj;
    }
    text(b, c->n_modelled ? jb_str_get(&s) : NULL);
    b->failed |= s.failed;
    jb_str_free(&s);
    num(b, jb_cell_cost(c, JB_COST_MODELLED));
    num(b, uj);
}

static void energy(struct jb_str *b, const struct jb_result_cell *c)
{
    const struct jb_result_energy *e = &c->energy;
    bool have = jb_cell_has_energy(c);
    text(b, jb_energy_class_name(have ? e->cls : JB_ENERGY_NONE));
    text(b, e->source);
    text(b, e->per);
    num(b, have ? e->gross_uj : NAN);
    num(b, have ? e->gross_lower_uj : NAN);
    num(b, have ? e->gross_upper_uj : NAN);
    num(b, have ? e->net_uj : NAN);
    num(b, have ? e->net_lower_uj : NAN);
    num(b, have ? e->net_upper_uj : NAN);
    num(b, have ? e->per_correct_uj : NAN);
    num(b, have ? e->per_correct_lower_uj : NAN);
    num(b, have ? e->per_correct_upper_uj : NAN);
    text(b, e->root);
    text(b, e->domains);
    num(b, have ? e->power_w : NAN);
    num(b, have ? e->idle_w : NAN);
    num(b, have ? e->idle_lower_w : NAN);
    num(b, have ? e->idle_upper_w : NAN);
    num(b, have ? e->edp_uj_ms : NAN);
    num(b, have ? e->half_width : NAN);
    count(b, e->windows);
    count(b, e->windows_failed);
    count(b, e->drift_windows);
    text(b, have ? e->stopped : NULL);
    text(b, e->remark);
    text(b, e->reason);
    modelled(b, c);
    num(b, c->others.share);
    count(b, c->others.contaminated);
    count(b, c->others.repeated);
}

static void times(struct jb_str *b, const struct jb_result_cell *c, const struct jb_result_times *t)
{
    num(b, t->mean);
    num(b, t->p50);
    num(b, t->p90);
    num(b, t->p99);
    if (jb_cell_is_language(c))
        count(b, t->n);
    else
        jb_str_add(b, ",");
}

// Empty where there is no language model, but for the qualities.
static void language(struct jb_str *b, const struct jb_result_cell *c)
{
    const struct jb_result_language *l = &c->language;
    struct jb_str q = {0};
    text(b, l->kv);
    text(b, l->fill);
    for (size_t i = 0; i < c->n_quality; i++) {
        jb_str_addf(&q, "%s%s=", i ? ";" : "", jb_text(c->quality[i].name, ""));
        number(&q, c->quality[i].value, "");
    }
    text(b, jb_str_get(&q));
    b->failed |= q.failed;
    jb_str_free(&q);
    num(b, l->ppl.value);
    num(b, l->ppl.lower);
    num(b, l->ppl.upper);
    num(b, l->prompt);
    num(b, l->committed);
    num(b, l->drafted);
    times(b, c, &l->ttft);
    times(b, c, &l->tpot);
    num(b, l->deferred_macs);
    number(b, l->deferred_bytes, "\r\n");
}

static int rows(struct jb_str *b, const struct jb_result *r, const char *run, struct jb_err *err)
{
    struct jb_view v;
    int rc = jb_view_open(&v, r, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < r->n_cells; i++) {
        text(b, run);
        setting(b, &r->cells[i]);
        figures(b, &r->cells[i]);
        energy(b, &r->cells[i]);
        jb_str_add(b, v.cells[i].front ? "1," : v.cells[i].usable ? "0," : ",");
        language(b, &r->cells[i]);
    }
    jb_view_close(&v);
    return JB_OK;
}

int jb_csv_write(const struct jb_result *const *r, size_t n, const struct jb_report_opts *o, struct jb_err *err)
{
    struct jb_str b = {0};
    int rc = JB_OK;
    jb_str_add(&b, COLUMNS);
    for (size_t i = 0; i < n && !rc; i++) {
        char run[96];
        jb_run_label(run, r[i], i, n);
        rc = rows(&b, r[i], run, err);
    }
    return jb_report_put(o, "results.csv", &b, rc, err);
}
