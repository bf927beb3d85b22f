#include "cli/power_runs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "cli/child.h"
#include "cli/signals.h"

// ---- windows ----

static struct jb_joules end_window(const struct cli_runs *r, const struct jb_window *w, struct jb_joules *parts)
{
    if (!r->m)
        return jb_joules_none(r->why.source, r->why.text);
    return jb_meter_end_parts(r->m, w, parts, parts ? r->n_parts : 0);
}

static void begin_window(const struct cli_runs *r, struct jb_window *w)
{
    if (r->m)
        jb_meter_begin(r->m, w); // what went wrong comes with the figure
}

// Joulebench asleep. A signal ends it early, and then it is no idle window.
static struct jb_joules idle_window(const struct cli_runs *r)
{
    const struct jb_clock clock = jb_clock_monotonic();
    struct jb_window w = { .slot = -1 };
    begin_window(r, &w);
    cli_power_sleep_until(&clock, clock.now_ns(clock.self) + (uint64_t)(r->idle_s * 1e9));
    struct jb_joules j = end_window(r, &w, NULL);
    return cli_signals_seen() ? jb_joules_none(j.source, "a signal came before the idle window was over") : j;
}

// ---- one repetition ----

static void judge_others(struct cli_run *run, const struct jb_cputime *before, const struct jb_cputime *after)
{
    jb_cputime_between(before, after, &run->others);
    run->contaminated = run->others.known && run->others.share_least > CLI_CONTAMINATED_SHARE;
}

static int run_once(const struct cli_runs *r, struct cli_run *run, struct jb_joules *parts, struct jb_err *err)
{
    const struct jb_clock clock = jb_clock_monotonic();
    struct jb_window w = { .slot = -1 };
    struct jb_cputime before, after;
    struct cli_child child;
    begin_window(r, &w);
    jb_cputime_now(&before);
    uint64_t start = clock.now_ns(clock.self);
    int rc = cli_child_start(&child, r->argv, err);
    if (rc == JB_OK)
        cli_child_wait(&child, UINT64_MAX);
    run->time_ns = clock.now_ns(clock.self) - start;
    run->gross = end_window(r, &w, parts);
    if (rc < 0)
        return rc;
    run->exit_code = cli_child_reap(&child, &run->cpu_ns);
    jb_cputime_now(&after); // after reaping: only then the command's time counts as this process's
    judge_others(run, &before, &after);
    return JB_OK;
}

static void add_parts(struct cli_runs *r, const struct jb_joules *parts)
{
    for (size_t i = 0; i < r->n_parts; i++)
        r->part[i] = r->n == 0 ? parts[i] : jb_joules_add(&r->part[i], &parts[i]);
}

// Whether another repetition follows.
static bool goes_on(struct cli_runs *r, int exit_code)
{
    if (!r->exit_code)
        r->exit_code = exit_code;
    r->signal = cli_signals_seen();
    return !r->signal && (exit_code == 0 || r->ignore_failure);
}

static int warm_up(struct cli_runs *r, struct jb_joules *parts, bool *on, struct jb_err *err)
{
    for (size_t i = 0; *on && i < r->warmup; i++) {
        struct cli_run unused = { 0 };
        int rc = run_once(r, &unused, parts, err);
        if (rc < 0)
            return rc;
        *on = goes_on(r, unused.exit_code);
    }
    return JB_OK;
}

static int run_all(struct cli_runs *r, struct jb_joules *parts, struct jb_err *err)
{
    bool on = true;
    int rc = warm_up(r, parts, &on, err);
    if (r->idle_s > 0 && on && rc == JB_OK) {
        r->idle_before = idle_window(r);
        r->has_idle = true;
    }
    for (size_t i = 0; on && rc == JB_OK && i < r->repetitions; i++) {
        struct cli_run run = { .net = jb_joules_none(r->why.source, "no idle window was asked for") };
        rc = run_once(r, &run, parts, err);
        if (rc < 0)
            break;
        add_parts(r, parts);
        r->run[r->n++] = run;
        on = goes_on(r, run.exit_code);
    }
    if (r->has_idle)
        r->idle_after = r->n && !cli_signals_seen() ? idle_window(r) : jb_joules_none(r->idle_before.source, "stopped before the idle window behind the command");
    return rc;
}

static void take_idle_off(struct cli_runs *r)
{
    if (!r->has_idle)
        return;
    jb_joules_idle(&r->idle_before, &r->idle_after, &r->idle, &r->drift);
    for (size_t i = 0; i < r->n; i++)
        r->run[i].net = jb_joules_net(&r->run[i].gross, &r->idle);
}

int cli_runs_measure(struct cli_runs *r, struct jb_err *err)
{
    r->n_parts = r->m ? jb_meter_n_channels(r->m) : 0;
    r->run = calloc(r->repetitions, sizeof *r->run);
    r->part = calloc(r->n_parts + 1, sizeof *r->part);
    struct jb_joules *parts = calloc(r->n_parts + 1, sizeof *parts);
    if (!r->run || !r->part || !parts) {
        free(parts);
        return jb_fail(err, JB_E_NOMEM, "no room for %zu repetitions", r->repetitions);
    }
    int rc = run_all(r, parts, err);
    take_idle_off(r);
    r->signal = cli_signals_seen();
    free(parts);
    return rc;
}

void cli_runs_close(struct cli_runs *r)
{
    free(r->run);
    free(r->part);
    r->run = NULL;
    r->part = NULL;
}

// ---- over the repetitions ----

// One repetition's figure with its bounds; false when it has none.
static bool figure_of(const struct cli_run *run, enum cli_figure figure, double v[3])
{
    const struct jb_joules *j = figure == CLI_NET_UJ || figure == CLI_NET_W ? &run->net : &run->gross;
    double seconds = (double)run->time_ns * 1e-9, factor = 1;
    bool power = figure == CLI_GROSS_W || figure == CLI_NET_W;
    v[1] = v[2] = NAN;
    switch (figure) {
    case CLI_TIME_NS: v[0] = (double)run->time_ns; return true;
    case CLI_CPU_NS: v[0] = (double)run->cpu_ns; return true;
    case CLI_OTHERS_NS: v[0] = (double)run->others.others_ns; v[1] = (double)run->others.others_least_ns; return run->others.known;
    default: break;
    }
    if (!jb_joules_have(j) || (power && !j->window_ns))
        return false;
    if (power)
        factor = 1e3 / (double)j->window_ns;
    if (figure == CLI_EDP_JS)
        factor = 1e-6 * seconds;
    v[0] = j->uj * factor;
    v[1] = j->lower_uj * factor;
    v[2] = j->upper_uj * factor;
    return true;
}

int cli_runs_stat(const struct cli_runs *r, enum cli_figure figure, struct cli_stat *out)
{
    *out = (struct cli_stat){ 0, NAN, NAN, NAN, { NAN, NAN } };
    double *all = calloc(3 * (r->n + 1), sizeof *all), *value[3], v[3];
    size_t n = 0;
    if (!all)
        return JB_E_NOMEM;
    for (size_t k = 0; k < 3; k++)
        value[k] = all + k * (r->n + 1);
    for (size_t i = 0; i < r->n; i++) {
        if (!figure_of(&r->run[i], figure, v))
            continue;
        for (size_t k = 0; k < 3; k++)
            value[k][n] = v[k];
        n++;
    }
    if (n)
        *out = (struct cli_stat){ n, jb_mean(value[0], n), jb_mean(value[1], n), jb_mean(value[2], n), jb_mean_ci95(value[0], n) };
    free(all);
    return JB_OK;
}

enum jb_energy_class cli_runs_class(const struct cli_runs *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (jb_joules_have(&r->run[i].gross))
            return r->run[i].gross.cls;
    return JB_ENERGY_NONE;
}

const char *cli_runs_missing(const struct cli_runs *r, bool net)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct jb_joules *j = net ? &r->run[i].net : &r->run[i].gross;
        if (!jb_joules_have(j))
            return j->reason;
    }
    return r->n ? NULL : r->why.text[0] ? r->why.text : "no repetition was finished";
}

size_t cli_runs_contaminated(const struct cli_runs *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        n += r->run[i].contaminated;
    return n;
}

uint32_t cli_runs_wraps(const struct cli_runs *r)
{
    uint32_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        n += r->run[i].gross.wraps;
    return n;
}
