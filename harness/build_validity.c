// What the journal says the machine did, judged by the plan's rules: blocks, cells, the run.
#include "harness/build.h"

#include "base/stats.h"
#include "base/strbuf.h"
#include "harness/drift.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// Shares of CPU time are counted in ticks: over a span of wall time they are known to within about this (base/cputime.c; 100 ticks a second, one CPU; more CPUs are no worse).
#define TICK_DOUBT_S 0.07

static double in(double value, double otherwise) { return isnan(value) ? otherwise : value; }

void jb_validity_of_settings(struct jb_validity_limits *l, const cJSON *settings)
{
    const cJSON *o = cJSON_GetObjectItemCaseSensitive(settings, "validity");
    jb_validity_default(l);
    l->max_other_cpu = in(jb_line_num(o, "max_other_cpu"), in(jb_line_num(settings, "max_other_cpu"), l->max_other_cpu));
    l->max_steal = in(jb_line_num(o, "max_steal"), l->max_steal);
    l->max_freq_change = in(jb_line_num(o, "max_freq_change"), l->max_freq_change);
    l->max_clock_jump_ms = in(jb_line_num(o, "max_clock_jump_ms"), l->max_clock_jump_ms);
    l->max_involuntary_per_s = in(jb_line_num(o, "max_involuntary_per_s"), l->max_involuntary_per_s);
    l->max_reference_drift = in(jb_line_num(o, "max_reference_drift"), l->max_reference_drift);
    l->max_invalid_share = in(jb_line_num(o, "max_invalid_share"), l->max_invalid_share);
    l->swap = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "swap"));
    l->throttling = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "throttling"));
}

void jb_build_limits(struct jb_build *b, const cJSON *settings)
{
    jb_validity_of_settings(&b->limits, settings);
    b->judged = cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(settings, "validity"));
}

// ---- the reference kernel ----

static size_t references(const struct jb_rec_cell *rec, double *out)
{
    size_t n = 0;
    for (uint32_t i = 0; i < rec->n_blocks; i++)
        if (rec->blocks[i].reference_ns > 0) out[n++] = rec->blocks[i].reference_ns;
    return n;
}

static int run_reference(struct jb_build *b)
{
    const struct jb_rec_cell **cells = calloc(b->r->n_cells + 1, sizeof *cells);
    if (!cells) return JB_E_NOMEM;
    for (size_t i = 0; i < b->r->n_cells; i++) cells[i] = b->built[i].rec;
    int rc = jb_drift_median(cells, b->r->n_cells, &b->reference_ns);
    free(cells);
    return rc;
}

static double drift_of(const struct jb_build *b, const struct jb_block_fact *f) { return jb_drift_of(f, b->reference_ns); }

// ---- blocks of a cell ----

static uint32_t invalid_of(const struct jb_build *b, const struct jb_block_fact *f)
{
    bool drifted = b->judged && jb_drift_is_invalid(f, b->reference_ns, &b->limits);
    return f->invalid | (drifted ? 1u << JB_CHECK_REFERENCE : 0) | (f->contaminated && !f->invalid ? 1u << JB_CHECK_COUNT : 0);
}

// "other_cpu 2, steal 1".
static void add_reasons(struct jb_str *s, const uint32_t *count)
{
    for (int k = 0; k <= JB_CHECK_COUNT; k++)
        if (count[k]) jb_str_addf(s, "%s%s %u", s->len ? ", " : "", k == JB_CHECK_COUNT ? "disturbed pair" : jb_check_name((enum jb_check)k), count[k]);
}

static int worst(const uint32_t *count)
{
    int at = 0;
    for (int k = 1; k < JB_CHECK_COUNT; k++)
        if (count[k] > count[at]) at = k;
    return at;
}

static int condemn(struct jb_build *b, struct jb_result_cell *c, const struct jb_built *x, const uint32_t *count)
{
    if (c->status != JB_CELL_VALID) return 0;
    c->status = JB_CELL_INVALID;
    c->reason = jb_result_strf(b->r, "%llu of %u blocks are invalid (%s; at most %.0f %% may be): %s", (unsigned long long)c->blocks.invalid, x->rec->n_blocks, c->blocks.reasons,
                               b->limits.max_invalid_share * 100, jb_check_what_to_do((enum jb_check)worst(count)));
    return c->reason ? 0 : JB_E_NOMEM;
}

static int judge_blocks(struct jb_build *b, struct jb_result_cell *c, struct jb_built *x)
{
    const struct jb_rec_cell *rec = x->rec;
    uint32_t count[JB_CHECK_COUNT + 1] = { 0 };
    struct jb_str reasons = { 0 };
    for (uint32_t i = 0; i < rec->n_blocks; i++) {
        uint32_t invalid = invalid_of(b, &rec->blocks[i]);
        x->use[i] = !invalid;
        c->blocks.invalid += invalid != 0;
        for (int k = 0; k <= JB_CHECK_COUNT; k++) count[k] += invalid >> k & 1;
    }
    if (!c->blocks.invalid) return 0;
    add_reasons(&reasons, count);
    c->blocks.reasons = jb_result_str(b->r, jb_str_get(&reasons));
    int rc = reasons.failed || !c->blocks.reasons ? JB_E_NOMEM : 0;
    jb_str_free(&reasons);
    bool too_many = c->blocks.invalid > jb_validity_may_fail(rec->n_blocks, &b->limits);
    if (too_many) memset(x->use, 1, rec->n_blocks); // the cell is invalid: its figures are those of all blocks, none is chosen
    else c->blocks.left_out = x->left_out = (uint32_t)c->blocks.invalid;
    return rc || !too_many || !b->judged ? rc : condemn(b, c, x, count);
}

static int warm_up(struct jb_build *b, struct jb_result_cell *c, const struct jb_rec_cell *rec)
{
    double ms = rec->warm_up.elapsed_ns * 1e-6;
    if (!rec->warm_up.there) return 0;
    if (rec->warm_up.steady) c->blocks.warm_up = jb_result_strf(b->r, "steady after %.3g ms", ms);
    else if (isnan(rec->warm_up.p)) c->blocks.warm_up = jb_result_strf(b->r, "not known to be steady: the limit of %.3g ms was over after %llu chunks of queries", ms, (unsigned long long)rec->warm_up.chunks);
    else c->blocks.warm_up = jb_result_strf(b->r, "not steady: after %.3g ms, the limit, latency still changed (p = %.2g)", ms, rec->warm_up.p);
    return c->blocks.warm_up ? 0 : JB_E_NOMEM;
}

int jb_build_blocks(struct jb_build *b, size_t index)
{
    struct jb_result_cell *c = &b->r->cells[index];
    struct jb_built *x = &b->built[index];
    const struct jb_rec_cell *rec = x->rec;
    int rc = index ? 0 : run_reference(b);
    double *reference = malloc(((size_t)rec->n_blocks + 1) * sizeof *reference);
    x->use = malloc((size_t)rec->n_blocks + 1);
    if (rc || !reference || !x->use) {
        free(reference);
        return JB_E_NOMEM;
    }
    memset(x->use, 1, (size_t)rec->n_blocks + 1);
    c->blocks.known = b->judged && rec->n_blocks > 0;
    size_t n = references(rec, reference);
    if (n) c->blocks.reference_ns = jb_median_f64(reference, n);
    free(reference);
    int warm = warm_up(b, c, rec);
    if (rec->stopped[0] && !(c->blocks.stopped = jb_result_str(b->r, rec->stopped))) warm = JB_E_NOMEM;
    return warm ? warm : judge_blocks(b, c, x);
}

// ---- the run ----

struct seen { double most, sum, wall_s; uint64_t known, failed, n; };

static double observed(const struct jb_build *b, const struct jb_block_fact *f, int check)
{
    switch (check) {
    case JB_CHECK_OTHERS: return f->others;
    case JB_CHECK_STEAL: return f->steal;
    case JB_CHECK_FREQUENCY: return f->freq_change;
    case JB_CHECK_GOVERNOR: return f->governor_changed;
    case JB_CHECK_THROTTLING: return f->throttles;
    case JB_CHECK_SWAP: return f->swapped_pages;
    case JB_CHECK_CLOCK: return f->clock_jump_ns * 1e-6;
    case JB_CHECK_INVOLUNTARY: return (double)f->involuntary_switches;
    case JB_CHECK_REFERENCE: return drift_of(b, f);
    default: return NAN;
    }
}

static void look(const struct jb_build *b, int check, struct seen *s)
{
    *s = (struct seen){ .most = NAN };
    for (size_t i = 0; i < b->r->n_cells; i++) {
        const struct jb_rec_cell *rec = b->built[i].rec;
        double streams = rec->facts.streams ? rec->facts.streams : 1;
        for (uint32_t k = 0; k < rec->n_blocks; k++) {
            const struct jb_block_fact *f = &rec->blocks[k];
            double v = observed(b, f, check);
            s->n++;
            s->failed += invalid_of(b, f) >> check & 1;
            if (isnan(v)) continue;
            s->known++;
            s->sum += v;
            s->wall_s += (double)f->wall_ns * 1e-9 * streams;
            s->most = fmax(in(s->most, 0), v);
        }
    }
}

// What the whole pass says of shares that blocks are too short for. NAN: not known, or the pass was too short as well.
static double pass_share(const struct jb_build *b, int check, double limit)
{
    const cJSON *m = b->rec->machine;
    double wall_s = (double)jb_line_u64(m, "wall_ns") * 1e-9;
    double share = check == JB_CHECK_OTHERS ? jb_line_num(cJSON_GetObjectItemCaseSensitive(m, "others"), "share") : jb_line_num(cJSON_GetObjectItemCaseSensitive(m, "machine"), "steal");
    double doubt = wall_s > 0 ? TICK_DOUBT_S / wall_s : INFINITY;
    return share - doubt > limit || share + doubt <= limit || doubt <= limit / 4 ? share : NAN;
}

static void judge_run(const struct jb_build *b, int check, struct jb_result_check *out)
{
    struct seen s;
    double limit = jb_check_limit((enum jb_check)check, &b->limits);
    bool share = check == JB_CHECK_OTHERS || check == JB_CHECK_STEAL, rate = check == JB_CHECK_INVOLUNTARY;
    look(b, check, &s);
    double v = share ? pass_share(b, check, limit) : rate ? (s.wall_s > 0 ? s.sum / s.wall_s : NAN) : s.most;
    bool too_many = s.failed > jb_validity_may_fail(s.n, &b->limits), over = (share || rate) && v > limit;
    bool unknown = isnan(v) || s.known < s.n;
    *out = (struct jb_result_check){ .name = jb_check_name((enum jb_check)check), .observed = v, .limit = isfinite(limit) ? limit : NAN,
                                     .verdict = too_many || over ? "fail" : unknown ? "unknown" : "pass" };
    if (too_many || over) out->what_to_do = jb_check_what_to_do((enum jb_check)check);
}

int jb_build_validity(struct jb_build *b)
{
    struct jb_result_validity *v = &b->r->validity;
    bool any = false;
    for (size_t i = 0; i < b->r->n_cells; i++) any |= b->built[i].rec->n_blocks > 0;
    if (!b->judged || !any) return 0;
    if (!(v->checks = jb_result_array(b->r, JB_CHECK_COUNT, sizeof *v->checks))) return JB_E_NOMEM;
    v->verdict = "VALID";
    for (int k = 0; k < JB_CHECK_COUNT; k++) {
        judge_run(b, k, &v->checks[v->n_checks++]);
        if (!strcmp(v->checks[k].verdict, "fail")) v->verdict = "INVALID";
    }
    return 0;
}
