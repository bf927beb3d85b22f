// The metrics of one matched cell.
#include "harness/compare_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_METRICS 24
#define INSTRUCTIONS_GRAIN 0.0005 // interrupts add a few to what the CPU counts
#define MEMORY_GRAIN 0.01 // memory comes in pages and in the allocator's steps: smaller changes of the peak are none

void jb_compare_needs(double p, uint32_t *blocks, uint32_t *queries)
{
    *blocks = p > 0.95 ? 10 : JB_COMPARE_LEAST_BLOCKS;
    *queries = p < 1 ? (uint32_t)ceil(20 / (1 - p) - 1e-6) : UINT32_MAX;
}

// The cell at hand.
struct work {
    struct jb_comparison *c;
    const struct jb_side_cell *a, *b;
    bool paired;
    const struct jb_compare_opts *o;
    const struct jb_refusals *no;
    struct jb_compared_cell *out;
    struct jb_resampling r;
    const struct jb_side_block **block_a, **block_b; size_t n_a, n_b; // the valid ones; paired: valid in both, so n_a = n_b
    uint32_t *batch; size_t n_batches;   // paired: of each pair
    const char *mark;                    // stands beside latencies and joules
    double *scale_a, *scale_b;           // what latencies are multiplied by; NULL: not normalised
    struct jb_pooled pooled[2][2];       // latencies of baseline and candidate; [1]: scaled. Opened when first needed
};

// ---- which samples ----

// What stops a figure that depends on which samples were measured.
static const char *data_of(const struct work *w) { return w->no->data ? w->no->data : w->no->samples; }

// Whether a query's cost depends on its sample: samples left at several exits, a stage is run again at another precision where it seems needed, or texts have lengths.
static bool cost_varies(const struct jb_result_cell *c)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < c->n_exits; i++) used += c->exit_histogram[i] > 0;
    return used > 1 || (c->precision && !strncmp(c->precision, "escalate", 8)) || (c->unit && c->unit[0] == 't');
}

// A plan that measures a part of its data ("accuracy_samples") measures another part under another seed.
static int other_samples(struct work *w, struct jb_refusals *no)
{
    const struct jb_side_cell *a = w->a, *b = w->b;
    uint32_t common = 0;
    for (uint32_t i = 0, k = 0; jb_compare_next(a, b, &i, &k); i++, k++) common++;
    if (no->data || w->paired || !a->n_samples || !b->n_samples || (common == a->n_samples && common == b->n_samples)) return 0;
    if (!cost_varies(a->cell) && !cost_varies(b->cell)) {
        if (!w->mark) w->mark = "other samples of the same data";
        return 0;
    }
    no->samples = jb_comparison_strf(w->c, "other samples: %u of %u and %u are the same, and what a query costs depends on the sample (accuracy_samples and seed of the plan choose them)", common, a->n_samples, b->n_samples);
    return no->samples ? 0 : JB_E_NOMEM;
}

// ---- latency ----

static double sum_of(const struct jb_side_block *b, double scale)
{
    double sum = 0;
    for (uint32_t q = 0; q < b->n_queries; q++) sum += (double)b->latency_ns[q];
    return sum * scale;
}

struct columns { double *top, *top_lower, *top_upper, *under; uint32_t *batch; size_t n; }; // batch: of joules of pairs

static int columns_open(struct columns *x, size_t n)
{
    *x = (struct columns){ calloc(n + 1, sizeof(double)), calloc(n + 1, sizeof(double)), calloc(n + 1, sizeof(double)), calloc(n + 1, sizeof(double)), calloc(n + 1, sizeof(uint32_t)), 0 };
    return x->top && x->top_lower && x->top_upper && x->under && x->batch ? 0 : JB_E_NOMEM;
}

static void columns_close(struct columns *x)
{
    free(x->top);
    free(x->top_lower);
    free(x->top_upper);
    free(x->under);
    free(x->batch);
}

static double over(const struct columns *x)
{
    double top = 0, under = 0;
    for (size_t i = 0; i < x->n; i++) {
        top += x->top[i];
        under += x->under[i];
    }
    return under > 0 ? top / under : NAN;
}

static void fill_latency(struct columns *x, const struct jb_side_block *const *b, size_t n, const double *scale, bool first)
{
    for (; x->n < n; x->n++) {
        x->top[x->n] = first ? b[x->n]->ttft_ns * (scale ? scale[x->n] : 1) : sum_of(b[x->n], scale ? scale[x->n] : 1);
        x->under[x->n] = first ? b[x->n]->n_sequences : b[x->n]->n_queries;
    }
}

// value: two figures, of the baseline and of the candidate. first: of the first tokens.
static int mean_effect(struct work *w, bool scaled, bool first, double value[2], struct jb_effect *e)
{
    struct columns a = { 0 }, b = { 0 };
    int rc = columns_open(&a, w->n_a);
    if (!rc) rc = columns_open(&b, w->n_b);
    if (!rc) {
        fill_latency(&a, w->block_a, w->n_a, scaled ? w->scale_a : NULL, first);
        fill_latency(&b, w->block_b, w->n_b, scaled ? w->scale_b : NULL, first);
        value[0] = over(&a);
        value[1] = over(&b);
        if (w->paired) {
            for (size_t i = 0; i < a.n; i++) {
                a.top_lower[i] = a.top[i] / a.under[i];
                b.top_lower[i] = b.top[i] / b.under[i];
            }
            rc = jb_effect_pairs(e, a.top_lower, b.top_lower, w->batch, a.n, w->n_batches, w->o->confidence);
        } else {
            rc = jb_effect_sums(e, &(struct jb_sums){ a.top, NULL, NULL, a.under, a.n }, &(struct jb_sums){ b.top, NULL, NULL, b.under, b.n }, false, &w->r);
        }
    }
    columns_close(&a);
    columns_close(&b);
    return rc;
}

static int block_medians(const struct jb_side_block *const *block, size_t n, const double *scale, double *out)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t *x = malloc(((size_t)block[i]->n_queries + 1) * sizeof *x);
        if (!x) return JB_E_NOMEM;
        memcpy(x, block[i]->latency_ns, block[i]->n_queries * sizeof *x);
        jb_sort_u64(x, block[i]->n_queries);
        out[i] = (double)jb_percentile_u64(x, block[i]->n_queries, 0.5) * (scale ? scale[i] : 1);
        free(x);
    }
    return 0;
}

// Of pairs: the mean log ratio of the blocks' own medians.
static int median_of_pairs(struct work *w, bool scaled, struct jb_effect *e)
{
    struct columns x = { 0 };
    int rc = columns_open(&x, w->n_a);
    if (!rc) rc = block_medians(w->block_a, w->n_a, scaled ? w->scale_a : NULL, x.top);
    if (!rc) rc = block_medians(w->block_b, w->n_b, scaled ? w->scale_b : NULL, x.under);
    if (!rc) rc = jb_effect_pairs(e, x.top, x.under, w->batch, w->n_a, w->n_batches, w->o->confidence);
    columns_close(&x);
    return rc;
}

static int percentile_effect(struct work *w, double p, bool scaled, double value[2], struct jb_effect *e)
{
    struct jb_pooled *a = &w->pooled[scaled][0], *b = &w->pooled[scaled][1];
    const uint32_t *batch = w->paired ? w->batch : NULL;
    int rc = a->value ? 0 : jb_pooled_open(a, w->block_a, w->n_a, scaled ? w->scale_a : NULL, batch, w->n_batches);
    if (!rc && !b->value) rc = jb_pooled_open(b, w->block_b, w->n_b, scaled ? w->scale_b : NULL, batch, w->n_batches);
    if (rc) return rc;
    value[0] = jb_pooled_percentile(a, NULL, p);
    value[1] = jb_pooled_percentile(b, NULL, p);
    return w->paired && p == 0.5 ? median_of_pairs(w, scaled, e) : jb_effect_percentile(e, a, b, p, w->paired, &w->r);
}

// p NAN: the mean.
static int latency_effect(struct work *w, double p, bool first, bool scaled, double value[2], struct jb_effect *e)
{
    return isnan(p) ? mean_effect(w, scaled, first, value, e) : percentile_effect(w, p, scaled, value, e);
}

static double reported(const struct jb_result_cell *c, double p, bool first)
{
    if (isnan(p)) return first ? c->language.ttft.mean : c->latency_mean_ns;
    for (size_t i = 0; i < c->n_percentiles; i++)
        if (c->percentiles[i].p == p) return c->percentiles[i].ns;
    return NAN;
}

static uint64_t queries_in(const struct jb_side_block *const *b, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += b[i]->n_queries;
    return sum;
}

static int without_blocks(struct work *w, struct jb_compared_metric *m, double p, bool first)
{
    m->baseline = reported(w->a->cell, p, first);
    m->candidate = reported(w->b->cell, p, first);
    if (m->baseline > 0 && m->candidate > 0 && (!w->a->n_blocks || !w->b->n_blocks)) {
        m->effect = m->candidate / m->baseline;
        return jb_compare_because(m, "no interval: a results.json alone has no blocks");
    }
    return jb_compare_because(m, w->n_a || w->n_b || w->a->n_blocks || w->b->n_blocks ? "no block of it counts in one of the runs" : "no performance pass in one of the runs");
}

// Texts, whose first tokens have a time of their own: every block has at least one.
static bool has_sequences(const struct work *w)
{
    bool all = isfinite(w->a->cell->language.ttft.mean) && isfinite(w->b->cell->language.ttft.mean);
    for (size_t i = 0; i < w->n_a && all; i++) all = w->block_a[i]->n_sequences > 0;
    for (size_t i = 0; i < w->n_b && all; i++) all = w->block_b[i]->n_sequences > 0;
    return all;
}

// first: time to the first token of a sequence, its prompt included.
static int latency(struct work *w, const char *name, double p, bool first)
{
    struct jb_compared_metric *m = jb_compare_add(w->out, name);
    uint32_t blocks = JB_COMPARE_LEAST_BLOCKS, queries = 1;
    double value[2] = { NAN, NAN }, raw_value[2];
    size_t least = w->n_a < w->n_b ? w->n_a : w->n_b;
    uint64_t q_a = queries_in(w->block_a, w->n_a), q_b = queries_in(w->block_b, w->n_b), fewest = q_a < q_b ? q_a : q_b;
    struct jb_effect e, raw;
    m->n_baseline = w->n_a;
    m->n_candidate = w->n_b;
    if (data_of(w) || w->no->machine) {
        m->baseline = reported(w->a->cell, p, first);
        m->candidate = reported(w->b->cell, p, first);
        return jb_compare_because(m, data_of(w) ? data_of(w) : w->no->machine);
    }
    if (!least) return without_blocks(w, m, p, first);
    if (!isnan(p)) jb_compare_needs(p, &blocks, &queries);
    if (fewest < queries) return jb_compare_because(m, jb_comparison_strf(w->c, "%llu %s: at least %u are needed", (unsigned long long)fewest, w->b->cell->unit && !strcmp(w->b->cell->unit, "token") ? "tokens" : "queries", queries));
    bool scaled = w->scale_a != NULL;
    int rc = latency_effect(w, p, first, scaled, value, &e);
    if (!rc && scaled) rc = latency_effect(w, p, first, false, raw_value, &raw);
    if (rc) return rc;
    m->baseline = value[0];
    m->candidate = value[1];
    if (least < blocks) {
        m->effect = e.effect;
        return jb_compare_because(m, jb_comparison_strf(w->c, "no interval: %zu blocks, at least %u are needed", least, blocks));
    }
    jb_compare_take(m, &e);
    if (scaled) {
        m->raw_effect = raw.effect;
        m->raw_lower = raw.lower;
        m->raw_upper = raw.upper;
    }
    m->reason = !isfinite(e.lower) ? "no interval: too many of the resamples were undefined" : w->o->normalise && !scaled ? "not normalised: no reference kernel beside every block" : w->mark;
    return 0;
}

// ---- joules ----

static int joules_refused(struct work *w, const char **why)
{
    enum jb_energy_class a = w->a->energy_cls, b = w->b->energy_cls;
    const char *no_a = w->a->energy_reason, *no_b = w->b->energy_reason;
    *why = data_of(w) ? data_of(w) : w->no->machine;
    if (*why) return 0;
    if (a == JB_ENERGY_NONE || b == JB_ENERGY_NONE) {
        bool both = a == b, same = both && (!no_a || !no_b || !strcmp(no_a, no_b));
        const char *which = same ? "" : both ? "baseline: " : a == JB_ENERGY_NONE ? "in the baseline: " : "in the candidate: ", *text = a == JB_ENERGY_NONE ? no_a : no_b;
        *why = jb_comparison_strf(w->c, "%s%s", which, text && *text ? text : "no joules");
    } else if (a != b) {
        *why = jb_comparison_strf(w->c, "other class of energy: %s against %s", jb_energy_class_name(a), jb_energy_class_name(b));
    } else if (w->a->energy_domains && w->b->energy_domains && strcmp(w->a->energy_domains, w->b->energy_domains)) {
        *why = jb_comparison_strf(w->c, "other domains were summed: %s against %s", w->a->energy_domains, w->b->energy_domains);
    } else {
        return 0;
    }
    return *why ? 0 : JB_E_NOMEM;
}

static bool has_joules(const struct jb_side_block *b, bool correct) { return isfinite(b->uj) && b->uj > 0 && b->n_rows && (!correct || b->n_correct); }

static void add_joules(struct columns *x, const struct jb_side_block *b, bool correct)
{
    x->top[x->n] = b->uj;
    x->top_lower[x->n] = isfinite(b->uj_lower) ? fmax(b->uj_lower, 0) : b->uj;
    x->top_upper[x->n] = isfinite(b->uj_upper) ? b->uj_upper : b->uj;
    x->under[x->n] = correct ? (double)b->n_correct / (double)b->n_rows * jb_side_window_rows(b) : jb_side_window_rows(b); // unrecorded rows are right as often
    x->batch[x->n++] = b->instance;
}

// Sums over the batches: these are what is drawn. Row k is never behind row i.
static void merge(struct columns *x, const uint32_t *batch, size_t n_batches)
{
    for (size_t i = 0; i < x->n; i++) {
        size_t k = batch[i];
        bool first = i == 0 || batch[i - 1] != batch[i];
        double row[4] = { x->top[i], x->top_lower[i], x->top_upper[i], x->under[i] };
        x->top[k] = (first ? 0 : x->top[k]) + row[0];
        x->top_lower[k] = (first ? 0 : x->top_lower[k]) + row[1];
        x->top_upper[k] = (first ? 0 : x->top_upper[k]) + row[2];
        x->under[k] = (first ? 0 : x->under[k]) + row[3];
    }
    x->n = n_batches;
}

// Both have the same pairs.
static void merge_pairs(struct columns *a, struct columns *b)
{
    size_t n = jb_batches(a->batch, a->n, b->batch);
    merge(a, b->batch, n);
    merge(b, b->batch, n);
}

static void fill_joules(struct work *w, struct columns *a, struct columns *b, bool correct)
{
    for (size_t i = 0; i < w->n_a; i++)
        if (has_joules(w->block_a[i], correct) && (!w->paired || has_joules(w->block_b[i], correct))) add_joules(a, w->block_a[i], correct);
    for (size_t i = 0; i < w->n_b; i++)
        if (has_joules(w->block_b[i], correct) && (!w->paired || has_joules(w->block_a[i], correct))) add_joules(b, w->block_b[i], correct);
}

static int joules_effect(struct work *w, struct jb_compared_metric *m, bool correct)
{
    struct columns a = { 0 }, b = { 0 };
    struct jb_effect e;
    int rc = columns_open(&a, w->n_a);
    if (!rc) rc = columns_open(&b, w->n_b);
    if (rc) goto out;
    fill_joules(w, &a, &b, correct);
    size_t least = a.n < b.n ? a.n : b.n;
    m->n_baseline = a.n;
    m->n_candidate = b.n;
    m->baseline = over(&a);
    m->candidate = over(&b);
    if (!least) {
        rc = jb_compare_because(m, "no block with joules in one of the runs");
    } else if (least < JB_COMPARE_LEAST_BLOCKS) {
        m->effect = m->candidate / m->baseline;
        rc = jb_compare_because(m, jb_comparison_strf(w->c, "no interval: %zu blocks with joules, at least %u are needed", least, JB_COMPARE_LEAST_BLOCKS));
    } else {
        if (w->paired) merge_pairs(&a, &b);
        rc = jb_effect_sums(&e, &(struct jb_sums){ a.top, a.top_lower, a.top_upper, a.under, a.n }, &(struct jb_sums){ b.top, b.top_lower, b.top_upper, b.under, b.n }, w->paired, &w->r);
        if (!rc) jb_compare_take(m, &e);
        m->reason = !rc && !isfinite(e.lower) ? "no interval: the bounds of the joules are too wide" : w->mark;
    }
out:
    columns_close(&a);
    columns_close(&b);
    return rc;
}

static int joules(struct work *w, const char *name, bool correct)
{
    struct jb_compared_metric *m = jb_compare_add(w->out, name);
    const struct jb_result_energy *a = &w->a->cell->energy, *b = &w->b->cell->energy;
    const char *why;
    int rc = joules_refused(w, &why);
    m->baseline = correct ? a->per_correct_uj : a->gross_uj;
    m->candidate = correct ? b->per_correct_uj : b->gross_uj;
    if (rc || why) return rc ? rc : jb_compare_because(m, why);
    m->energy_class = jb_energy_class_name(w->a->energy_cls);
    if (!w->a->n_blocks || !w->b->n_blocks) {
        if (m->baseline > 0 && m->candidate > 0) m->effect = m->candidate / m->baseline;
        return jb_compare_because(m, "no interval: a results.json alone has no blocks");
    }
    if (correct && (!w->a->labelled || !w->b->labelled)) return jb_compare_because(m, "not every sample has a label");
    return joules_effect(w, m, correct);
}

// ---- what does not vary ----

static int exact(struct work *w, const char *name, double a, double b, double grain, const char *refused)
{
    struct jb_compared_metric *m = jb_compare_add(w->out, name);
    m->deterministic = true;
    m->baseline = a;
    m->candidate = b;
    m->n_baseline = m->n_candidate = 1;
    if (refused) return jb_compare_because(m, refused);
    if (!isfinite(a) || !isfinite(b)) return jb_compare_because(m, "not known in both runs");
    if (a <= 0 && b != a) return jb_compare_because(m, "no ratio to 0");
    m->effect = a == b || fabs(b - a) <= 1e-12 * fabs(a) ? 1 : b / a; // sums of the same numbers in another order are the same
    m->detectable = grain;
    return 0;
}

static bool same_text(const char *a, const char *b) { return !strcmp(a ? a : "", b ? b : ""); }

// Only where somebody asked for it. Another way of counting, or other kernels, is another thing.
static int instructions(struct work *w)
{
    const struct jb_result_instructions *a = &w->a->cell->instructions, *b = &w->b->cell->instructions;
    const char *refused = data_of(w);
    if (isnan(a->value) && isnan(b->value)) return 0;
    if (isfinite(a->value) && isfinite(b->value)) {
        if (!same_text(a->source, b->source)) refused = "one was counted by the CPU, the other by callgrind";
        else if (!same_text(a->kernels, b->kernels)) refused = "counted with other kernels: such figures compare only with each other";
    }
    return exact(w, "instructions", a->value, b->value, INSTRUCTIONS_GRAIN, refused);
}

static int all(struct work *w)
{
    const struct jb_result_cell *a = w->a->cell, *b = w->b->cell;
    int rc = jb_compare_answers(w->c, w->a, w->b, w->o, w->no, w->out);
    if (!rc) rc = latency(w, "latency_mean_ns", NAN, false);
    if (!rc) rc = latency(w, "p50_ns", 0.5, false);
    if (!rc) rc = latency(w, "p90_ns", 0.9, false);
    if (!rc) rc = latency(w, "p99_ns", 0.99, false);
    if (!rc && has_sequences(w)) rc = latency(w, "ttft_ns", NAN, true);
    if (!rc) rc = joules(w, "uj_per_query", false);
    if (!rc) rc = joules(w, "uj_per_correct", true);
    if (!rc) rc = exact(w, "peak_rss_bytes", a->peak_rss_bytes, b->peak_rss_bytes, MEMORY_GRAIN, NULL);
    if (!rc) rc = exact(w, "model_bytes", a->model_bytes, b->model_bytes, NAN, NULL);
    if (!rc) rc = exact(w, "macs_mean", a->macs_mean, b->macs_mean, NAN, data_of(w));
    if (!rc) rc = instructions(w);
    return rc;
}

// ---- blocks and their scale ----

static bool pair_counts(const struct jb_side_cell *a, const struct jb_side_cell *b, size_t i)
{
    return a->blocks[i].valid && a->blocks[i].n_queries && b->blocks[i].valid && b->blocks[i].n_queries;
}

static void choose_blocks(struct work *w)
{
    size_t pairs = w->a->n_blocks < w->b->n_blocks ? w->a->n_blocks : w->b->n_blocks;
    for (size_t i = 0; i < pairs && w->paired; i++) {
        if (!pair_counts(w->a, w->b, i)) continue;
        w->block_a[w->n_a++] = &w->a->blocks[i];
        w->block_b[w->n_b++] = &w->b->blocks[i];
    }
    if (w->paired) return;
    for (size_t i = 0; i < w->a->n_blocks; i++)
        if (w->a->blocks[i].valid && w->a->blocks[i].n_queries) w->block_a[w->n_a++] = &w->a->blocks[i];
    for (size_t i = 0; i < w->b->n_blocks; i++)
        if (w->b->blocks[i].valid && w->b->blocks[i].n_queries) w->block_b[w->n_b++] = &w->b->blocks[i];
}

static int choose_batches(struct work *w)
{
    uint32_t *instance = malloc((w->n_a + 1) * sizeof *instance);
    if (!instance) return JB_E_NOMEM;
    for (size_t i = 0; i < w->n_a; i++) instance[i] = w->block_a[i]->instance;
    w->n_batches = jb_batches(instance, w->n_a, w->batch);
    if (w->n_a && w->n_batches != jb_starts(instance, w->n_a)) w->mark = "fewer than 5 starts of the workers: what is peculiar to a process counts as a difference";
    free(instance);
    return 0;
}

static bool all_have_reference(const struct jb_side_block *const *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(b[i]->reference_ns > 0)) return false;
    return n > 0;
}

// The machine's speed beside a block, against its median over both sides: a block beside which the reference kernel took longer is counted as so much shorter.
static int choose_scale(struct work *w)
{
    size_t n = w->n_a + w->n_b;
    if (!w->o->normalise || !all_have_reference(w->block_a, w->n_a) || !all_have_reference(w->block_b, w->n_b)) return 0;
    double *reference = malloc((n + 1) * sizeof *reference);
    w->scale_a = malloc((w->n_a + 1) * sizeof *w->scale_a);
    w->scale_b = malloc((w->n_b + 1) * sizeof *w->scale_b);
    if (!reference || !w->scale_a || !w->scale_b) {
        free(reference);
        return JB_E_NOMEM;
    }
    for (size_t i = 0; i < w->n_a; i++) reference[i] = w->block_a[i]->reference_ns;
    for (size_t i = 0; i < w->n_b; i++) reference[w->n_a + i] = w->block_b[i]->reference_ns;
    double median = jb_median_f64(reference, n);
    for (size_t i = 0; i < w->n_a; i++) w->scale_a[i] = median / w->block_a[i]->reference_ns;
    for (size_t i = 0; i < w->n_b; i++) w->scale_b[i] = median / w->block_b[i]->reference_ns;
    free(reference);
    return 0;
}

int jb_compare_metrics(struct jb_comparison *c, const struct jb_side_cell *a, const struct jb_side_cell *b, bool paired, const struct jb_compare_opts *o, const struct jb_refusals *no,
                       struct jb_compared_cell *out, struct jb_err *err)
{
    struct jb_refusals mine = *no;
    struct work w = { .c = c, .a = a, .b = b, .paired = paired, .o = o, .no = &mine, .out = out, .r = { o->confidence, o->resamples, o->seed }, .mark = no->mark };
    w.block_a = calloc(a->n_blocks + 1, sizeof *w.block_a);
    w.block_b = calloc(b->n_blocks + 1, sizeof *w.block_b);
    out->metrics = jb_comparison_array(c, MAX_METRICS, sizeof *out->metrics);
    out->n_metrics = 0;
    w.batch = calloc(a->n_blocks + 1, sizeof *w.batch);
    int rc = w.block_a && w.block_b && w.batch && out->metrics ? 0 : JB_E_NOMEM;
    if (!rc) {
        choose_blocks(&w);
        rc = paired ? choose_batches(&w) : 0;
        if (!rc) rc = choose_scale(&w);
        if (!rc) rc = other_samples(&w, &mine);
    }
    if (!rc) rc = all(&w);
    for (size_t i = 0; i < out->n_metrics && !rc; i++) rc = jb_compare_words(c, &out->metrics[i], 1);
    for (int i = 0; i < 4; i++) jb_pooled_free(&w.pooled[i / 2][i % 2]);
    free(w.block_a);
    free(w.block_b);
    free(w.batch);
    free(w.scale_a);
    free(w.scale_b);
    return rc ? jb_fail(err, rc, "comparison") : 0;
}

int jb_compare_cell(struct jb_comparison *c, const struct jb_side_cell *a, const struct jb_side_cell *b, bool paired, const struct jb_compare_opts *o, struct jb_compared_cell *out, struct jb_err *err)
{
    static const struct jb_refusals nothing = { 0 };
    return jb_compare_metrics(c, a, b, paired, o, &nothing, out, err);
}
