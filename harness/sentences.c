// The summary in words: the answer first, then the hull, escalation, energy, warnings.
#include "harness/build.h"

#include "base/strbuf.h"
#include "reports/report.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WITHIN 0.005                  // "as good as the best": half a point
#define COARSE_HARNESS_NS 150.0

struct list { struct jb_build *b; size_t room; };

static int say(struct list *l, const char *kind, const struct jb_str *text)
{
    struct jb_result *r = l->b->r;
    if (text->failed) return JB_E_NOMEM;
    if (r->n_sentences == l->room) {
        size_t room = l->room ? l->room * 2 : 16;
        struct jb_result_sentence *grown = jb_result_array(r, room, sizeof *grown);
        if (!grown) return JB_E_NOMEM;
        if (r->n_sentences) memcpy(grown, r->sentences, r->n_sentences * sizeof *grown);
        r->sentences = grown;
        l->room = room;
    }
    const char *copy = jb_result_str(r, jb_str_get(text));
    if (!copy) return JB_E_NOMEM;
    r->sentences[r->n_sentences++] = (struct jb_result_sentence){ kind, copy };
    return 0;
}

// ---- finding cells ----

static bool valid(const struct jb_result_cell *c) { return c->status == JB_CELL_VALID && c->accuracy.n; }

static double cost_of(const struct jb_result_cell *c) { return isfinite(c->latency_mean_ns) ? c->latency_mean_ns : c->macs_mean; }

// Groups are named by their first cell: workload and conditions.
static bool first_of_group(const struct jb_result *r, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (valid(&r->cells[k]) && jb_same_conditions(&r->cells[k], &r->cells[i])) return false;
    return valid(&r->cells[i]);
}

static size_t cheapest_within(const struct jb_result *r, const struct jb_result_cell *like, double *best)
{
    size_t at = SIZE_MAX;
    *best = -1;
    for (size_t i = 0; i < r->n_cells; i++)
        if (valid(&r->cells[i]) && jb_same_conditions(&r->cells[i], like) && r->cells[i].accuracy.value > *best) *best = r->cells[i].accuracy.value;
    for (size_t i = 0; i < r->n_cells; i++) {
        const struct jb_result_cell *c = &r->cells[i];
        if (!valid(c) || !jb_same_conditions(c, like) || c->accuracy.value < *best - WITHIN || !isfinite(cost_of(c))) continue;
        if (at == SIZE_MAX || cost_of(c) < cost_of(&r->cells[at])) at = i;
    }
    return at;
}

static const struct jb_result_hull *hull_of(const struct jb_result *r, const struct jb_result_cell *c, const char *cost, const char *against)
{
    for (size_t i = 0; i < r->n_hull; i++)
        if (!strcmp(r->hull[i].cell_id, c->id) && !strcmp(r->hull[i].cost, cost) && !strcmp(r->hull[i].against, against)) return &r->hull[i];
    return NULL;
}

// ---- the answer ----

static void add_setting(struct jb_str *s, const struct jb_result_cell *c)
{
    char text[24];
    jb_str_addf(s, "%s", c->label);
    jb_fmt_percent(text, c->accuracy.value);
    jb_str_addf(s, " (%s", text);
    if (isfinite(c->latency_mean_ns)) {
        jb_fmt_ns(text, c->latency_mean_ns);
        jb_str_addf(s, ", mean latency %s", text);
    }
    if (isfinite(c->macs_mean)) {
        jb_fmt_count(text, c->macs_mean);
        jb_str_addf(s, ", %s MACs", text);
    }
    jb_str_add(s, ")");
}

static bool add_ratio(struct jb_str *s, const struct jb_result_hull *h, const char *what, const char *before)
{
    if (!h || !isfinite(h->ratio)) return false;
    jb_str_addf(s, "%s%.2f times", before, h->ratio);
    if (isfinite(h->lower)) jb_str_addf(s, " [%.2f, %.2f]", h->lower, h->upper);
    jb_str_addf(s, " %s", what);
    return true;
}

static void add_cheaper(struct jb_str *s, const struct jb_result *r, const struct jb_result_cell *c, const char *against, const char *than)
{
    const struct jb_result_hull *ns = hull_of(r, c, "latency_mean_ns", against), *macs = hull_of(r, c, "macs_mean", against);
    struct jb_str t = { 0 };
    bool any = add_ratio(&t, ns, "less time", "");
    any |= add_ratio(&t, macs, "fewer MACs", any ? " and " : "");
    if (any) jb_str_addf(s, " It takes %s than %s.", jb_str_get(&t), than);
    s->failed |= t.failed;
    jb_str_free(&t);
}

static bool adaptive_beside(const struct jb_result *r, const struct jb_result_cell *like)
{
    for (size_t i = 0; i < r->n_cells; i++)
        if (valid(&r->cells[i]) && jb_same_conditions(&r->cells[i], like) && r->cells[i].role && !strcmp(r->cells[i].role, "adaptive")) return true;
    return false;
}

static int answer(struct list *l, const struct jb_result_cell *like)
{
    const struct jb_result *r = l->b->r;
    double best;
    char text[24], limit[24];
    if (like->language.kv) { // tokens have qualities of their own
        struct jb_str s = { 0 };
        int rc = jb_language_answer(r, like, &s) ? say(l, "answer", &s) : s.failed ? JB_E_NOMEM : 0;
        jb_str_free(&s);
        return rc;
    }
    size_t at = cheapest_within(r, like, &best);
    if (at == SIZE_MAX) return 0;
    const struct jb_result_cell *c = &r->cells[at];
    struct jb_str s = { 0 };
    jb_fmt_percent(text, best);
    jb_fmt_limit(limit, c->power_limit_w);
    jb_str_addf(&s, "%s, %s%s: the cheapest setting within 0.5 points of the best accuracy (%s) is ", c->workload, c->scenario, limit, text);
    add_setting(&s, c);
    jb_str_add(&s, ".");
    if (c->role && !strcmp(c->role, "adaptive")) {
        add_cheaper(&s, r, c, "full", "the same network's final exit at the same precision");
        add_cheaper(&s, r, c, "static+fixed", "the hull of the static networks and fixed exits at equal accuracy");
    } else if (!isfinite(c->macs_mean)) {
        jb_str_add(&s, " It runs without a model.");
    } else {
        jb_str_addf(&s, " It is a %s%s.", c->role && !strcmp(c->role, "static") ? "static network" : "fixed exit",
                    adaptive_beside(r, c) ? ": no adaptive setting that was measured is cheaper and as good, so adapting does not pay here" : "; nothing adaptive was measured beside it");
    }
    int rc = say(l, "answer", &s);
    jb_str_free(&s);
    return rc;
}

// ---- hull over all adaptive settings ----

// Where adaptive settings stand against the hull, for one cost and one kind of conditions.
static int hull_words(struct list *l, const struct jb_result_cell *like, const char *cost, const char *what)
{
    const struct jb_result *r = l->b->r;
    const struct jb_result_hull *best = NULL;
    const struct jb_result_cell *at = NULL;
    size_t n = 0, surely = 0, surely_not = 0;
    for (size_t i = 0; i < r->n_cells; i++) {
        const struct jb_result_cell *c = &r->cells[i];
        const struct jb_result_hull *h = valid(c) && jb_same_conditions(c, like) ? hull_of(r, c, cost, "static+fixed") : NULL;
        if (!h || !isfinite(h->ratio)) continue;
        n++;
        surely += isfinite(h->lower) && h->lower > 1;
        surely_not += isfinite(h->upper) && h->upper < 1;
        bool near_top = isfinite(c->accuracy_loss) && c->accuracy_loss <= WITHIN;
        if (near_top && (!best || h->ratio > best->ratio)) {
            best = h;
            at = c;
        }
    }
    if (!n) return 0;
    struct jb_str s = { 0 };
    char limit[24];
    jb_fmt_limit(limit, like->power_limit_w);
    jb_str_addf(&s, "%s, %s%s: of %zu adaptive settings, %zu %s %s than the hull of static networks and fixed exits at equal accuracy (each at 95 %%: one of 40 would by chance), %zu more.", like->workload,
                like->scenario, limit, n, surely, surely == 1 ? "needs" : "need", what, surely_not);
    if (best) {
        jb_str_addf(&s, " With at most 0.5 points lost, the best is %s: ", at->label);
        add_ratio(&s, best, what, "");
        jb_str_add(&s, best->ratio > 1 ? "." : " (below 1: there adapting does not pay).");
        if (best->reason) jb_str_addf(&s, " It is %s.", best->reason);
    }
    int rc = say(l, "hull", &s);
    jb_str_free(&s);
    return rc;
}

// ---- escalation ----

// Cost of the adaptive settings of one network at one precision, at an accuracy: linear between the two settings around it on their own hull.
static double cost_at(const struct jb_result *r, const struct jb_result_cell *like, const char *precision, bool latency, double accuracy)
{
    double best = NAN;
    for (size_t i = 0; i < r->n_cells; i++) {
        const struct jb_result_cell *c = &r->cells[i];
        if (!valid(c) || strcmp(c->model, like->model) || strcmp(c->precision, precision) || !jb_same_conditions(c, like) || c->accuracy.value < accuracy) continue;
        double cost = latency ? c->latency_mean_ns : c->macs_mean;
        if (isfinite(cost) && !(cost >= best)) best = cost;
    }
    return best;
}

static void against_one(struct jb_str *s, const struct jb_result *r, const struct jb_result_cell *c, const char *precision)
{
    double other = cost_at(r, c, precision, true, c->accuracy.value);
    if (!isfinite(cost_at(r, c, precision, true, -1))) {
        jb_str_addf(s, "%s was not measured", precision);
        return;
    }
    if (!isfinite(other) || !isfinite(c->latency_mean_ns)) {
        jb_str_addf(s, "%s reaches that accuracy at no setting measured", precision);
        return;
    }
    double ratio = other / c->latency_mean_ns;
    if (ratio > 1.02) jb_str_addf(s, "%.2f times less time than the cheapest %s setting that is as accurate", ratio, precision);
    else if (ratio < 0.98) jb_str_addf(s, "%.2f times the time of the cheapest %s setting that is as accurate", 1 / ratio, precision);
    else jb_str_addf(s, "the same time as the cheapest %s setting that is as accurate", precision);
}

// The escalating setting judged: the cheapest within half a point of the best escalating one.
static size_t escalating(const struct jb_result *r, const struct jb_result_cell *like)
{
    double best = -1;
    size_t at = SIZE_MAX;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < r->n_cells; i++) {
            const struct jb_result_cell *c = &r->cells[i];
            if (!valid(c) || strcmp(c->model, like->model) || strcmp(c->precision, like->precision) || !jb_same_conditions(c, like)) continue;
            if (!pass && c->accuracy.value > best) best = c->accuracy.value;
            if (pass && c->accuracy.value >= best - WITHIN && (at == SIZE_MAX || cost_of(c) < cost_of(&r->cells[at]))) at = i;
        }
    return at;
}

static int escalate_words(struct list *l, const struct jb_result_cell *like)
{
    const struct jb_result *r = l->b->r;
    struct jb_schedule sched;
    struct jb_str s = { 0 };
    size_t at = escalating(r, like);
    if (at == SIZE_MAX || jb_schedule_parse(&sched, like->precision, JB_MAX_STAGES, NULL)) return 0;
    const struct jb_result_cell *c = &r->cells[at];
    const char *high = jb_precision_name((int)sched.high), *low = jb_precision_name((int)sched.low);
    jb_str_addf(&s, "%s on %s: ", like->precision, like->model);
    add_setting(&s, c);
    jb_str_add(&s, " takes ");
    against_one(&s, r, c, high);
    jb_str_add(&s, "; against ");
    jb_str_addf(&s, "%s: ", low);
    against_one(&s, r, c, low);
    double h = cost_at(r, c, high, true, c->accuracy.value), w = cost_at(r, c, low, true, c->accuracy.value);
    bool loses = (isfinite(h) && h < c->latency_mean_ns * 1.02) || (isfinite(w) && w < c->latency_mean_ns * 1.02);
    jb_str_add(&s, loses ? ". So escalating does not pay here." : ". So escalating pays here.");
    int rc = isfinite(c->latency_mean_ns) ? say(l, "escalate", &s) : 0;
    jb_str_free(&s);
    return rc;
}

static bool first_escalating(const struct jb_result *r, size_t i)
{
    const struct jb_result_cell *c = &r->cells[i];
    if (!valid(c) || strncmp(c->precision, "escalate:", 9)) return false;
    for (size_t k = 0; k < i; k++) {
        const struct jb_result_cell *d = &r->cells[k];
        if (valid(d) && !strcmp(d->model, c->model) && !strcmp(d->precision, c->precision) && jb_same_conditions(c, d)) return false;
    }
    return true;
}

// ---- energy and warnings ----

static int joules_answer(struct list *l, const struct jb_result_cell *like)
{
    struct jb_str s = { 0 };
    int rc = jb_energy_answer(l->b->r, like, &s) ? say(l, "answer", &s) : s.failed ? JB_E_NOMEM : 0;
    jb_str_free(&s);
    return rc;
}

// How narrow the figures are, and what stands beside them.
static void add_widths(struct jb_str *s, const struct jb_result *r)
{
    size_t n = 0, reached = 0, failed = 0, drift = 0, contaminated = 0;
    double most = 0, target = NAN;
    for (size_t i = 0; i < r->n_cells; i++) {
        const struct jb_result_energy *e = &r->cells[i].energy;
        if (!r->cells[i].n_blocks || e->cls == JB_ENERGY_NONE) continue;
        n++;
        most = fmax(most, e->half_width);
        target = e->half_width_target;
        reached += e->half_width <= e->half_width_target;
        failed += e->windows_failed > 0;
        drift += e->drift_windows > 0;
        contaminated += r->cells[i].others.contaminated > 0;
    }
    jb_str_addf(s, " The bounds of gross are at most %.*f %% of the figure to each side", most < 0.1 ? 2 : 0, most * 100);
    if (isfinite(target)) jb_str_addf(s, "; %zu of %zu settings reached the target of %.2g %%", reached, n, target * 100);
    jb_str_add(s, ".");
    if (failed) jb_str_addf(s, " Windows failed in %zu of them.", failed);
    if (drift) jb_str_addf(s, " Idle power drifted beyond its bounds in %zu.", drift);
    if (contaminated) jb_str_addf(s, " Other processes ran beside blocks that were kept (contaminated) in %zu.", contaminated);
}

static int energy_words(struct list *l)
{
    const struct jb_result *r = l->b->r;
    const struct jb_result_cell *with = NULL, *without = NULL;
    size_t n_with = 0, n_without = 0;
    for (size_t i = 0; i < r->n_cells; i++) {
        const struct jb_result_cell *c = &r->cells[i];
        if (!c->n_blocks) continue;
        bool have = c->energy.cls != JB_ENERGY_NONE;
        n_with += have;
        n_without += !have;
        if (have && !with) with = c;
        if (!have && !without) without = c;
    }
    struct jb_str s = { 0 };
    if (with) {
        jb_str_addf(&s, "Energy is %s (source %s at %s: %s).", jb_energy_class_name(with->energy.cls), with->energy.source, with->energy.root, with->energy.domains);
        if (r->power.remark) jb_str_addf(&s, " %s.", r->power.remark);
        add_widths(&s, r);
    } else if (without) jb_str_addf(&s, "Which setting costs the fewest joules per %s is not known, because energy was not measured: %s.", without->language.kv ? "committed token" : "correct answer", without->energy.reason ? without->energy.reason : "no reason was given");
    if (with && n_without) jb_str_addf(&s, " %zu of %zu cells have none: %s.", n_without, n_with + n_without, without->energy.reason ? without->energy.reason : "no reason was given");
    int rc = with || without ? say(l, "energy", &s) : 0;
    jb_str_free(&s);
    return rc;
}

static int count_words(struct list *l, enum jb_cell_status status)
{
    const struct jb_result *r = l->b->r;
    const struct jb_result_cell *first = NULL;
    size_t n = 0;
    for (size_t i = 0; i < r->n_cells; i++)
        if (r->cells[i].status == status && !n++) first = &r->cells[i];
    if (!n) return 0;
    struct jb_str s = { 0 };
    jb_str_addf(&s, "%zu of %zu cells %s %s. First: %s: %s.", n, r->n_cells, n == 1 ? "is" : "are", jb_cell_status_name(status), first->label, first->reason ? first->reason : "no reason");
    int rc = say(l, "warning", &s);
    jb_str_free(&s);
    return rc;
}

// Cells of several groups were not measured side by side.
static int group_words(struct list *l)
{
    const struct jb_result *r = l->b->r;
    for (size_t i = 0; i < r->n_notes; i++) {
        if (strcmp(r->notes[i].name, "interleaving") || !r->notes[i].value) continue;
        struct jb_str s = { 0 };
        jb_str_addf(&s, "Not all cells were interleaved: %s.", r->notes[i].value);
        int rc = say(l, "warning", &s);
        jb_str_free(&s);
        return rc;
    }
    return 0;
}

static int harness_words(struct list *l)
{
    const struct jb_result *r = l->b->r;
    for (size_t i = 0; i < r->n_environment; i++) {
        if (strcmp(r->environment[i].name, "harness_ns_per_query") || !r->environment[i].value) continue;
        double ns = strtod(r->environment[i].value, NULL);
        struct jb_str s = { 0 };
        jb_str_addf(&s, "The harness itself costs %.0f ns a query (two clock readings included); more than the %.0f ns aimed for.", ns, COARSE_HARNESS_NS);
        int rc = ns > COARSE_HARNESS_NS ? say(l, "warning", &s) : 0;
        jb_str_free(&s);
        return rc;
    }
    return 0;
}

static void add_check(struct jb_str *s, const struct jb_result_check *k)
{
    if (strcmp(k->verdict, "fail")) return;
    jb_str_addf(s, "%s %s (", s->len > 9 ? ";" : "", k->name);
    if (isfinite(k->observed)) jb_str_addf(s, "%.3g", k->observed);
    else jb_str_add(s, "in too many blocks");
    if (isfinite(k->limit)) jb_str_addf(s, ", limit %.3g", k->limit);
    jb_str_addf(s, "): %s", k->what_to_do ? k->what_to_do : "");
}

// VALID, or which check failed and what to do. What could not be known is said: it is no pass.
static int validity_words(struct list *l)
{
    const struct jb_result_validity *v = &l->b->r->validity;
    struct jb_str s = { 0 };
    size_t passed = 0;
    if (!v->verdict) return 0;
    jb_str_addf(&s, "%s:", v->verdict);
    for (size_t i = 0; i < v->n_checks; i++) passed += !strcmp(v->checks[i].verdict, "pass");
    for (size_t i = 0; i < v->n_checks; i++) add_check(&s, &v->checks[i]);
    if (!strcmp(v->verdict, "VALID")) jb_str_addf(&s, " %zu checks of the machine passed", passed);
    for (size_t i = 0, n = 0; i < v->n_checks; i++)
        if (!strcmp(v->checks[i].verdict, "unknown")) jb_str_addf(&s, "%s%s", n++ ? ", " : "; not known here: ", v->checks[i].name);
    jb_str_add(&s, ".");
    int rc = say(l, "validity", &s);
    jb_str_free(&s);
    return rc;
}

int jb_build_sentences(struct jb_build *b, struct jb_err *err)
{
    struct list l = { .b = b };
    const struct jb_result *r = b->r;
    int rc = validity_words(&l);
    for (size_t i = 0; i < r->n_cells && !rc; i++) // where there are joules, they are what is asked for first
        if (first_of_group(r, i)) rc = joules_answer(&l, &r->cells[i]);
    for (size_t i = 0; i < r->n_cells && !rc; i++)
        if (first_of_group(r, i)) rc = answer(&l, &r->cells[i]);
    for (size_t i = 0; i < r->n_cells && !rc; i++) {
        if (!first_of_group(r, i)) continue;
        rc = hull_words(&l, &r->cells[i], "macs_mean", "fewer MACs");
        if (!rc) rc = hull_words(&l, &r->cells[i], "latency_mean_ns", "less time");
    }
    for (size_t i = 0; i < r->n_cells && !rc; i++)
        if (first_escalating(r, i)) rc = escalate_words(&l, &r->cells[i]);
    if (!rc) rc = energy_words(&l);
    for (int s = JB_CELL_INVALID; s <= JB_CELL_UNAVAILABLE && !rc; s++) rc = count_words(&l, (enum jb_cell_status)s);
    if (!rc) rc = group_words(&l);
    if (!rc) rc = harness_words(&l);
    return rc ? jb_fail(err, rc, "summary") : 0;
}
