// Journal lines other than a cell's.
#include "harness/record.h"

#include "harness/host.h"
#include "harness/validity.h"
#include <math.h>

static cJSON *finish(cJSON *o, bool ok)
{
    if (ok) return o;
    cJSON_Delete(o);
    return NULL;
}

static bool put_joules(cJSON *o, const char *key, const struct jb_joules *j)
{
    cJSON *x = jb_joules_to_json(j);
    if (x && cJSON_AddItemToObject(o, key, x)) return true;
    cJSON_Delete(x);
    return false;
}

static bool put_numbers(cJSON *o, const char *key, const double *v, size_t n)
{
    cJSON *list = jb_json_put_array(o, key);
    for (size_t i = 0; list && i < n; i++) {
        cJSON *x = cJSON_CreateNumber(v[i]);
        if (!x || !cJSON_AddItemToArray(list, x)) {
            cJSON_Delete(x);
            return false;
        }
    }
    return list != NULL;
}

static bool put_others(cJSON *o, const struct jb_cputime_span *s)
{
    cJSON *x = jb_json_put_object(o, "others");
    return x && jb_json_put_f64(x, "share", s->share) && jb_json_put_f64(x, "share_least", s->share_least) && jb_json_put_u64(x, "steal_ns", s->steal_ns);
}

// Facts that are not known are left out.
static bool put_machine(cJSON *o, const struct jb_machine_span *s)
{
    cJSON *x = jb_json_put_object(o, "machine");
    bool ok = x && jb_json_put_f64(x, "clock_jump_ns", s->clock_jump_ns);
    if (ok && s->throttles != UINT64_MAX) ok = jb_json_put_u64(x, "throttles", s->throttles);
    if (ok && s->swapped_pages != UINT64_MAX) ok = jb_json_put_u64(x, "swapped_pages", s->swapped_pages);
    if (ok && s->governor_known) ok = jb_json_put_bool(x, "governor_changed", s->governor_changed);
    if (ok && !isnan(s->freq_change)) ok = jb_json_put_f64(x, "freq_change", s->freq_change);
    if (ok && !isnan(s->steal_share)) ok = jb_json_put_f64(x, "steal", s->steal_share) && jb_json_put_f64(x, "steal_least", s->steal_share_least);
    return ok;
}

// A block may be contaminated for a reason that is no check (live: its pair was).
static bool put_contaminated(cJSON *o, const struct jb_around *a)
{
    if (!a->contaminated && !a->invalid) return true;
    cJSON *list = jb_json_put_bool(o, "contaminated", true) && a->invalid ? jb_json_put_array(o, "invalid") : NULL;
    for (int k = 0; k < JB_CHECK_COUNT && list; k++) {
        cJSON *x = a->invalid >> k & 1 ? cJSON_CreateString(jb_check_name((enum jb_check)k)) : NULL;
        if (!(a->invalid >> k & 1) || (x && cJSON_AddItemToArray(list, x))) continue;
        cJSON_Delete(x);
        return false;
    }
    return list || !a->invalid;
}

cJSON *jb_line_note(const char *name, const char *what)
{
    cJSON *o = cJSON_CreateObject();
    if (o && jb_json_put_str(o, "kind", "note") && jb_json_put_str(o, "name", name) && jb_json_put_str(o, "what", what)) return o;
    cJSON_Delete(o);
    return NULL;
}

cJSON *jb_line_stopped(const char *id, const char *why)
{
    cJSON *o = cJSON_CreateObject();
    return finish(o, o && jb_json_put_str(o, "kind", "stopped") && jb_json_put_str(o, "cell", id) && jb_json_put_str(o, "why", why));
}

cJSON *jb_line_warm_up(const char *id, const struct jb_warm_up *w)
{
    cJSON *o = cJSON_CreateObject();
    return finish(o, o && jb_json_put_str(o, "kind", "warm_up") && jb_json_put_str(o, "cell", id) && jb_json_put_bool(o, "steady", w->steady) && jb_json_put_u64(o, "chunks", w->chunks) &&
                         jb_json_put_u64(o, "elapsed_ns", w->elapsed_ns) && jb_json_put_f64(o, "median_ns", w->median_ns) && jb_json_put_f64(o, "p", w->p));
}

cJSON *jb_line_machine(const struct jb_machine_span *s)
{
    cJSON *o = cJSON_CreateObject();
    return finish(o, o && jb_json_put_str(o, "kind", "machine") && jb_json_put_u64(o, "wall_ns", s->cpu.wall_ns) && put_machine(o, s) && (!s->cpu.known || put_others(o, &s->cpu)));
}

cJSON *jb_line_block(const char *id, uint32_t repetition, const struct jb_block *b, const struct jb_raw_place *place, const struct jb_around *a)
{
    cJSON *o = cJSON_CreateObject();
    cJSON *raw = o ? jb_json_put_object(o, "raw") : NULL;
    bool ok = raw && jb_place_to_json(raw, place) && jb_json_put_str(o, "kind", "block") && jb_json_put_str(o, "cell", id) &&
              jb_json_put_u64(o, "repetition", repetition) && jb_json_put_u64(o, "start_ns", b->start_ns) && jb_json_put_u64(o, "wall_ns", b->wall_ns) &&
              jb_json_put_u64(o, "queries", b->raw.n_queries) && jb_json_put_u64(o, "rows", b->raw.n_rows) && jb_json_put_u64(o, "cpu_ns", b->cpu_ns) &&
              jb_json_put_u64(o, "voluntary_switches", b->voluntary_switches) && jb_json_put_u64(o, "involuntary_switches", b->involuntary_switches) &&
              jb_json_put_u64(o, "major_faults", b->major_faults) && put_joules(o, "energy", &b->energy);
    if (ok && b->others.known) ok = put_others(o, &b->others);
    if (ok && a->attempt) ok = jb_json_put_u64(o, "attempt", a->attempt);
    if (ok) ok = put_contaminated(o, a) && put_machine(o, &b->machine);
    if (ok && b->reference_ns) ok = jb_json_put_u64(o, "reference_ns", b->reference_ns);
    if (ok && b->energy.cls != JB_ENERGY_NONE) // without a figure the block's own reason says it all
        ok = jb_json_put_u64(o, "window_rows", b->window_rows) && put_joules(o, "idle_before", &a->idle_before) && put_joules(o, "idle_after", &a->idle_after) && put_joules(o, "net", &a->net) && jb_json_put_bool(o, "drift", a->drift);
    return finish(o, ok);
}

cJSON *jb_line_verdict(const char *id, enum jb_cell_status status, const char *reason)
{
    cJSON *o = cJSON_CreateObject();
    return finish(o, o && jb_json_put_str(o, "kind", "verdict") && jb_json_put_str(o, "cell", id) && jb_json_put_str(o, "status", jb_cell_status_name(status)) &&
                         jb_json_put_str(o, "reason", reason));
}

cJSON *jb_line_calibration(const struct jb_calibration_fact *c, const char *policy, const char *precision, double target_loss)
{
    cJSON *o = cJSON_CreateObject();
    return finish(o, o && jb_json_put_str(o, "kind", "calibration") && jb_json_put_str(o, "key", c->key) && jb_json_put_str(o, "id", c->id) &&
                         jb_json_put_str(o, "policy", policy) && jb_json_put_str(o, "precision", precision) && jb_json_put_f64(o, "target_loss", target_loss) &&
                         jb_json_put_f64(o, "loss_observed", c->loss_observed) && put_numbers(o, "threshold", c->threshold, c->n_exits));
}

cJSON *jb_line_recording(const struct jb_recording_fact *r)
{
    cJSON *o = cJSON_CreateObject();
    cJSON *list = o ? jb_json_put_array(o, "oracles") : NULL;
    bool ok = list && jb_json_put_str(o, "kind", "recording") && jb_json_put_str(o, "key", r->key) && jb_json_put_str(o, "workload", r->workload) &&
              jb_json_put_str(o, "model", r->model) && jb_json_put_str(o, "precision", r->precision);
    for (int i = 0; ok && i < 2; i++) {
        cJSON *x = cJSON_CreateObject();
        ok = x && cJSON_AddItemToArray(list, x);
        if (!ok) cJSON_Delete(x);
        else ok = jb_json_put_str(x, "kind", r->oracle[i].kind) && jb_json_put_f64(x, "accuracy", r->oracle[i].accuracy) && jb_json_put_f64(x, "macs_mean", r->oracle[i].macs_mean);
    }
    return finish(o, ok);
}

cJSON *jb_line_cells(const char *const *ids, size_t n)
{
    cJSON *o = cJSON_CreateObject();
    cJSON *list = o ? jb_json_put_array(o, "ids") : NULL;
    bool ok = list && jb_json_put_str(o, "kind", "cells");
    for (size_t i = 0; ok && i < n; i++) {
        cJSON *x = cJSON_CreateString(ids[i]);
        ok = x && cJSON_AddItemToArray(list, x);
        if (!ok) cJSON_Delete(x);
    }
    return finish(o, ok);
}

static bool put_sampler(cJSON *o, const struct jb_sampler_stats *s)
{
    if (!s->period_ns) return true; // there is none
    cJSON *x = jb_json_put_object(o, "power_sampler");
    return x && jb_json_put_u64(x, "period_ns", s->period_ns) && jb_json_put_u64(x, "reads", s->reads) && jb_json_put_u64(x, "cpu_ns", s->cpu_ns) &&
           jb_json_put_u64(x, "wall_ns", s->wall_ns) && jb_json_put_f64(x, "share", s->share) && (s->cpu < 0 || jb_json_put_u64(x, "cpu", (uint64_t)s->cpu));
}

cJSON *jb_line_end(bool complete, const char *finished, uint64_t peak_rss_bytes, const struct jb_sampler_stats *sampler)
{
    cJSON *o = cJSON_CreateObject();
    return finish(o, o && put_sampler(o, sampler) && jb_json_put_str(o, "kind", "end") && jb_json_put_bool(o, "complete", complete) && jb_json_put_str(o, "finished", finished) &&
                         jb_json_put_u64(o, "peak_rss_bytes", peak_rss_bytes));
}
