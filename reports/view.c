// Groups, fronts, the answer and the order of rows.
#include "reports/view.h"

#include "base/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *jb_text(const char *text, const char *otherwise) { return text ? text : otherwise; }

static bool same(const char *a, const char *b) { return strcmp(jb_text(a, ""), jb_text(b, "")) == 0; }

double jb_cell_percentile(const struct jb_result_cell *c, double p)
{
    for (size_t i = 0; i < c->n_percentiles; i++)
        if (fabs(c->percentiles[i].p - p) < 1e-9)
            return c->percentiles[i].ns;
    return NAN;
}

bool jb_cell_has_energy(const struct jb_result_cell *c)
{
    return c->energy.cls != JB_ENERGY_NONE && c->energy.cls != JB_ENERGY_MODELLED && isfinite(c->energy.gross_uj);
}

double jb_cell_energy(const struct jb_result_cell *c) { return jb_cell_has_energy(c) ? c->energy.gross_uj : NAN; }

double jb_cell_half_width(const struct jb_result_cell *c)
{
    const struct jb_result_energy *e = &c->energy;
    return jb_cell_has_energy(c) && e->gross_uj > 0 ? (e->gross_upper_uj - e->gross_lower_uj) / 2 / e->gross_uj : NAN;
}

const char *jb_energy_per(const struct jb_result_cell *c) { return same(c->energy.per, "committed_token") ? "committed token" : jb_text(c->energy.per, "query"); }

bool jb_cell_is_adaptive(const struct jb_result_cell *c) { return same(c->role, "adaptive"); }

double jb_cell_cost(const struct jb_result_cell *c, enum jb_cost cost)
{
    switch (cost) {
    case JB_COST_MEAN: return c->latency_mean_ns;
    case JB_COST_P99: return jb_cell_percentile(c, 0.99);
    case JB_COST_MACS: return c->macs_mean;
    case JB_COST_BYTES: return c->bytes_mean;
    case JB_COST_ENERGY: return jb_cell_energy(c);
    case JB_COST_MODELLED:
        for (size_t i = 0; i < c->n_modelled; i++)
            if (isfinite(c->modelled[i].relative))
                return c->modelled[i].relative;
        return NAN;
    case JB_COST_COUNT: break;
    }
    return NAN;
}

static struct jb_group *group_of(struct jb_view *v, const struct jb_result_cell *c)
{
    for (size_t i = 0; i < v->n_groups; i++) {
        struct jb_group *g = &v->groups[i];
        if (same(g->workload, c->workload) && same(g->scenario, c->scenario) && same(g->unit, c->unit) && g->threads == c->threads && g->streams == c->streams &&
            jb_same_limit(g->power_limit_w, c->power_limit_w))
            return g;
    }
    struct jb_group *g = &v->groups[v->n_groups++];
    *g = (struct jb_group){.workload = jb_text(c->workload, ""), .scenario = jb_text(c->scenario, ""), .unit = jb_text(c->unit, "query"),
        .threads = c->threads, .streams = c->streams, .power_limit_w = c->power_limit_w, .cost = JB_COST_MACS, .best = JB_NO_CELL, .answer = JB_NO_CELL, .full = JB_NO_CELL, .joules = JB_NO_CELL};
    for (size_t i = 0; i < v->r->n_notes; i++)
        if (same(v->r->notes[i].name, c->workload))
            g->note = v->r->notes[i].value;
    return g;
}

static void label_group(struct jb_group *g)
{
    struct jb_str b = {0};
    jb_add_plain(&b, g->workload, 60);
    jb_str_add(&b, ", ");
    jb_add_plain(&b, g->scenario, 40);
    if (g->threads > 1)
        jb_str_addf(&b, ", %u threads", g->threads);
    if (g->streams > 1)
        jb_str_addf(&b, ", %u streams", g->streams);
    char limit[24];
    jb_fmt_limit(limit, g->power_limit_w);
    jb_str_add(&b, limit);
    size_t n = strlen(jb_str_get(&b));
    if (n >= sizeof g->label) // cut where a UTF-8 sequence starts
        for (n = sizeof g->label - 1; n && ((unsigned char)b.s[n] & 0xC0) == 0x80; n--)
            ;
    memcpy(g->label, jb_str_get(&b), n);
    g->label[n] = '\0';
    jb_str_clear(&b);
    jb_add_plain(&b, jb_text(g->note, ""), 30);
    snprintf(g->short_note, sizeof g->short_note, "%.*s", (int)strcspn(jb_str_get(&b), ":;"), jb_str_get(&b));
    jb_str_free(&b);
}

// Front by rising latency, then other usable cells by falling accuracy, then the rest as they come.
static double cost_in_group(const struct jb_view *v, size_t cell) { return jb_cell_cost(&v->r->cells[cell], v->cells[cell].cost); }

static int by_row(const void *x, const void *y, void *user)
{
    const struct jb_view *v = user;
    size_t a = *(const size_t *)x, b = *(const size_t *)y;
    const struct jb_result_cell *ca = &v->r->cells[a], *cb = &v->r->cells[b];
    int ra = v->cells[a].front ? 0 : v->cells[a].usable ? 1 : 2, rb = v->cells[b].front ? 0 : v->cells[b].usable ? 1 : 2;
    if (ra != rb)
        return ra - rb;
    double x_cost = cost_in_group(v, a), y_cost = cost_in_group(v, b);
    if (ra == 1 && jb_cell_value(ca) != jb_cell_value(cb))
        return jb_cell_value(ca) > jb_cell_value(cb) ? -1 : 1;
    if (ra < 2 && x_cost != y_cost)
        return x_cost < y_cost ? -1 : 1;
    return a < b ? -1 : a > b;
}

static int mark_front(struct jb_view *v, struct jb_group *g)
{
    double *cost = malloc((g->n + 1) * sizeof *cost), *value = malloc((g->n + 1) * sizeof *value);
    size_t *index = malloc((g->n + 1) * sizeof *index), *out = malloc((g->n + 1) * sizeof *out), n = 0;
    int rc = cost && value && index && out ? JB_OK : JB_E_NOMEM;
    for (size_t i = 0; i < g->n && !rc; i++) {
        const struct jb_result_cell *c = &v->r->cells[g->cells[i]];
        if (!v->cells[g->cells[i]].usable)
            continue;
        cost[n] = jb_cell_cost(c, g->cost);
        value[n] = jb_cell_value(c);
        index[n++] = g->cells[i];
    }
    size_t n_front = rc ? 0 : jb_pareto(cost, value, n, out);
    for (size_t i = 0; i < n_front; i++)
        v->cells[index[out[i]]].front = true;
    g->n_front = n_front;
    g->n_usable = n;
    free(cost);
    free(value);
    free(index);
    free(out);
    return rc;
}

static void find_answer(struct jb_view *v, struct jb_group *g)
{
    const struct jb_result_cell *cells = v->r->cells;
    for (size_t i = 0; i < g->n_usable; i++)
        if (g->best == JB_NO_CELL || jb_cell_value(&cells[g->cells[i]]) > jb_cell_value(&cells[g->best]))
            g->best = g->cells[i];
    for (size_t i = 0; i < g->n_usable; i++) {
        size_t k = g->cells[i];
        if (jb_cell_value(&cells[k]) < jb_cell_value(&cells[g->best]) - JB_ANSWER_WITHIN - 1e-12)
            continue;
        if (g->answer == JB_NO_CELL || jb_cell_cost(&cells[k], g->cost) < jb_cell_cost(&cells[g->answer], g->cost))
            g->answer = k;
    }
    for (size_t i = 0; i < g->n_usable && g->answer != JB_NO_CELL; i++) { // at the same precision, or else the most accurate
        size_t k = g->cells[i];
        if (!same(cells[k].policy, "final") || !same(cells[k].model, cells[g->answer].model))
            continue;
        bool exact = same(cells[k].precision, cells[g->answer].precision) && same(cells[k].language.kv, cells[g->answer].language.kv);
        if (exact || g->full == JB_NO_CELL || jb_cell_value(&cells[k]) > jb_cell_value(&cells[g->full]))
            g->full = k;
        if (exact)
            break;
    }
}

static void look_at_energy(const struct jb_view *v, struct jb_group *g)
{
    for (size_t i = 0; i < g->n_usable; i++) {
        const struct jb_result_cell *c = &v->r->cells[g->cells[i]];
        if (!jb_cell_has_energy(c))
            continue;
        const char *name = jb_energy_class_name(c->energy.cls);
        g->energy_class = g->energy_class && strcmp(g->energy_class, name) ? "of several classes" : name;
    }
    if (g->n_usable)
        g->joules = jb_fewest_joules(v->r, &v->r->cells[g->cells[0]]);
}

static void look_at_language(const struct jb_view *v, struct jb_group *g)
{
    const struct jb_result_cell *first = NULL;
    g->quality = "accuracy";
    for (size_t i = 0; i < g->n; i++) {
        const struct jb_result_cell *c = &v->r->cells[g->cells[i]];
        if (!jb_cell_is_language(c) || !v->cells[g->cells[i]].usable)
            continue;
        if (!first) {
            first = c;
            g->quality = jb_cell_value_name(c);
        }
        g->tokens = true;
        g->kv_differs |= !same(c->language.kv, first->language.kv);
        g->fill_differs |= !same(c->language.fill, first->language.fill);
    }
}

static int fill_group(struct jb_view *v, struct jb_group *g)
{
    size_t n = 0;
    g->cells = malloc((g->n ? g->n : 1) * sizeof *g->cells);
    if (!g->cells)
        return JB_E_NOMEM;
    for (size_t i = 0; i < v->r->n_cells; i++) {
        const struct jb_result_cell *c = &v->r->cells[i];
        if (v->cells[i].home != (size_t)(g - v->groups))
            continue;
        g->cells[n++] = i;
        if (c->status == JB_CELL_VALID && isfinite(jb_cell_value(c)) && c->latency_mean_ns > 0)
            g->cost = JB_COST_MEAN;
    }
    g->n = n;
    for (size_t i = 0; i < n; i++) {
        const struct jb_result_cell *c = &v->r->cells[g->cells[i]];
        double cost = jb_cell_cost(c, g->cost);
        v->cells[g->cells[i]].cost = g->cost;
        v->cells[g->cells[i]].usable = c->status == JB_CELL_VALID && isfinite(jb_cell_value(c)) && isfinite(cost) && cost >= 0;
    }
    look_at_language(v, g);
    int rc = mark_front(v, g);
    if (rc)
        return rc;
    qsort_r(g->cells, g->n, sizeof *g->cells, by_row, v);
    find_answer(v, g);
    look_at_energy(v, g);
    label_group(g);
    return JB_OK;
}

static void link_hull(struct jb_view *v)
{
    size_t n = v->r->n_cells, k = 0; // rows mostly come in the order of cells: search on from the last match
    for (size_t i = 0; i < v->r->n_hull; i++) {
        const struct jb_result_hull *h = &v->r->hull[i];
        bool macs = same(h->cost, "macs_mean"), full = same(h->against, "full");
        for (size_t tried = 0; tried < n; tried++, k = (k + 1) % n) {
            struct jb_view_cell *c = &v->cells[k];
            if (!same(h->cell_id, v->r->cells[k].id))
                continue;
            const struct jb_result_hull **at = full ? (macs ? &c->full_macs : &c->full_latency) : (macs ? &c->hull_macs : &c->hull_latency);
            *at = h;
            break;
        }
    }
}

static void look_at_cells(struct jb_view *v)
{
    bool one_reason = true;
    for (size_t i = 0; i < v->r->n_sentences; i++)
        v->energy_said |= same(v->r->sentences[i].kind, "energy");
    for (size_t i = 0; i < v->r->n_cells; i++) {
        const struct jb_result_cell *c = &v->r->cells[i];
        if ((unsigned)c->status < 4)
            v->n_by_status[c->status]++;
        v->energy |= jb_cell_has_energy(c);
        v->modelled |= c->n_modelled > 0;
        if (c->status != JB_CELL_VALID || jb_cell_has_energy(c))
            continue;
        if (!v->no_energy_reason)
            v->no_energy_reason = jb_text(c->energy.reason, "no reason was given");
        else
            one_reason &= same(v->no_energy_reason, c->energy.reason);
    }
    if (!one_reason || v->energy)
        v->no_energy_reason = NULL;
}

// Groups with more to choose from come first; the order of the plan decides between equals.
static void sort_groups(struct jb_view *v)
{
    for (size_t i = 1; i < v->n_groups; i++) {
        struct jb_group g = v->groups[i];
        size_t k = i;
        for (; k > 0 && v->groups[k - 1].n_usable < g.n_usable; k--)
            v->groups[k] = v->groups[k - 1];
        v->groups[k] = g;
    }
}

int jb_view_open(struct jb_view *v, const struct jb_result *r, struct jb_err *err)
{
    int rc = JB_OK;
    *v = (struct jb_view){.r = r};
    v->cells = calloc(r->n_cells + 1, sizeof *v->cells);
    v->groups = calloc(r->n_cells + 1, sizeof *v->groups);
    if (!v->cells || !v->groups)
        rc = JB_E_NOMEM;
    if (!rc) {
        look_at_cells(v);
        link_hull(v);
        for (size_t i = 0; i < r->n_cells; i++) {
            struct jb_group *g = group_of(v, &r->cells[i]);
            v->cells[i].home = (size_t)(g - v->groups);
            g->n++;
        }
    }
    for (size_t i = 0; i < v->n_groups && !rc; i++)
        rc = fill_group(v, &v->groups[i]);
    if (!rc)
        sort_groups(v);
    if (!rc)
        return JB_OK;
    jb_view_close(v);
    return jb_fail(err, rc, "report: out of memory");
}

bool jb_only_tokens(const struct jb_view *v)
{
    bool all = v->n_groups > 0;
    for (size_t i = 0; i < v->n_groups; i++)
        all &= strcmp(v->groups[i].unit, "token") == 0;
    return all;
}

void jb_view_close(struct jb_view *v)
{
    for (size_t i = 0; i < v->n_groups; i++)
        free(v->groups[i].cells);
    free(v->groups);
    free(v->cells);
    *v = (struct jb_view){0};
}
