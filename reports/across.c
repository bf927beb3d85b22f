// The cells of a comparison across runs, arranged by setting, and what must stand beside them.
#include "reports/across.h"

#include "reports/comparison_codec.h"
#include "reports/formats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *run_name(const struct jb_comparison *c, size_t run)
{
    return run == 0 ? c->baseline_name : run == 1 ? c->candidate_name : c->others[run - 2].name;
}

static bool same(const char *a, const char *b) { return a && b && strcmp(a, b) == 0; }

// The same run may be named twice: it has the same figures both times.
static const struct jb_compared_cell *find(const struct jb_comparison *c, const char *key, size_t run)
{
    for (size_t i = 0; i < c->n_cells; i++)
        if (same(c->cells[i].key, key) && (c->n_others == 0 || same(c->cells[i].run, run_name(c, run))))
            return &c->cells[i];
    return NULL;
}

int jb_across_open(struct jb_across *a, const struct jb_comparison *c, const struct jb_result *const *r, size_t n)
{
    *a = (struct jb_across){.c = c, .r = r, .n = n};
    if (n < 2 || c->n_others != n - 2)
        return JB_E_INVALID;
    a->cell = calloc((r[0]->n_cells + 1) * n, sizeof *a->cell);
    if (!a->cell)
        return JB_E_NOMEM;
    for (size_t i = 0; i < r[0]->n_cells; i++) {
        const struct jb_compared_cell **row = a->cell + a->n_keys * n;
        bool any = false;
        for (size_t run = 1; run < n; run++) {
            row[run] = find(c, r[0]->cells[i].key, run);
            any |= row[run] && !row[run]->reason;
        }
        a->n_keys += any;
    }
    return JB_OK;
}

void jb_across_close(struct jb_across *a)
{
    free(a->cell);
    *a = (struct jb_across){0};
}

static const struct jb_compared_cell *first_of(const struct jb_across *a, size_t key)
{
    size_t run = 1;
    while (run + 1 < a->n && !a->cell[key * a->n + run])
        run++;
    return a->cell[key * a->n + run];
}

const char *jb_across_label(const struct jb_across *a, size_t key) { return jb_text(first_of(a, key)->label, "?"); }

static bool listed(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

size_t jb_across_metrics(const struct jb_across *a, size_t key, const char *out[JB_ACROSS_METRICS])
{
    size_t n = 0;
    for (size_t run = 1; run < a->n; run++) {
        const struct jb_compared_cell *cell = a->cell[key * a->n + run];
        for (size_t i = 0; cell && i < cell->n_metrics && n < JB_ACROSS_METRICS; i++) {
            const struct jb_compared_metric *m = &cell->metrics[i];
            if ((isfinite(m->baseline) || isfinite(m->candidate)) && !listed(out, n, m->name))
                out[n++] = m->name;
        }
    }
    return n;
}

// ---- one figure ----

static void ratio_text(char out[64], const struct jb_compared_metric *m)
{
    if (m->is_difference || !isfinite(m->effect) || fabs(m->effect) > 1e12)
        jb_compared_change_text(out, m);
    else if (isfinite(m->lower) && isfinite(m->upper))
        snprintf(out, 64, m->effect < 10 && m->effect >= 0.1 ? "%.3fx [%.3f, %.3f]" : "%.3gx [%.3g, %.3g]", m->effect, m->lower, m->upper);
    else
        snprintf(out, 64, m->effect < 10 && m->effect >= 0.1 ? "%.3fx" : "%.3gx", m->effect);
    if (strcmp(out, "n/a") == 0)
        snprintf(out, 64, "no ratio");
}

// The first run's figure: from a pair that was compared, else from any.
static double first_figure(const struct jb_across *a, size_t key, const char *metric)
{
    double value = NAN;
    for (size_t run = 1; run < a->n; run++) {
        const struct jb_compared_cell *cell = a->cell[key * a->n + run];
        const struct jb_compared_metric *m = cell ? jb_compared_metric_find(cell, metric) : NULL;
        if (m && isfinite(m->baseline) && (isnan(value) || isfinite(m->effect)))
            value = m->baseline;
        if (m && isfinite(m->effect))
            break;
    }
    return value;
}

static const char *class_of(const struct jb_result *r, const char *key, const char *metric)
{
    for (size_t i = 0; i < r->n_cells && strncmp(metric, "uj_", 3) == 0; i++)
        if (same(r->cells[i].key, key))
            return r->cells[i].energy.cls == JB_ENERGY_NONE ? NULL : jb_energy_class_name(r->cells[i].energy.cls);
    return NULL;
}

void jb_across_figure(const struct jb_across *a, size_t key, const char *metric, size_t run, struct jb_across_figure *out)
{
    const struct jb_compared_cell *cell = a->cell[key * a->n + run];
    const struct jb_compared_metric *m = cell ? jb_compared_metric_find(cell, metric) : NULL;
    double value = run == 0 ? first_figure(a, key, metric) : m ? m->candidate : NAN;
    *out = (struct jb_across_figure){.energy_class = isfinite(value) ? class_of(a->r[run], first_of(a, key)->key, metric) : NULL};
    jb_compared_value_text(out->value, metric, value);
    if (run && m)
        ratio_text(out->ratio, m);
    else if (run)
        snprintf(out->ratio, sizeof out->ratio, "no ratio");
}

// ---- notes ----

#define MAX_NOTES 64 // more reasons than this are a defect of their own; results-set.json has them all

#define MAX_RUNS 64  // more are not named

// One reason, whichever runs and metrics it holds for.
struct note { const char *reason, *names[JB_ACROSS_METRICS]; size_t n_names, cells; uint64_t runs; bool numbers; };
struct notes { struct note *note; size_t n, dropped; };

// "99 queries: at least 200 are needed" and "86 queries: ..." are one reason.
static const char *behind_number(const char *text) { return text + strspn(text, "0123456789"); }

static struct note *note_of(struct notes *all, size_t run, const char *reason)
{
    size_t i = 0;
    while (i < all->n && strcmp(behind_number(all->note[i].reason), behind_number(reason)))
        i++;
    if (i == MAX_NOTES) {
        all->dropped++;
        return NULL;
    }
    struct note *note = &all->note[i];
    if (i == all->n) {
        *note = (struct note){.reason = reason};
        all->n++;
    }
    note->numbers |= strcmp(note->reason, reason) != 0;
    if (run < MAX_RUNS)
        note->runs |= UINT64_C(1) << run;
    return note;
}

static void collect_cell(struct notes *all, size_t run, const struct jb_compared_cell *cell)
{
    const struct note *counted[JB_ACROSS_METRICS] = {0};
    for (size_t i = 0; i < cell->n_metrics && i < JB_ACROSS_METRICS; i++) {
        const struct jb_compared_metric *m = &cell->metrics[i];
        struct note *note = m->reason ? note_of(all, run, m->reason) : NULL;
        bool again = false;
        for (size_t k = 0; k < i; k++)
            again |= note && counted[k] == note;
        counted[i] = note;
        if (!note)
            continue;
        note->cells += !again;
        if (note->n_names < JB_ACROSS_METRICS && !listed(note->names, note->n_names, m->name))
            note->names[note->n_names++] = m->name;
    }
}

// Every cell of the comparison; `at` says of which run it is.
static size_t run_of(const struct jb_comparison *c, const struct jb_compared_cell *cell)
{
    size_t run = 1;
    while (c->n_others && run < c->n_others + 1 && !same(cell->run, run_name(c, run)))
        run++;
    return run;
}

static void collect(struct notes *all, const struct jb_comparison *c)
{
    for (size_t i = 0; i < c->n_cells; i++) {
        const struct jb_compared_cell *cell = &c->cells[i];
        size_t run = run_of(c, cell);
        struct note *note = cell->reason ? note_of(all, run, cell->reason) : NULL;
        if (note)
            note->cells++;
        else if (!cell->reason)
            collect_cell(all, run, cell);
    }
}

static void say_note(const struct jb_across *a, const struct note *note, struct jb_str *s)
{
    char label[96];
    for (size_t run = 0, named = 0; run < a->n && run < MAX_RUNS; run++) {
        if (!(note->runs >> run & 1))
            continue;
        jb_run_label(label, a->r[run], run, a->n);
        jb_str_addf(s, "%s%s", named++ ? ", " : "", label);
    }
    jb_str_add(s, ": ");
    for (size_t i = 0; i < note->n_names; i++)
        jb_str_addf(s, "%s%s", i ? ", " : "", jb_compared_metric_title(note->names[i]));
    jb_str_addf(s, "%s%s (%zu %s%s)", note->n_names ? ": " : "", note->reason, note->cells, note->cells == 1 ? "cell" : "cells", note->numbers ? ", this is the first" : "");
}

int jb_across_notes(const struct jb_across *a, void (*say)(void *user, const char *text), void *user)
{
    struct notes all = {.note = calloc(MAX_NOTES, sizeof *all.note)};
    struct jb_str s = {0};
    if (!all.note)
        return JB_E_NOMEM;
    for (size_t i = 0; i < a->c->n_differences; i++) {
        jb_str_clear(&s);
        jb_str_addf(&s, "%s: %s", a->c->differences[i].name, jb_text(a->c->differences[i].value, "n/a"));
        say(user, jb_str_get(&s));
    }
    collect(&all, a->c);
    for (size_t i = 0; i < all.n; i++) {
        jb_str_clear(&s);
        say_note(a, &all.note[i], &s);
        say(user, jb_str_get(&s));
    }
    if (all.dropped)
        say(user, "More reasons stand in results-set.json.");
    int rc = s.failed ? JB_E_NOMEM : JB_OK;
    jb_str_free(&s);
    free(all.note);
    return rc;
}

// ---- JSON ----

static bool put_results(cJSON *root, const struct jb_result *const *r, size_t n)
{
    cJSON *set = jb_json_put_array(root, "results");
    for (size_t i = 0; i < n && set; i++) {
        cJSON *one = jb_result_to_json(r[i]);
        if (!one || !cJSON_AddItemToArray(set, one)) {
            cJSON_Delete(one);
            return false;
        }
    }
    return set != NULL;
}

cJSON *jb_results_set_to_json(const struct jb_result *const *r, size_t n, const struct jb_comparison *c, const char *reason)
{
    struct jb_codec_out w = {.failed = false};
    cJSON *root = cJSON_CreateObject(), *across = c ? jb_comparison_to_json(c) : NULL;
    bool ok = root && (!c || across) && jb_json_put_str(root, "schema", "joulebench.results-set/1") && put_results(root, r, n);
    if (ok && across) {
        ok = cJSON_AddItemToObject(root, "across", across);
        across = ok ? NULL : across;
    } else if (ok) {
        jb_out_null(&w, root, "across");
    }
    if (ok)
        jb_out_text(&w, root, "across_reason", c ? NULL : jb_text(reason, "not asked for"));
    cJSON_Delete(across);
    if (ok && !w.failed)
        return root;
    cJSON_Delete(root);
    return NULL;
}
