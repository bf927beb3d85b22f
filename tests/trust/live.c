// Pairs of a live A/A run, and what gates make of them.
#include "tests/trust/trust.h"

#include "base/err.h"
#include "base/exit.h"
#include "harness/gate_parts.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- recording ----

static double mean_of(const struct jb_raw_block *b)
{
    double sum = 0;
    for (uint32_t i = 0; i < b->n_queries; i++) sum += (double)b->latency_ns[i];
    return sum / b->n_queries;
}

static double median_of(const struct jb_raw_block *b)
{
    double *x = malloc((b->n_queries + 1) * sizeof *x), m = NAN;
    for (uint32_t i = 0; x && i < b->n_queries; i++) x[i] = (double)b->latency_ns[i];
    if (x) m = jb_median_f64(x, b->n_queries);
    free(x);
    return m;
}

static bool told(void *user, size_t cell, const struct jb_live_pair *p)
{
    if (p->valid && p->a.raw.n_queries && p->b.raw.n_queries)
        fprintf(user, "%zu %u %.3f %.3f %.1f %.1f\n", cell, p->instance, mean_of(&p->a.raw), mean_of(&p->b.raw), median_of(&p->a.raw), median_of(&p->b.raw));
    return false;
}

int trust_record(const struct trust_args *a)
{
    const char *program = trust_arg(a, "program", NULL), *path_a = trust_arg(a, "a", NULL), *path_b = trust_arg(a, "b", path_a), *path = trust_arg(a, "out", NULL);
    struct jb_side side[2] = { 0 };
    struct jb_err err = { 0 };
    struct jb_live *live = NULL;
    FILE *out = program && path_a && path ? fopen(path, "w") : NULL;
    if (!out) {
        fprintf(stderr, "record: program=, a= and out= (a file that can be written) are needed\n");
        return 2;
    }
    fprintf(out, "# cell instance mean_a_ns mean_b_ns p50_a_ns p50_b_ns\n");
    int rc = jb_side_read(&side[0], path_a, &err);
    if (!rc) rc = jb_side_read(&side[1], path_b, &err);
    struct jb_gate_rules rules;
    jb_gate_rules_default(&rules);
    struct jb_live_opts o = { .a = &side[0], .b = &side[1], .this_program = program, .seconds = trust_number(a, "seconds", 60), .block_ms = trust_number(a, "block_ms", 5), .instance_s = trust_number(a, "restart_s", 0.3),
                              .seed = (uint64_t)trust_number(a, "seed", 1), .clock = jb_clock_monotonic(), .told = told, .told_user = out, .max_other_cpu = rules.max_other_cpu };
    jb_gate_rules_free(&rules);
    if (!rc) rc = jb_live_open(&live, &o, &err);
    if (!rc) rc = jb_live_run(live, &err);
    jb_live_close(live);
    jb_side_close(&side[0]);
    jb_side_close(&side[1]);
    if (fclose(out) && !rc) rc = jb_fail(&err, JB_E_IO, "%s cannot be written", path);
    if (rc) fprintf(stderr, "record: %s\n", err.detail);
    return rc ? 1 : 0;
}

// ---- gates of recorded or made-up pairs ----

enum { MEAN, P50, STREAMS };
// One start of the workers: what the gate bets on, the median of its pairs.
struct starts { double (*log_ratio)[STREAMS]; size_t n; uint64_t pairs; };
struct start { double *x[STREAMS]; size_t n, room; unsigned long cell, instance; };

static int close_start(struct starts *s, struct start *at)
{
    if (at->n < JB_LIVE_PAIRS) {
        at->n = 0;
        return 0;
    }
    void *grown = realloc(s->log_ratio, (s->n + 1) * sizeof *s->log_ratio);
    if (!grown) return JB_E_NOMEM;
    s->log_ratio = grown;
    for (int k = 0; k < STREAMS; k++) s->log_ratio[s->n][k] = jb_median_f64(at->x[k], at->n);
    s->n++;
    s->pairs += at->n;
    at->n = 0;
    return 0;
}

static int add_pair(struct start *at, const double v[4])
{
    if (at->n == at->room) {
        at->room = at->room ? 2 * at->room : 64;
        for (int k = 0; k < STREAMS; k++) {
            double *grown = realloc(at->x[k], at->room * sizeof *grown);
            if (!grown) return JB_E_NOMEM;
            at->x[k] = grown;
        }
    }
    at->x[MEAN][at->n] = log(v[1] / v[0]);
    at->x[P50][at->n++] = log(v[3] / v[2]);
    return 0;
}

static int read_starts(struct starts *s, const char *path)
{
    FILE *f = path ? fopen(path, "r") : NULL;
    char line[256];
    struct start at = { { 0 }, 0, 0, 0, 0 };
    int rc = 0;
    *s = (struct starts){ 0 };
    while (f && !rc && fgets(line, sizeof line, f)) {
        unsigned long cell, instance;
        double v[4];
        if (sscanf(line, "%lu %lu %lf %lf %lf %lf", &cell, &instance, &v[0], &v[1], &v[2], &v[3]) != 6) continue;
        if (!(v[0] > 0 && v[1] > 0 && v[2] > 0 && v[3] > 0)) continue;
        if (cell != at.cell || instance != at.instance) rc = close_start(s, &at);
        at.cell = cell;
        at.instance = instance;
        if (!rc) rc = add_pair(&at, v);
    }
    if (!rc) rc = close_start(s, &at);
    for (int k = 0; k < STREAMS; k++) free(at.x[k]);
    if (f) fclose(f);
    return rc ? rc : s->n < 10 ? JB_E_INVALID : 0;
}

// The judge of the live gate over bets that are given: bets until all is decided, then the verdict after Holm as harness/gate.c gives it.
static enum jb_verdict gate(const double (*log_ratio)[STREAMS], size_t n, const struct jb_gate_rules *r, size_t *used)
{
    static const char *const key[STREAMS] = { "latency_mean_ns", "p50_ns" };
    struct jb_gate_bets bets[STREAMS];
    struct jb_gate_evidence evidence[STREAMS];
    double margin = r->metric[0].margin, fail = r->error_rate / STREAMS, pass = (1 - r->confidence) / 2;
    size_t at = 0;
    for (int k = 0; k < STREAMS; k++) jb_gate_bets_open(&bets[k], margin);
    for (bool open = true; at < n && open; at++) {
        open = false;
        for (int k = 0; k < STREAMS; k++) {
            jb_gate_bets_add(&bets[k], log_ratio[at][k]);
            open |= jb_gate_bets_verdict(&bets[k], fail, pass) == JB_VERDICT_INCONCLUSIVE;
        }
    }
    for (int k = 0; k < STREAMS; k++)
        evidence[k] = (struct jb_gate_evidence){ .key = "made", .metric = key[k], .unit = "starts of the workers", .n = at, .above = bets[k].worse.above, .p_worse = jb_sign_bet_p(&bets[k].worse), .p_better = jb_sign_bet_p(&bets[k].better),
                                                 .effect = 1, .interval = { -INFINITY, INFINITY } };
    struct jb_comparison *c = NULL;
    struct jb_err err = { 0 };
    enum jb_verdict v = JB_VERDICT_NONE;
    if (!jb_comparison_open(&c) && (c->cells = jb_comparison_array(c, 1, sizeof *c->cells)) && (c->cells[0].metrics = jb_comparison_array(c, STREAMS, sizeof *c->cells[0].metrics))) {
        c->n_cells = 1;
        c->cells[0].key = c->cells[0].label = c->cells[0].label_candidate = "made";
        c->cells[0].n_metrics = STREAMS;
        for (int k = 0; k < STREAMS; k++) {
            jb_compared_metric_init(&c->cells[0].metrics[k]);
            c->cells[0].metrics[k].name = key[k];
            c->cells[0].metrics[k].effect = 1;
        }
        struct jb_gate_findings found = { .evidence = evidence, .n_evidence = STREAMS };
        if (!jb_gate_judge_with(c, r, JB_INCONCLUSIVE_OWN, &found, &err)) v = c->verdict;
    }
    jb_comparison_close(c);
    *used = at;
    return v;
}

struct outcome { uint64_t n, pass, fail, inconclusive; double bets; };

static void count(struct outcome *o, enum jb_verdict v, size_t used)
{
    o->n++;
    o->pass += v == JB_VERDICT_PASS;
    o->fail += v == JB_VERDICT_FAIL;
    o->inconclusive += v == JB_VERDICT_INCONCLUSIVE;
    o->bets += (double)used;
}

static void show(const char *name, const struct outcome *o)
{
    double n = (double)o->n;
    printf("  %-58s fail %6.2f %%  pass %6.2f %%  inconclusive %6.2f %%  %6.0f starts a gate\n", name, 100 * (double)o->fail / n, 100 * (double)o->pass / n, 100 * (double)o->inconclusive / n, o->bets / n);
}

static int rules_of(struct jb_gate_rules *r, double margin)
{
    char text[200];
    struct jb_err err = { 0 };
    int n = snprintf(text, sizeof text, "{\"metrics\": {\"mean\": {\"margin\": %g}, \"p50\": {\"margin\": %g}}}", margin, margin);
    int rc = jb_gate_rules_parse(r, "rules of the proof", text, (size_t)n, &err);
    if (rc) fprintf(stderr, "%s\n", err.detail);
    return rc;
}

// More false verdicts than the level allows? Chance is given its due: as many would have to come in less than one case of a thousand.
static bool too_many(uint64_t k, uint64_t n, double level) { return trust_upper_tail(k, n, level) < 1e-3; }

// Labels of both sides of a start are exchanged by a coin, for all its pairs together (what is peculiar to two processes stays in them): whatever the pairs are like, nothing is true of the candidate that is not true of the baseline. `shift` is then a true difference.
static int permuted(const struct starts *p, double margin, double shift, uint64_t gates, size_t longest, uint64_t seed, struct outcome *o)
{
    struct jb_gate_rules r;
    struct jb_rng g;
    double(*x)[STREAMS] = malloc(longest * sizeof *x);
    if (!x || rules_of(&r, margin)) {
        free(x);
        return JB_E_NOMEM;
    }
    *o = (struct outcome){ 0 };
    jb_rng_seed_named(&g, seed, "permuted labels");
    for (uint64_t i = 0; i < gates; i++) {
        size_t from = jb_rng_below(&g, p->n), used;
        for (size_t k = 0; k < longest; k++) {
            double sign = jb_rng_below(&g, 2) ? 1 : -1;
            for (int s = 0; s < STREAMS; s++) x[k][s] = sign * p->log_ratio[(from + k) % p->n][s] + log1p(shift);
        }
        enum jb_verdict v = gate((const double(*)[STREAMS])x, longest, &r, &used);
        count(o, v, used);
    }
    jb_gate_rules_free(&r);
    free(x);
    return 0;
}

int trust_permuted(const struct trust_args *a)
{
    static const struct { double margin, shift, most_fails, most_passes; const char *name; } kinds[] = { // level of what is false; 1: not false
        { 0, 0, 0.01, 1, "the same, margin 0 (the hardest case)" },
        { 0.01, 0, 0.01, 1, "the same, margin 1 %" },
        { 0.05, 0, 0.01, 1, "the same, margin 5 % (default)" },
        { 0.005, 0.01, 1, 0.025, "1 % slower, margin 0.5 % (a pass is false)" },
        { 0.01, 0.01, 0.01, 0.025, "1 % slower, margin 1 % (any decision is half false)" },
        { 0.01, 0.03, 1, 0.025, "3 % slower, margin 1 % (to be found)" },
    };
    struct starts p;
    const char *path = trust_arg(a, "pairs", NULL);
    uint64_t gates = (uint64_t)trust_number(a, "gates", 10000);
    int bad = 0;
    if (read_starts(&p, path)) {
        printf("skipped: %s holds fewer than 10 starts of the workers: the machine was too busy, or the recording too short\n", path ? path : "no file");
        free(p.log_ratio);
        return 77;
    }
    size_t longest = (size_t)trust_number(a, "longest", 36); // what a gate of 20 s comes to
    printf("permuted: %llu gates each, of up to %zu starts of the workers, out of %zu recorded (%llu pairs)\n", (unsigned long long)gates, longest, p.n, (unsigned long long)p.pairs);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct outcome o;
        if (permuted(&p, kinds[i].margin, kinds[i].shift, gates, longest, 1 + i, &o)) return 1;
        show(kinds[i].name, &o);
        bool wrong = o.n != o.pass + o.fail + o.inconclusive || too_many(o.fail, o.n, kinds[i].most_fails) || too_many(o.pass, o.n, kinds[i].most_passes);
        if (wrong) printf("  ^ more than the stated level of %g %% fails or %g %% passes\n", kinds[i].most_fails * 100, kinds[i].most_passes * 100);
        bad |= wrong;
    }
    free(p.log_ratio);
    return bad;
}

// ---- looked at after every pair, on made-up pairs ----

enum noise { GAUSS, HEAVY, BIMODAL, DRIFTING, CORRELATED };
static const struct { enum noise kind; double rho; bool documented; const char *name; } noises[] = {
    { GAUSS, 0, false, "independent pairs" }, { HEAVY, 0, false, "heavy tails (Cauchy)" }, { BIMODAL, 0, false, "two modes" }, { DRIFTING, 0, false, "noise that grows tenfold" },
    { CORRELATED, 0.3, true, "pairs correlated 0.3: outside what is promised" }, { CORRELATED, 0.8, true, "pairs correlated 0.8: outside what is promised" },
};

static double next(enum noise kind, double rho, double *z, double at, struct jb_rng *g)
{
    double n = jb_rng_normal(g);
    switch (kind) {
    case GAUSS: return 0.03 * n;
    case HEAVY: return 0.01 * n / fmax(fabs(jb_rng_normal(g)), 1e-9);
    case BIMODAL: return (jb_rng_below(g, 2) ? 0.1 : -0.1) + 0.01 * n;
    case DRIFTING: return 0.01 * (1 + 9 * at) * n;
    case CORRELATED: return 0.03 * (*z = rho * *z + sqrt(1 - rho * rho) * n);
    }
    return NAN;
}

// The true median lies at the margin: whatever is decided is an error, of at most its own level, however often one looks.
int trust_peeking(const struct trust_args *a)
{
    uint64_t repetitions = (uint64_t)trust_number(a, "repetitions", 2000), pairs = (uint64_t)trust_number(a, "pairs", 1000);
    double fail = 0.01, pass = 0.025, margin = 0.01;
    int bad = 0;
    printf("peeking: %llu repetitions of up to %llu pairs, a look after every pair; the truth lies at the margin\n", (unsigned long long)repetitions, (unsigned long long)pairs);
    for (size_t i = 0; i < sizeof noises / sizeof *noises; i++) {
        uint64_t failed = 0, passed = 0, missed = 0;
        struct jb_rng g;
        jb_rng_seed_named(&g, (uint64_t)trust_number(a, "seed", 1), noises[i].name);
        for (uint64_t r = 0; r < repetitions; r++) {
            struct jb_gate_bets b;
            double z = jb_rng_normal(&g);
            jb_gate_bets_open(&b, margin);
            for (uint64_t k = 0; k < pairs; k++) jb_gate_bets_add(&b, log1p(margin) + next(noises[i].kind, noises[i].rho, &z, (double)k / (double)pairs, &g));
            double worse = jb_sign_bet_p(&b.worse), better = jb_sign_bet_p(&b.better);
            failed += worse <= fail;
            passed += better <= pass;
            missed += worse <= 0.025 || better <= 0.025; // so often the 95 % interval excludes the true median at some time
        }
        double n = (double)repetitions;
        printf("  %-48s false fail %5.2f %% (stated 1 %%)  false pass %5.2f %% (stated 2.5 %%)  interval ever off %5.2f %% (stated 5 %%)\n", noises[i].name, 100 * (double)failed / n, 100 * (double)passed / n,
               100 * (double)missed / n);
        bad |= !noises[i].documented && (too_many(failed, repetitions, fail) || too_many(passed, repetitions, pass) || too_many(missed, repetitions, 0.05));
    }
    return bad;
}

// ---- gates that were run ----

// One line a gate, the only memory of it: what is there is not run again.
int trust_line(const struct trust_args *a)
{
    struct jb_comparison *c = NULL;
    struct jb_err err = { 0 };
    const char *path = trust_arg(a, "file", NULL);
    int code = (int)trust_number(a, "exit", -1);
    if (!path || code < 0) return 2;
    printf("{\"part\":\"%s\",\"seed\":%.0f,\"exit\":%d,\"wall_seconds\":%.1f", trust_arg(a, "part", ""), trust_number(a, "seed", 0), code, trust_number(a, "wall", 0));
    if (jb_comparison_read(&c, path, &err)) {
        printf(",\"verdict\":null}\n");
        return 0;
    }
    printf(",\"verdict\":\"%s\",\"seconds\":%.2f,\"pairs\":%llu", jb_verdict_name(c->verdict), c->seconds, (unsigned long long)c->pairs);
    for (size_t i = 0; i < c->n_cells && i < 1; i++)
        for (size_t k = 0; k < c->cells[i].n_metrics; k++) {
            const struct jb_compared_metric *m = &c->cells[i].metrics[k];
            if (m->gated && isfinite(m->effect)) printf(",\"%s\":[\"%s\",%.5f]", m->name, jb_verdict_name(m->verdict), m->effect);
        }
    printf("}\n");
    jb_comparison_close(c);
    return 0;
}

// What was asked of the part is asked of as many gates as were run; fewer than `of` is said.
int trust_count(const struct trust_args *a)
{
    const char *path = trust_arg(a, "file", NULL), *part = trust_arg(a, "part", "");
    uint64_t code[256] = { 0 }, n = 0, want = (uint64_t)trust_number(a, "of", 100);
    double longest = 0, sum = 0;
    char line[2000], key[80];
    FILE *f = path ? fopen(path, "r") : NULL;
    snprintf(key, sizeof key, "\"part\":\"%s\"", part);
    while (f && fgets(line, sizeof line, f)) {
        const char *e = strstr(line, "\"exit\":"), *s = strstr(line, "\"seconds\":");
        if (!strstr(line, key) || !e || !strchr(line, '\n')) continue;
        code[strtoul(e + 7, NULL, 10) & 255]++;
        n++;
        double seconds = s ? strtod(s + 10, NULL) : 0;
        sum += seconds;
        longest = fmax(longest, seconds);
    }
    if (f) fclose(f);
    uint64_t pass = code[JB_EXIT_OK], fail = code[JB_EXIT_GATE_FAILED], open = code[JB_EXIT_INCONCLUSIVE], invalid = code[JB_EXIT_INVALID_ENV], other = n - pass - fail - open - invalid;
    printf("%s: %llu of %llu gates run: %llu passed, %llu failed, %llu inconclusive, %llu invalid environment, %llu other; %.1f s of measuring on average, %.1f s at most\n", part, (unsigned long long)n,
           (unsigned long long)want, (unsigned long long)pass, (unsigned long long)fail, (unsigned long long)open, (unsigned long long)invalid, (unsigned long long)other, n ? sum / (double)n : 0, longest);
    if (!n || other) return 1;
    double judged = (double)(n - invalid);
    if (!strcmp(part, "live-aa")) return fail > 0;
    if (!strcmp(part, "live-3")) return (double)fail < 0.95 * judged;
    if (!strcmp(part, "live-1")) return (double)pass > 0.05 * judged;
    return 0;
}
