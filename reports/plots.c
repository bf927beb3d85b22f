// Which plots a report has, and making them: data and script first, then gnuplot, then our hand on its SVG.
#include "reports/plots.h"

#include "base/fs.h"
#include "reports/gnuplot.h"
#include "reports/language.h"
#include "reports/plot_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_SVG_BYTES ((size_t)32 << 20)

struct kind_row {
    const char *name, *title, *caption;
    const char *token_title, *token_caption; // of groups whose unit is the token: title behind the quality's name; NULL: as above
    int (*draw)(struct jb_canvas *c, const struct jb_view *views, size_t n, const struct jb_plot *p, bool phone, const char *output);
};
static const struct kind_row KINDS[] = {
    [JB_PLOT_MEAN] = {"latency_mean", "Accuracy against mean latency", "Up and left is better. Filled marks adapt; open ones do not. The pale band is the Pareto front, "
        "the dashed line the hull of static networks and fixed exits: adapting pays where its curve lies above and left of it.",
        "against the time of a token", "Up and left is better. The ringed square is the full model: stopping early pays only up or left of it. Filled marks adapt; crosses adapt and fill the K/V "
        "of skipped layers with a frozen state instead of the exact one. Quality of the tokens committed, by what the workload is about.", jb_plot_tradeoff},
    [JB_PLOT_P99] = {"latency_p99", "Accuracy against p99 latency", "The slowest 1 %: a sample that takes every exit on its way costs more than the plain network.",
        "against p99 time of a token", "The slowest 1 %: a token that goes deep after others left early fills their K/V first.", jb_plot_tradeoff},
    [JB_PLOT_MACS] = {"macs", "Accuracy against arithmetic", "Multiply-accumulate operations of the stages and heads that ran, on average. An oracle leaves at the earliest exit "
        "that is right (earliest-correct) or that says what the last one says (earliest-consistent).",
        "against MACs a token", "Multiply-accumulate operations of a token: stages, gates, heads that were tried, and late fills.", jb_plot_tradeoff},
    [JB_PLOT_BYTES] = {"bytes", "Accuracy against bytes read", "Bytes of weights read, on average.",
        "against bytes read a token", "Weights and K/V that a token reads, late fills included: what a memory-bound model pays for.", jb_plot_tradeoff},
    [JB_PLOT_ENERGY] = {"energy", "Accuracy against energy", "Joules a query, gross. The ring is the setting with the fewest joules per correct answer; the pale band is the Pareto front "
        "of accuracy and joules.",
        "against joules per committed token", "Gross joules per committed token, prompts included. The ring is the setting with the fewest joules among those as good as the best.", jb_plot_tradeoff},
    [JB_PLOT_MODELLED] = {"energy_modelled", "Accuracy against MODELLED energy", "Not measured: computed from operations and bytes with coefficients that were not fitted for this CPU. "
        "Good for ranking only; hollow marks and dotted lines say so.", "against MODELLED energy a token", NULL, jb_plot_tradeoff},
    [JB_PLOT_EXITS] = {"exits", "Where samples leave", "Each bar is one setting, from the first exit (light) to the last (dark).",
        "Where tokens leave", NULL, jb_plot_exits},
    [JB_PLOT_DISTRIBUTION] = {"latency_distribution", "How latency is spread", "An adaptive network has a peak for each exit.",
        "How the time of a token is spread", "A model with early exits has a peak for each exit; late fills are in the tail.", jb_plot_distribution},
    [JB_PLOT_RUNS] = {"runs", "Runs side by side", "The Pareto front of each run. No verdict: machines differ.", NULL, NULL, jb_plot_runs},
};

int jb_views_open(struct jb_view **out, const struct jb_result *const *r, size_t n, struct jb_err *err)
{
    struct jb_view *v = calloc(n ? n : 1, sizeof *v);
    if (!v)
        return jb_fail(err, JB_E_NOMEM, "report: out of memory");
    for (size_t i = 0; i < n; i++) {
        int rc = jb_view_open(&v[i], r[i], err);
        if (rc) {
            jb_views_close(v, i);
            return rc;
        }
    }
    *out = v;
    return JB_OK;
}

void jb_views_close(struct jb_view *v, size_t n)
{
    for (size_t i = 0; v && i < n; i++)
        jb_view_close(&v[i]);
    free(v);
}

static size_t with_cost(const struct jb_view *v, const struct jb_group *g, enum jb_cost cost)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n_usable; i++)
        n += jb_cell_cost(&v->r->cells[g->cells[i]], cost) > 0;
    return n;
}

static bool worth(const struct jb_view *v, const struct jb_group *g, enum jb_plot_kind kind)
{
    struct jb_exit_row rows[2];
    size_t cells[2];
    switch (kind) {
    case JB_PLOT_MEAN: return with_cost(v, g, JB_COST_MEAN) > 1;
    case JB_PLOT_P99: return with_cost(v, g, JB_COST_P99) > 1;
    case JB_PLOT_MACS: return with_cost(v, g, JB_COST_MACS) > 1;
    case JB_PLOT_BYTES: return g->tokens && with_cost(v, g, JB_COST_BYTES) > 1;
    case JB_PLOT_ENERGY: return with_cost(v, g, JB_COST_ENERGY) > 1;
    case JB_PLOT_MODELLED: return with_cost(v, g, JB_COST_MODELLED) > 1;
    case JB_PLOT_EXITS: return jb_exit_rows(v, g, rows, 2) > 0;
    case JB_PLOT_DISTRIBUTION: return jb_distribution_rows(v, g, cells, 2) > 0;
    case JB_PLOT_RUNS: break;
    }
    return false;
}

static void describe(struct jb_plot *p, const struct jb_view *views, size_t n_views)
{
    const struct jb_view *v = &views[p->run];
    const struct kind_row *k = &KINDS[p->kind];
    const struct jb_group *of = p->kind != JB_PLOT_RUNS ? &v->groups[p->group] : NULL;
    char run[16] = "", group[24] = "", title[120];
    bool tokens = of && of->tokens && k->token_title;
    p->caption = tokens && k->token_caption ? k->token_caption : k->caption;
    snprintf(title, sizeof title, "%s", tokens ? k->token_title : k->title);
    if (tokens && strncmp(title, "against", 7) == 0) {
        snprintf(title, sizeof title, "%s %s", jb_quality_words(of->quality), k->token_title);
        if (title[0] >= 'a' && title[0] <= 'z')
            title[0] = (char)(title[0] - 'a' + 'A');
    }
    if (n_views > 1 && p->kind != JB_PLOT_RUNS)
        snprintf(run, sizeof run, "run%zu-", p->run + 1);
    if (v->n_groups > 1 && p->kind != JB_PLOT_RUNS)
        snprintf(group, sizeof group, "-%zu", p->group + 1);
    snprintf(p->name, sizeof p->name, "%s%s%s", run, k->name, group);
    if (p->kind == JB_PLOT_ENERGY)
        snprintf(p->title, sizeof p->title, "%s, %s", title, jb_text(v->groups[p->group].energy_class, "none"));
    else
        snprintf(p->title, sizeof p->title, "%s", title);
    if (v->n_groups > 1 && p->kind != JB_PLOT_RUNS)
        snprintf(p->title + strlen(p->title), sizeof p->title - strlen(p->title), ", %.100s", v->groups[p->group].label);
}

int jb_plots_list(struct jb_plot_list *out, const struct jb_view *views, size_t n, struct jb_err *err)
{
    size_t room = 1;
    for (size_t i = 0; i < n; i++)
        room += (views[i].n_groups < JB_MAX_PLOT_GROUPS ? views[i].n_groups : JB_MAX_PLOT_GROUPS) * JB_PLOT_RUNS;
    *out = (struct jb_plot_list){.plots = calloc(room, sizeof *out->plots)};
    if (!out->plots)
        return jb_fail(err, JB_E_NOMEM, "plots: out of memory");
    if (n > 1 && views[0].n_groups && views[0].groups[0].n_front) {
        out->plots[0] = (struct jb_plot){.kind = JB_PLOT_RUNS};
        describe(&out->plots[out->n++], views, n);
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t g = 0; g < views[i].n_groups && g < JB_MAX_PLOT_GROUPS; g++) {
            for (int kind = 0; kind < JB_PLOT_RUNS; kind++) {
                if (!worth(&views[i], &views[i].groups[g], (enum jb_plot_kind)kind))
                    continue;
                out->plots[out->n] = (struct jb_plot){.kind = (enum jb_plot_kind)kind, .run = i, .group = g};
                out->plots[out->n].side = kind == JB_PLOT_ENERGY || (kind == JB_PLOT_P99 && !worth(&views[i], &views[i].groups[g], JB_PLOT_ENERGY));
                describe(&out->plots[out->n++], views, n);
            }
        }
    }
    return JB_OK;
}

void jb_plots_free(struct jb_plot_list *list)
{
    free(list->plots);
    *list = (struct jb_plot_list){0};
}

struct job {
    const struct jb_view *views;
    size_t n;
    const struct jb_plot *plot;
    const char *dir, *program;
    struct jb_err *err;
};

static int put(const struct job *j, const char *ending, const struct jb_str *s)
{
    char path[4096], name[96];
    snprintf(name, sizeof name, "%s%s", j->plot->name, ending);
    int rc = jb_path_join(path, sizeof path, j->dir, name, j->err);
    return rc ? rc : jb_write_file_atomic(path, jb_str_get(s), s->len, j->err);
}

// The script draws both sizes; the data file is written once.
static int write_script(const struct job *j, struct jb_texts *texts)
{
    struct jb_str script = {0}, data = {0};
    int rc = JB_OK;
    for (int phone = 0; phone < 2 && !rc; phone++) {
        char output[96];
        struct jb_canvas c = {.data = &data, .write_data = !phone, .texts = texts, .name = j->plot->name};
        snprintf(output, sizeof output, "%s%s.svg", j->plot->name, phone ? "-phone" : "");
        rc = KINDS[j->plot->kind].draw(&c, j->views, j->n, j->plot, phone, output);
        jb_str_addn(&script, jb_str_get(&c.s), c.s.len);
        if (rc || c.failed)
            rc = jb_fail(j->err, JB_E_NOMEM, "plots: out of memory");
        jb_canvas_free(&c);
    }
    if (!rc && (script.failed || data.failed))
        rc = jb_fail(j->err, JB_E_NOMEM, "plots: out of memory");
    if (!rc) rc = put(j, ".gp", &script);
    if (!rc) rc = put(j, ".dat", &data);
    jb_str_free(&script);
    jb_str_free(&data);
    return rc;
}

static int finish(const struct job *j, const struct jb_texts *texts, const char *ending)
{
    char path[4096], name[96], *svg = NULL;
    size_t n = 0;
    struct jb_str out = {0};
    snprintf(name, sizeof name, "%s%s", j->plot->name, ending);
    int rc = jb_path_join(path, sizeof path, j->dir, name, j->err);
    if (!rc) rc = jb_read_file(path, MAX_SVG_BYTES, &svg, &n, j->err);
    if (!rc && jb_svg_finish(&out, svg, texts, j->plot->title, j->plot->caption))
        rc = jb_fail(j->err, JB_E_INVALID, "%s wrote no complete SVG: %s", j->program, name);
    if (!rc) rc = put(j, ending, &out);
    free(svg);
    jb_str_free(&out);
    return rc;
}

static void forget(const struct job *j)
{
    static const char *const ENDINGS[] = {".svg", "-phone.svg"};
    for (size_t i = 0; i < 2; i++) {
        char path[4096], name[96];
        snprintf(name, sizeof name, "%s%s", j->plot->name, ENDINGS[i]);
        if (!jb_path_join(path, sizeof path, j->dir, name, NULL))
            unlink(path);
    }
}

// *soft: what went wrong is gnuplot's affair, and the report can do without.
static int make_one(const struct job *j, bool *soft)
{
    char script[96];
    struct jb_texts texts = {0};
    *soft = false;
    snprintf(script, sizeof script, "%s.gp", j->plot->name);
    int rc = write_script(j, &texts);
    if (!rc) {
        *soft = true;
        rc = jb_gnuplot_run(j->program, j->dir, script, j->err);
        if (!rc) rc = finish(j, &texts, ".svg");
        if (!rc) rc = finish(j, &texts, "-phone.svg");
        if (rc == JB_E_NO_SPACE || rc == JB_E_NOMEM || rc == JB_E_DENIED)
            *soft = false;
    }
    if (rc)
        forget(j);
    jb_texts_free(&texts);
    return rc;
}

static int make_list(const struct jb_plot_list *list, struct job *j, char reason[256], struct jb_err *err)
{
    for (size_t i = 0; i < list->n; i++) { // those of an earlier report must not be taken for ours
        j->plot = &list->plots[i];
        forget(j);
    }
    for (size_t i = 0; i < list->n; i++) {
        struct jb_err own = {0};
        bool soft = false;
        j->plot = &list->plots[i];
        j->err = &own;
        int rc = make_one(j, &soft);
        if (!rc)
            continue;
        if (!soft) {
            if (err)
                *err = own;
            return rc;
        }
        if (!reason[0])
            snprintf(reason, 256, "%.255s", own.detail);
        if (rc == JB_E_UNAVAILABLE || rc == JB_E_BUSY) // the next would fare no better
            break;
    }
    return JB_OK;
}

int jb_plots_make(const struct jb_result *const *r, size_t n, const struct jb_report_opts *o, char reason[256], struct jb_err *err)
{
    char dir[4096];
    struct jb_view *views = NULL;
    struct jb_plot_list list = {0};
    int rc = jb_path_join(dir, sizeof dir, o->dir, "plots", err);
    if (!rc) rc = jb_make_dirs(dir, err);
    if (!rc) rc = jb_views_open(&views, r, n, err);
    if (!rc) rc = jb_plots_list(&list, views, n, err);
    if (!rc) {
        struct job j = {.views = views, .n = n, .dir = dir, .program = o->gnuplot, .err = err};
        if (o->gnuplot)
            rc = make_list(&list, &j, reason, err);
        else
            snprintf(reason, 256, "not asked for");
        for (size_t i = 0; i < list.n && !o->gnuplot; i++) {
            j.plot = &list.plots[i];
            forget(&j);
        }
    }
    if (!rc && !reason[0] && !list.n)
        snprintf(reason, 256, "nothing to plot: fewer than two valid settings");
    jb_plots_free(&list);
    jb_views_close(views, n);
    return rc;
}
