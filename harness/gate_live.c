// The live gate. What is peculiar to two processes (where their memory lies) is the same in all their pairs, so the workers are restarted again and again, and every instance, the median of its pairs, is one
// bet on each metric of its cell. A cell ends when all its metrics are decided, the gate when its time is up.
#include "harness/gate_parts.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STREAMS 4
#define PAIRS_FOR_JOULES 5u          // a source that has given no figure in so many pairs is not waited for

enum kind { MEAN, P50, JOULES, JOULES_PER_CORRECT };
static const struct { const char *name; enum kind kind; } sequential[MAX_STREAMS] = { { "mean", MEAN }, { "p50", P50 }, { "joules", JOULES }, { "joules_per_correct", JOULES_PER_CORRECT } };

// One metric of one cell, pair by pair.
struct stream {
    enum kind kind;
    struct jb_gate_metric rule;
    struct jb_gate_bets bets;
    double *log_ratio; size_t n, room; // of closed instances; owned
    double *pair; size_t n_pairs, pair_room; // of the instance at hand; owned
};
struct cell {
    char key[JB_ID_HEX];
    const struct jb_facts *facts_a, *facts_b; // while the sides are open
    double log_accuracy_ratio;       // candidate / baseline, of the accuracy pass
    bool concerned, waits;           // waits: a metric that is judged at the end needs the whole time
    struct stream stream[MAX_STREAMS]; size_t n_streams;
    uint64_t pairs, disturbed;
    const char *why_not;             // of the first disturbed pair
    uint32_t instance;
};
struct live_gate {
    const struct jb_live_opts *o;
    const struct jb_gate_rules *r;
    struct cell *cells; size_t n;
    double fail_level, pass_level;
    bool no_memory;
};

// ---- what is to be judged ----

// Cells that the baseline has and the candidate cannot run must not vanish from the gate.
static int all_matched(const struct live_gate *g, const struct jb_live *l, struct jb_err *err)
{
    size_t n, n_pairs;
    const struct jb_worker_cell *a = jb_worker_cells(jb_live_worker(l, 0), &n);
    const struct jb_live_cell *pair = jb_live_cells(l, &n_pairs);
    for (size_t i = 0; i < n; i++) {
        bool found = a[i].facts.status != JB_CELL_VALID || !jb_gate_concerns(g->r, a[i].facts.label) || (g->o->only && fnmatch(g->o->only, a[i].facts.label, 0));
        for (size_t k = 0; k < n_pairs && !found; k++) found = pair[k].a == i;
        if (!found) return jb_fail(err, JB_E_MISMATCH, "%s: cell \"%s\" of the baseline is not there, or not valid: name the cells to be judged in the rules (\"cells\") or with --only", g->o->b->name, a[i].facts.label);
    }
    return 0;
}

static double log_ratio(double a, double b) { return a > 0 && b > 0 && isfinite(a) && isfinite(b) ? log(b / a) : NAN; }

static void open_cell(struct live_gate *g, struct cell *c, const struct jb_live_cell *pair, size_t *tests)
{
    static const char *const at_the_end[] = { "accuracy", "exact_match", "perplexity", "agreement", "ttft", "p90", "p99" }; // from the first latency on: they need the whole time
    enum { FIRST_LATENCY = 4 };
    const struct jb_facts *a = pair->facts_a, *b = pair->facts_b;
    struct jb_gate_metric rule;
    memcpy(c->key, a->key, sizeof c->key);
    c->facts_a = a;
    c->facts_b = b;
    c->concerned = jb_gate_concerns(g->r, a->label);
    c->log_accuracy_ratio = a->n && b->n ? log_ratio((double)a->correct / (double)a->n, (double)b->correct / (double)b->n) : NAN;
    for (size_t i = 0; i < MAX_STREAMS; i++) {
        if (!jb_gate_rule_for(g->r, a->label, sequential[i].name, &rule)) continue;
        struct stream *s = &c->stream[c->n_streams++];
        *s = (struct stream){ .kind = sequential[i].kind, .rule = rule };
        jb_gate_bets_open(&s->bets, rule.margin);
    }
    *tests += c->n_streams;
    for (size_t i = 0; i < sizeof at_the_end / sizeof *at_the_end; i++) {
        bool is = jb_gate_rule_for(g->r, a->label, at_the_end[i], &rule);
        *tests += is;
        c->waits |= is && i >= FIRST_LATENCY;
    }
}

static int opened(void *user, const struct jb_live *l, struct jb_err *err)
{
    struct live_gate *g = user;
    size_t tests = 0;
    const struct jb_live_cell *pair = jb_live_cells(l, &g->n);
    if (!(g->cells = calloc(g->n + 1, sizeof *g->cells))) return jb_fail(err, JB_E_NOMEM, "gate");
    for (size_t i = 0; i < g->n; i++) open_cell(g, &g->cells[i], &pair[i], &tests);
    g->fail_level = g->r->error_rate / (double)(tests ? tests : 1); // Bonferroni while measuring; the verdict uses Holm, which rejects whatever this does
    return all_matched(g, l, err);
}

// ---- pairs ----

static double mean_of(const struct jb_raw_block *b)
{
    double sum = 0;
    for (uint32_t i = 0; i < b->n_queries; i++) sum += (double)b->latency_ns[i];
    return b->n_queries ? sum / b->n_queries : NAN;
}

static double median_of(struct live_gate *g, const struct jb_raw_block *b)
{
    double *x = malloc(((size_t)b->n_queries + 1) * sizeof *x), median;
    if (!x) {
        g->no_memory = true;
        return NAN;
    }
    for (uint32_t i = 0; i < b->n_queries; i++) x[i] = (double)b->latency_ns[i];
    median = b->n_queries ? jb_median_f64(x, b->n_queries) : NAN;
    free(x);
    return median;
}

// Rows that its joules were drawn for.
static double rows_of(const struct jb_block *b) { return (double)(b->window_rows > b->raw.n_rows ? b->window_rows : b->raw.n_rows); }

// Of both or of none: one class, allowed by the rule.
static double joules_ratio(const struct stream *s, const struct jb_live_pair *p)
{
    const struct jb_joules *a = &p->a.energy, *b = &p->b.energy;
    if (a->cls == JB_ENERGY_NONE || a->cls != b->cls || !(s->rule.classes >> a->cls & 1) || !p->a.raw.n_rows || !p->b.raw.n_rows) return NAN;
    return log_ratio(a->uj / rows_of(&p->a), b->uj / rows_of(&p->b));
}

static double ratio_of(struct live_gate *g, const struct cell *c, const struct stream *s, const struct jb_live_pair *p)
{
    switch (s->kind) {
    case MEAN: return log_ratio(mean_of(&p->a.raw), mean_of(&p->b.raw));
    case P50: return log_ratio(median_of(g, &p->a.raw), median_of(g, &p->b.raw));
    case JOULES: return joules_ratio(s, p);
    case JOULES_PER_CORRECT: return joules_ratio(s, p) - c->log_accuracy_ratio;
    }
    return NAN;
}

static void append(struct live_gate *g, double **x, size_t *n, size_t *room, double value)
{
    if (*n == *room) {
        size_t more = *room ? *room * 2 : 64;
        double *grown = realloc(*x, more * sizeof *grown);
        if (!grown) {
            g->no_memory = true;
            return;
        }
        *x = grown;
        *room = more;
    }
    (*x)[(*n)++] = value;
}

// The instance at hand becomes a bet.
static void close_instance(struct live_gate *g, struct stream *s)
{
    if (!s->n_pairs) return;
    double x = jb_median_f64(s->pair, s->n_pairs);
    s->n_pairs = 0;
    append(g, &s->log_ratio, &s->n, &s->room, x);
    jb_gate_bets_add(&s->bets, x);
}

static void feed(struct live_gate *g, const struct cell *c, struct stream *s, const struct jb_live_pair *p)
{
    double x = ratio_of(g, c, s, p);
    if (!isnan(x)) append(g, &s->pair, &s->n_pairs, &s->pair_room, x);
}

static bool decided(const struct live_gate *g, const struct cell *c)
{
    bool all = !c->waits;
    for (size_t i = 0; i < c->n_streams && all; i++) {
        const struct stream *s = &c->stream[i];
        bool silent = !s->n && !s->n_pairs && s->kind >= JOULES && c->pairs >= PAIRS_FOR_JOULES;
        all = silent || jb_gate_bets_verdict(&s->bets, g->fail_level, g->pass_level) != JB_VERDICT_INCONCLUSIVE;
    }
    return all;
}

static bool told(void *user, size_t cell, const struct jb_live_pair *p)
{
    struct live_gate *g = user;
    struct cell *c = &g->cells[cell];
    for (size_t i = 0; i < c->n_streams && (p->instance != c->instance || !(g->o->instance_s > 0)); i++) close_instance(g, &c->stream[i]);
    c->instance = p->instance;
    c->pairs++;
    c->disturbed += !p->valid;
    if (!p->valid && !c->why_not) c->why_not = p->why_not ? p->why_not : "unknown";
    for (size_t i = 0; i < c->n_streams && p->valid; i++) feed(g, c, &c->stream[i], p);
    return !c->concerned || g->no_memory || decided(g, c);
}

// ---- judging ----

static double median_ratio(const struct stream *s, bool *no_memory)
{
    double *x = malloc((s->n + 1) * sizeof *x), median = NAN;
    *no_memory |= !x;
    if (x && s->n) {
        memcpy(x, s->log_ratio, s->n * sizeof *x);
        median = exp(jb_median_f64(x, s->n));
    }
    free(x);
    return median;
}

static void findings_of(struct live_gate *g, struct jb_comparison *c, struct jb_gate_evidence *evidence, struct jb_gate_invalid *invalid, struct jb_gate_findings *f)
{
    *f = (struct jb_gate_findings){ .evidence = evidence, .invalid = invalid };
    for (size_t i = 0; i < g->n; i++) {
        struct cell *x = &g->cells[i];
        for (size_t k = 0; k < x->n_streams; k++) {
            struct stream *s = &x->stream[k];
            if (s->n_pairs >= JB_LIVE_PAIRS || !(g->o->instance_s > 0)) close_instance(g, s); // what a decision or the end has cut short counts when it is as long as others may be
            if (!s->n && s->kind >= JOULES) continue; // the comparison says why there is none
            evidence[f->n_evidence++] = (struct jb_gate_evidence){ .key = x->key, .metric = jb_gate_metric_key(s->rule.name), .unit = g->o->instance_s > 0 ? "starts of the workers" : "pairs", .n = s->n, .above = s->bets.worse.above,
                .p_worse = jb_sign_bet_p(&s->bets.worse), .p_better = jb_sign_bet_p(&s->bets.better), .effect = median_ratio(s, &g->no_memory),
                .interval = jb_gate_bets_interval(s->log_ratio, s->n, g->r->confidence) };
        }
        if ((double)x->disturbed <= g->r->max_disturbed * (double)x->pairs) continue;
        const char *why = jb_comparison_strf(c, "%llu of %llu pairs were disturbed (first by: %s); end what else runs, or measure elsewhere", (unsigned long long)x->disturbed, (unsigned long long)x->pairs,
                                             x->why_not);
        g->no_memory |= !why;
        invalid[f->n_invalid++] = (struct jb_gate_invalid){ x->key, why };
    }
}

static int note_disturbed(const struct live_gate *g, struct jb_comparison *c)
{
    unsigned long long pairs = 0, disturbed = 0;
    for (size_t i = 0; i < g->n; i++) {
        pairs += g->cells[i].pairs;
        disturbed += g->cells[i].disturbed;
    }
    if (!disturbed) return 0;
    struct jb_result_sentence *s = jb_comparison_array(c, c->n_sentences + 1, sizeof *s);
    const char *text = jb_comparison_strf(c, "%llu of %llu pairs were left out, because the machine was disturbed beside them (harness/validity.h).", disturbed, pairs);
    if (!s || !text) return JB_E_NOMEM;
    if (c->n_sentences) memcpy(s, c->sentences, c->n_sentences * sizeof *s);
    s[c->n_sentences] = (struct jb_result_sentence){ "warning", text };
    c->sentences = s;
    c->n_sentences++;
    return 0;
}

// What the comparison says of differences comes from pairs; the gate's own sentence, from bets, takes its place.
static void keep_warnings(struct jb_comparison *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_sentences; i++)
        if (!strcmp(c->sentences[i].kind, "warning")) c->sentences[n++] = c->sentences[i];
    c->n_sentences = n;
}

static int judge(struct live_gate *g, struct jb_comparison *c, enum jb_inconclusive_as as, struct jb_err *err)
{
    struct jb_gate_evidence *evidence = calloc(g->n * MAX_STREAMS + 1, sizeof *evidence);
    struct jb_gate_invalid *invalid = calloc(g->n + 1, sizeof *invalid);
    struct jb_gate_findings f;
    int rc = evidence && invalid && !note_disturbed(g, c) ? 0 : JB_E_NOMEM;
    if (!rc) findings_of(g, c, evidence, invalid, &f);
    rc = rc || g->no_memory ? jb_fail(err, JB_E_NOMEM, "gate") : jb_gate_judge_with(c, g->r, as, &f, err);
    free(evidence);
    free(invalid);
    return rc;
}

int jb_gate_live(const struct jb_live_opts *l, const struct jb_gate_rules *r, const struct jb_compare_opts *o, enum jb_inconclusive_as as, struct jb_comparison **out, struct jb_err *err)
{
    struct live_gate g = { .o = l, .r = r, .pass_level = (1 - r->confidence) / 2 };
    struct jb_live_opts live = *l;
    struct jb_compare_opts with = *o;
    struct jb_comparison *c = NULL;
    live.told = told;
    live.opened = opened;
    live.told_user = live.opened_user = &g;
    live.max_other_cpu = r->max_other_cpu;
    if (!live.only && strcmp(r->cells, "*")) live.only = r->cells;
    with.confidence = r->confidence;
    int rc = jb_compare_live(&live, &with, &c, err);
    if (!rc) keep_warnings(c);
    if (!rc) rc = judge(&g, c, as, err);
    for (size_t i = 0; i < g.n; i++)
        for (size_t k = 0; k < g.cells[i].n_streams; k++) {
            free(g.cells[i].stream[k].log_ratio);
            free(g.cells[i].stream[k].pair);
        }
    free(g.cells);
    if (rc) jb_comparison_close(c);
    else *out = c;
    return rc;
}
