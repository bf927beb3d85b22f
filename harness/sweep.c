// A sweep: plan -> cells -> accuracy -> performance -> result, with everything in the run directory as it comes.
#include "harness/ctx.h"

#include "base/fs.h"
#include "harness/noise_rule.h"
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

// A run has one rule: it is not changed after a look at the half of it.
static int same_rule(const struct jb_ctx *c, struct jb_err *err)
{
    struct jb_noise_rule before;
    const cJSON *settings = c->record.run ? cJSON_GetObjectItemCaseSensitive(c->record.run, "settings") : NULL;
    if (!settings || (!c->o->noise && !cJSON_GetObjectItemCaseSensitive(settings, "normalise_learned"))) return 0;
    bool had = jb_noise_rule_get(&before, settings);
    if (c->o->noise && had && !strcmp(before.sha256, c->o->noise->sha256)) return 0;
    return jb_fail(err, JB_E_MISMATCH, "%s: the run began %s noise file%s%s; go on with the same", c->o->dir, had ? "with another" : "without a", had ? ", sha256 " : "", had ? before.sha256 : "");
}

static int open_store(struct jb_ctx *c, struct jb_err *err)
{
    int rc = jb_store_open(&c->store, c->o->dir, c->o->resume, jb_record_apply, &c->record, err);
    // What another run ended or listed does not hold for this one.
    c->record.complete = false;
    return rc ? rc : same_rule(c, err);
}

static int write_plan(const struct jb_ctx *c, const struct jb_plan *p, struct jb_err *err)
{
    char path[4096];
    if (!c->o->dir) return 0;
    char *text = jb_json_pretty(p->doc.root);
    if (!text) return jb_fail(err, JB_E_NOMEM, "plan");
    int rc = jb_path_join(path, sizeof path, c->o->dir, "plan.json", err);
    if (!rc) rc = jb_write_file_atomic(path, text, strlen(text), err);
    free(text);
    return rc;
}

static uint64_t peak_rss_bytes(void)
{
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) ? 0 : (uint64_t)u.ru_maxrss * 1024;
}

int jb_ctx_run(struct jb_ctx *c, const struct jb_plan *p, bool measure, struct jb_err *err)
{
    int rc = open_store(c, err);
    if (!rc && p) rc = write_plan(c, p, err);
    if (rc) return rc;
    c->harness_ns = jb_harness_cost(c);
    c->measured = measure;
    if (measure) rc = jb_limit_axis_open(c, err);
    if (rc) return rc;
    rc = jb_record_write(&c->record, c->store, jb_run_line(c, p), err);
    if (!rc) rc = jb_accuracy_pass(c, err);
    if (!rc && measure) rc = jb_measure_pass(c, err);
    (void)jb_limit_axis_close(c, NULL); // what could not be put back stands in the state file, and costs no result
    if (rc && rc != JB_E_INTERRUPTED) return rc;
    char now[32];
    jb_time_iso8601(jb_realtime_ns(), now);
    struct jb_err why = { 0 };
    struct jb_sampler_stats sampler = { 0 };
    jb_power_stats(c, &sampler);
    int end = jb_record_write(&c->record, c->store, jb_line_end(!rc, now, peak_rss_bytes(), &sampler), &why);
    if (!end || rc) return rc;
    if (err) *err = why;
    return end;
}

int jb_ctx_result(struct jb_ctx *c, int rc, struct jb_result **out, struct jb_err *err)
{
    if (rc && rc != JB_E_INTERRUPTED) return rc;
    struct jb_err why = { 0 };
    int built = jb_build_result(&c->record, c->store, out, &why);
    if (!built) return rc;
    if (err) *err = why;
    return built;
}

// Before anything is measured: a rule of another machine, or none where the plan wants one, ends it.
static int check_rule(const struct jb_plan *p, const struct jb_sweep_opts *o, struct jb_err *err)
{
    if (o->noise) return jb_noise_rule_here(o->noise, err);
    return p->settings.normalise_doctor ? jb_noise_rule_missing("plan", err) : 0;
}

int jb_sweep_run(const struct jb_plan *p, const struct jb_sweep_opts *o, struct jb_result **out, struct jb_err *err)
{
    *out = NULL;
    int rc = check_rule(p, o, err);
    if (rc) return rc;
    struct jb_ctx *c = calloc(1, sizeof *c);
    if (!c) return jb_fail(err, JB_E_NOMEM, "sweep");
    rc = jb_ctx_open(c, o, &p->settings, p->dir, err);
    if (!rc) rc = jb_ctx_from_plan(c, p, err);
    if (!rc) {
        rc = jb_ctx_run(c, p, true, err);
        if (c->store) rc = jb_ctx_result(c, rc, out, err);
    }
    jb_ctx_close(c);
    free(c);
    return rc;
}

int jb_sweep_load(const char *dir, struct jb_result **out, struct jb_err *err)
{
    struct jb_record record = { 0 };
    struct jb_store *store = NULL;
    int rc = jb_store_open_read(&store, dir, jb_record_apply, &record, err);
    if (!rc) rc = jb_build_result(&record, store, out, err);
    jb_store_close(store);
    jb_record_free(&record);
    return rc;
}
