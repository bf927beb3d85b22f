// Two runs, or one against several: which cells belong together, and what of them may be compared.
#include "harness/compare_parts.h"

#include "base/clock.h"
#include "base/exit.h"
#include "base/version.h"
#include "harness/build.h"
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NOBODY SIZE_MAX

void jb_compare_opts_default(struct jb_compare_opts *o) { *o = (struct jb_compare_opts){ .confidence = 0.95, .resamples = 2000, .seed = 1 }; }

int jb_compare_open(struct jb_comparison **out, const char *mode, const struct jb_compare_opts *o, struct jb_err *err)
{
    char now[32];
    struct jb_comparison *c = NULL;
    if (!(o->confidence >= 0.5 && o->confidence <= 0.999)) return jb_fail(err, JB_E_RANGE, "confidence %g is not between 0.5 and 0.999", o->confidence);
    if (o->resamples < 200 || o->resamples > 1000000) return jb_fail(err, JB_E_RANGE, "%u resamples: from 200 to 1000000", o->resamples);
    if (jb_comparison_open(&c)) return jb_fail(err, JB_E_NOMEM, "comparison");
    jb_time_iso8601(jb_realtime_ns(), now);
    c->mode = mode;
    c->confidence = o->confidence;
    c->started = jb_comparison_str(c, now);
    c->joulebench_version = jb_version();
    if (!c->started) {
        jb_comparison_close(c);
        return jb_fail(err, JB_E_NOMEM, "comparison");
    }
    *out = c;
    return 0;
}

// ---- matching ----

struct match { size_t a, b; };           // cells of the two results, or NOBODY

static bool wanted(const char *only, const struct jb_result_cell *c) { return !only || fnmatch(only, c->label ? c->label : "", 0) == 0; }

static size_t find_key(const struct jb_result *r, const char *key, const bool *used)
{
    for (size_t i = 0; i < r->n_cells; i++)
        if (!used[i] && key && r->cells[i].key && !strcmp(r->cells[i].key, key)) return i;
    return NOBODY;
}

// A key matches once. In the order of the baseline, then what only the candidate has.
static size_t match_keys(const struct jb_result *a, const struct jb_result *b, bool *used, const char *only, struct match *m, size_t *together)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n_cells; i++) {
        size_t k = find_key(b, a->cells[i].key, used);
        if (k != NOBODY) used[k] = true;
        if (!wanted(only, &a->cells[i]) && (k == NOBODY || !wanted(only, &b->cells[k]))) continue;
        m[n++] = (struct match){ i, k };
        *together += k != NOBODY;
    }
    for (size_t k = 0; k < b->n_cells; k++)
        if (!used[k] && wanted(only, &b->cells[k])) m[n++] = (struct match){ NOBODY, k };
    return n;
}

static int no_common_cell(const struct jb_run_data *a, const struct jb_run_data *b, const char *only, size_t n, struct jb_err *err)
{
    const struct jb_result *x = jb_run_data_result(a), *y = jb_run_data_result(b);
    if (!x->n_cells || !y->n_cells) return jb_fail(err, JB_E_MISMATCH, "%s: the run has no cell", jb_run_data_name(x->n_cells ? b : a));
    if (only && !n) return jb_fail(err, JB_E_NOT_FOUND, "no cell of %s or %s matches \"%s\"", jb_run_data_name(a), jb_run_data_name(b), only);
    return jb_fail(err, JB_E_MISMATCH, "%s and %s have no cell in common (%zu and %zu cells, such as \"%s\" and \"%s\"): cells match by their names and axis values, so both plans must use the same",
                   jb_run_data_name(a), jb_run_data_name(b), x->n_cells, y->n_cells, x->cells[0].label, y->cells[0].label);
}

// *out is owned. Where no key matches and either side has one cell, these two are the pair: two models, or two settings.
static int match(const struct jb_run_data *a, const struct jb_run_data *b, const struct jb_compare_opts *o, struct match **out, size_t *n, struct jb_err *err)
{
    const struct jb_result *x = jb_run_data_result(a), *y = jb_run_data_result(b);
    struct match *m = calloc(x->n_cells + y->n_cells + 1, sizeof *m);
    bool *used = calloc(y->n_cells + 1, sizeof *used);
    size_t together = 0;
    int rc = m && used ? 0 : jb_fail(err, JB_E_NOMEM, "comparison");
    *n = rc ? 0 : match_keys(x, y, used, o->only, m, &together);
    free(used);
    if (!rc && !together && !o->gather && *n == 2 && m[0].b == NOBODY && m[1].a == NOBODY) {
        m[0].b = m[1].b;
        *n = together = 1;
    }
    if (!rc && !together) rc = no_common_cell(a, b, o->only, *n, err);
    if (rc) free(m);
    else *out = m;
    return rc;
}

// ---- one pair ----

struct runs { struct jb_comparison *c; const struct jb_run_data *a, *b; bool paired; const struct jb_compare_opts *o; const char *run; struct jb_fronts fronts; };

static int name_cell(struct jb_comparison *c, const struct jb_result_cell *a, const struct jb_result_cell *b, struct jb_compared_cell *out)
{
    out->key = jb_comparison_str(c, a ? a->key : b->key);
    out->label = a ? jb_comparison_str(c, a->label) : NULL;
    out->label_candidate = b ? jb_comparison_str(c, b->label) : NULL;
    out->unit = a || b ? jb_comparison_str(c, (a ? a : b)->unit) : NULL;
    out->baseline_status = a ? a->status : JB_CELL_UNAVAILABLE;
    out->candidate_status = b ? b->status : JB_CELL_UNAVAILABLE;
    return out->key && out->unit && (!a || !a->label || out->label) && (!b || !b->label || out->label_candidate) ? 0 : JB_E_NOMEM;
}

// Why a pair is not compared at all; NULL: it is. *rc tells of memory.
static const char *not_compared(struct jb_comparison *c, const struct jb_result_cell *a, const struct jb_result_cell *b, int *rc)
{
    const char *text = NULL;
    if (!a || !b) return a ? "only the baseline has it" : "only the candidate has it";
    if (a->status != JB_CELL_VALID) text = jb_comparison_strf(c, "the baseline's cell is %s: %s", jb_cell_status_name(a->status), a->reason ? a->reason : "no reason was given");
    else if (b->status != JB_CELL_VALID) text = jb_comparison_strf(c, "the candidate's cell is %s: %s", jb_cell_status_name(b->status), b->reason ? b->reason : "no reason was given");
    else return NULL;
    if (!text) *rc = JB_E_NOMEM;
    return text;
}

static int measure_pair(struct runs *r, struct match m, struct jb_compared_cell *out, struct jb_err *err)
{
    const struct jb_result *x = jb_run_data_result(r->a), *y = jb_run_data_result(r->b);
    struct jb_side_cell a = { 0 }, b = { 0 };
    struct jb_refusals no;
    int rc = jb_compare_refusals(r->c, x, y, jb_run_data_split(r->a), jb_run_data_split(r->b), y->cells[m.b].workload, &no);
    if (rc) return jb_fail(err, rc, "comparison");
    rc = jb_run_data_cell(r->a, m.a, &a, err);
    if (!rc) rc = jb_run_data_cell(r->b, m.b, &b, err);
    if (!rc) rc = jb_compare_metrics(r->c, &a, &b, r->paired, r->o, &no, out, err);
    if (!rc && jb_compare_tail(r->c, &b, out)) rc = jb_fail(err, JB_E_NOMEM, "comparison");
    jb_side_cell_free(&a);
    jb_side_cell_free(&b);
    return rc;
}

static int add_pair(struct runs *r, struct match m, struct jb_compared_cell *out, struct jb_err *err)
{
    const struct jb_result_cell *a = m.a == NOBODY ? NULL : &jb_run_data_result(r->a)->cells[m.a], *b = m.b == NOBODY ? NULL : &jb_run_data_result(r->b)->cells[m.b];
    int rc = name_cell(r->c, a, b, out);
    out->run = r->run;
    if (b) {
        out->front = r->fronts.latency[m.b];
        out->front_joules = r->fronts.joules[m.b];
    }
    if (!rc) out->reason = not_compared(r->c, a, b, &rc);
    if (rc) return jb_fail(err, rc, "comparison");
    return out->reason ? 0 : measure_pair(r, m, out, err);
}

// Whether latencies are normalised follows from the plans, which were fixed before anything was measured and must agree, or from what doctor learned on this machine: never from what is compared.
static int normalises(const struct jb_compare_opts *o, const struct jb_run_data *a, const struct jb_run_data *b, bool *out, struct jb_err *err)
{
    int rc = o->learned ? jb_noise_rule_of(o->learned, jb_run_data_result(a), jb_run_data_name(a), err) : 0;
    if (!rc && o->learned) rc = jb_noise_rule_of(o->learned, jb_run_data_result(b), jb_run_data_name(b), err);
    *out = o->learned ? o->learned->reference : o->normalise || (jb_run_data_normalise(a) && jb_run_data_normalise(b));
    if (rc || o->learned || o->normalise) return rc;
    return jb_run_data_doctor(a) || jb_run_data_doctor(b) ? jb_noise_rule_missing(jb_run_data_name(jb_run_data_doctor(a) ? a : b), err) : 0;
}

static int tell_rule(struct jb_comparison *c, const char *name, const struct jb_noise_rule *r)
{
    char text[JB_NOISE_RULE_TEXT];
    if (!r) return 0;
    jb_noise_rule_text(text, r);
    for (size_t i = 0; i < c->n_differences; i++)
        if (!strcmp(c->differences[i].name, name) && !strcmp(c->differences[i].value, text)) return 0; // of several candidates
    return jb_compare_tell(c, name, jb_comparison_str(c, text));
}

// One rule is told once; of two runs that did not share one, each has its own, and both must say so before anything is divided.
static int tell_rules(struct jb_comparison *c, const struct jb_run_data *a, const struct jb_run_data *b, const struct jb_compare_opts *o)
{
    const struct jb_noise_rule *x = jb_run_data_learned(a), *y = jb_run_data_learned(b);
    if (o->learned || (x && y && !strcmp(x->sha256, y->sha256))) return tell_rule(c, "normalise", o->learned ? o->learned : x);
    int rc = tell_rule(c, "normalise (baseline)", x);
    return rc ? rc : tell_rule(c, "normalise (candidate)", y);
}

int jb_compare_runs(struct jb_comparison *c, const struct jb_run_data *a, const struct jb_run_data *b, bool paired, const struct jb_compare_opts *given, const char *run, struct jb_err *err)
{
    struct jb_compare_opts mine = *given;
    const struct jb_compare_opts *o = &mine;
    struct runs r = { .c = c, .a = a, .b = b, .paired = paired, .o = o, .run = run };
    struct match *m = NULL;
    size_t n = 0;
    int rc = normalises(given, a, b, &mine.normalise, err);
    if (!rc) rc = match(a, b, o, &m, &n, err);
    if (rc) return rc;
    struct jb_compared_cell *cells = jb_comparison_array(c, c->n_cells + n, sizeof *cells);
    if (!cells) rc = jb_fail(err, JB_E_NOMEM, "comparison");
    if (!rc) rc = jb_compare_fronts(c, b, o, &r.fronts, err);
    if (!rc && c->n_cells) memcpy(cells, c->cells, c->n_cells * sizeof *cells);
    for (size_t i = 0; i < n && !rc; i++) rc = add_pair(&r, m[i], &cells[c->n_cells + i], err);
    free(m);
    if (rc) return rc;
    c->cells = cells;
    c->n_cells += n;
    if (tell_rules(c, a, b, o) || jb_compare_environment(c, jb_run_data_result(a), jb_run_data_result(b), run)) return jb_fail(err, JB_E_NOMEM, "comparison");
    return 0;
}

// ---- past ----

// A cell that failed or is invalid is told by the exit code, as `report` does; unavailable is not.
static int exit_code_of(const struct jb_comparison *c)
{
    for (size_t i = 0; i < c->n_cells; i++) {
        enum jb_cell_status a = c->cells[i].baseline_status, b = c->cells[i].candidate_status;
        if (a == JB_CELL_FAILED || a == JB_CELL_INVALID || b == JB_CELL_FAILED || b == JB_CELL_INVALID) return JB_EXIT_CELL;
    }
    return JB_EXIT_OK;
}

static int name_side(struct jb_comparison *c, const struct jb_run_data *d, const char **name, struct jb_kv **environment, size_t *n)
{
    *name = jb_comparison_str(c, jb_run_data_name(d));
    return *name ? jb_compare_facts(c, jb_run_data_result(d), environment, n) : JB_E_NOMEM;
}

int jb_compare_end(struct jb_comparison *c, struct jb_err *err)
{
    char now[32];
    int rc = jb_compare_finish(c, err);
    if (rc) return rc;
    jb_time_iso8601(jb_realtime_ns(), now);
    c->finished = jb_comparison_str(c, now);
    c->exit_code = exit_code_of(c);
    return c->finished ? 0 : jb_fail(err, JB_E_NOMEM, "comparison");
}

// d NULL: the run cannot be read; it has a name all the same.
static int add_candidate(struct jb_comparison *c, const struct jb_run_data *d, const char *dir, bool first, const char **run)
{
    if (first && !d) return (c->candidate_name = jb_comparison_str(c, dir)) ? 0 : JB_E_NOMEM;
    if (first) return name_side(c, d, &c->candidate_name, &c->candidate_environment, &c->n_candidate_environment);
    struct jb_compared_run *grown = jb_comparison_array(c, c->n_others + 1, sizeof *grown);
    if (!grown) return JB_E_NOMEM;
    if (c->n_others) memcpy(grown, c->others, c->n_others * sizeof *grown);
    c->others = grown;
    struct jb_compared_run *x = &grown[c->n_others++];
    int rc = d ? name_side(c, d, &x->name, &x->environment, &x->n_environment) : (x->name = jb_comparison_str(c, dir)) ? 0 : JB_E_NOMEM;
    *run = x->name;
    return rc;
}

static int add_run(struct jb_comparison *c, const struct jb_run_data *a, const char *dir, bool first, bool several, const struct jb_compare_opts *o, struct jb_err *err)
{
    struct jb_run_data *b = NULL;
    const char *run = NULL;
    int rc = jb_run_data_open(&b, dir, err);
    bool named = !rc || (o->gather && rc != JB_E_NOMEM);
    if (named && add_candidate(c, b, dir, first, &run)) rc = jb_fail(err, JB_E_NOMEM, "comparison");
    if (!rc) rc = jb_compare_runs(c, a, b, false, o, several ? run ? run : c->candidate_name : NULL, err);
    jb_run_data_close(b);
    if (!rc || !o->gather || rc == JB_E_NOMEM) return rc;
    return jb_compare_tell(c, "not compared", jb_comparison_str(c, err->detail)) ? jb_fail(err, JB_E_NOMEM, "comparison") : 0;
}

static int compare_dirs(struct jb_comparison *c, const char *const *dirs, size_t n, const struct jb_compare_opts *o, struct jb_err *err)
{
    struct jb_run_data *a = NULL;
    int rc = jb_run_data_open(&a, dirs[0], err);
    if (!rc && name_side(c, a, &c->baseline_name, &c->baseline_environment, &c->n_baseline_environment)) rc = jb_fail(err, JB_E_NOMEM, "comparison");
    for (size_t i = 1; i < n && !rc; i++) rc = add_run(c, a, dirs[i], i == 1, n > 2, o, err);
    jb_run_data_close(a);
    return rc ? rc : jb_compare_end(c, err);
}

static int compare_all(const char *mode, const char *const *dirs, size_t n, const struct jb_compare_opts *o, struct jb_comparison **out, struct jb_err *err)
{
    struct jb_comparison *c = NULL;
    int rc = jb_compare_open(&c, mode, o, err);
    if (!rc) rc = compare_dirs(c, dirs, n, o, err);
    if (rc) jb_comparison_close(c);
    else *out = c;
    return rc;
}

int jb_compare_past(const char *baseline_dir, const char *candidate_dir, const struct jb_compare_opts *o, struct jb_comparison **out, struct jb_err *err)
{
    return compare_all(o->across ? "across" : "past", (const char *const[]){ baseline_dir, candidate_dir }, 2, o, out, err);
}

int jb_compare_across(const char *const *dirs, size_t n, const struct jb_compare_opts *o, struct jb_comparison **out, struct jb_err *err)
{
    if (n < 2) return jb_fail(err, JB_E_USAGE, "side by side: at least two runs are needed");
    return compare_all("across", dirs, n, o, out, err);
}
