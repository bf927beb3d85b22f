// Tail attribution: which exits, precisions and events of the machine make up the slowest 1 % of a cell's queries, and its dearest blocks. Something is named when its share of the tail is well
// above its share of all: an exit with half of all queries and half of the slow ones explains nothing.
#include "harness/compare_parts.h"

#include "base/stats.h"
#include "runtime/tensor.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAIL 0.01
#define LEAST_IN_TAIL 20u       // queries
#define DEAREST 0.1             // of the blocks: their number is small
#define LEAST_BLOCKS 20u
#define LEAST_SHARE 0.1         // of the tail
#define LEAST_LIFT 1.25         // share of the tail against share of all
#define MOST_LINES 4u           // of one kind
#define BUSY 0.05               // others' share of the machine's CPU time
#define STOLEN 0.01             // by the hypervisor
#define MOST_PATTERNS 64u

enum what { EXIT, PATTERN, SWITCHES, OTHERS, STEAL, THROTTLED };
struct thing { enum what what; uint32_t value; uint64_t tail, all; };
struct things { struct thing thing[JB_MAX_STAGES + MOST_PATTERNS + 4]; size_t n; };

static void count(struct things *t, enum what what, uint32_t value, bool in_tail)
{
    size_t i = 0;
    while (i < t->n && (t->thing[i].what != what || t->thing[i].value != value)) i++;
    if (i == sizeof t->thing / sizeof *t->thing) return;
    if (i == t->n) t->thing[t->n++] = (struct thing){ what, value, 0, 0 };
    t->thing[i].all++;
    t->thing[i].tail += in_tail;
}

static void pattern_name(uint32_t pattern, char *out, size_t n)
{
    size_t at = (size_t)snprintf(out, n, "precision ");
    for (uint32_t s = 0; s < JB_MAX_STAGES && jb_pattern_at(pattern, s) < 3 && at < n; s++)
        at += (size_t)snprintf(out + at, n - at, "%s%s", s ? ">" : "", jb_precision_name((int)jb_pattern_at(pattern, s)));
}

static void name_of(const struct thing *x, char *out, size_t n)
{
    switch (x->what) {
    case EXIT: snprintf(out, n, "exit %u", x->value); break;
    case PATTERN: pattern_name(x->value, out, n); break;
    case SWITCHES: snprintf(out, n, "blocks with involuntary context switches"); break;
    case STEAL: snprintf(out, n, "blocks in which the hypervisor kept more than 1 %% of the CPUs"); break;
    case THROTTLED: snprintf(out, n, "blocks with thermal throttling"); break;
    case OTHERS: snprintf(out, n, "blocks in which others had more than 5 %% of the CPUs"); break;
    }
}

// Exits, patterns and events of one block. slower: from this latency on a query belongs to the tail; NAN: `in_tail` holds for the whole block.
static void count_block(struct things *t, const struct jb_side_block *b, double slower, bool in_tail)
{
    for (uint32_t q = 0; q < b->n_queries; q++) {
        bool slow = isnan(slower) ? in_tail : (double)b->latency_ns[q] >= slower;
        if (b->exit) count(t, EXIT, b->exit[q], slow);
        if (b->pattern) count(t, PATTERN, b->pattern[q], slow);
        if (b->involuntary_switches && b->involuntary_switches != UINT64_MAX) count(t, SWITCHES, 0, slow);
        if (b->others > BUSY) count(t, OTHERS, 0, slow);
        if (b->steal > STOLEN) count(t, STEAL, 0, slow);
        if (b->throttles > 0) count(t, THROTTLED, 0, slow);
    }
}

static int by_share(const void *x, const void *y)
{
    const struct thing *a = x, *b = y;
    return (a->tail < b->tail) - (a->tail > b->tail);
}

// Whether precisions say more than exits do: not when each exit has a pattern of its own.
static bool patterns_tell(const struct things *t)
{
    size_t exits = 0, patterns = 0;
    for (size_t i = 0; i < t->n; i++) {
        exits += t->thing[i].what == EXIT;
        patterns += t->thing[i].what == PATTERN;
    }
    return patterns > exits;
}

// One line each of what stands out.
static int tell(struct jb_comparison *c, struct jb_compared_cell *out, struct things *t, double in_tail, double all, const char *what)
{
    size_t told = 0;
    bool patterns = patterns_tell(t);
    qsort(t->thing, t->n, sizeof *t->thing, by_share);
    for (size_t i = 0; i < t->n && told < MOST_LINES; i++) {
        double tail = (double)t->thing[i].tail / in_tail, share = (double)t->thing[i].all / all;
        char name[160];
        if (tail < LEAST_SHARE || tail < share * LEAST_LIFT || (t->thing[i].what == PATTERN && !patterns)) continue;
        struct jb_kv *kv = &out->tail[out->n_tail++];
        name_of(&t->thing[i], name, sizeof name);
        kv->name = jb_comparison_strf(c, "%s: %s", what, name);
        kv->value = jb_comparison_strf(c, "%.0f %% of them, %.0f %% of all", tail * 100, share * 100);
        if (!kv->name || !kv->value) return JB_E_NOMEM;
        told++;
    }
    return 0;
}

static int slowest(struct jb_comparison *c, const struct jb_side_cell *s, struct jb_compared_cell *out, struct things *t)
{
    size_t n = 0, at = 0, k;
    for (size_t i = 0; i < s->n_blocks; i++) n += s->blocks[i].valid ? s->blocks[i].n_queries : 0;
    k = (size_t)ceil(TAIL * (double)n);
    if (k < LEAST_IN_TAIL) return 0;
    uint64_t *x = malloc((n + 1) * sizeof *x);
    if (!x) return JB_E_NOMEM;
    for (size_t i = 0; i < s->n_blocks; i++) {
        if (!s->blocks[i].valid) continue;
        memcpy(x + at, s->blocks[i].latency_ns, s->blocks[i].n_queries * sizeof *x);
        at += s->blocks[i].n_queries;
    }
    jb_sort_u64(x, n);
    double slower = (double)x[n - k], in_tail = 0;
    while (in_tail < (double)n && (double)x[n - 1 - (size_t)in_tail] >= slower) in_tail++; // ties belong to it
    free(x);
    if (in_tail > 2 * (double)k) return 0; // so many ties that there is no tail
    for (size_t i = 0; i < s->n_blocks; i++)
        if (s->blocks[i].valid) count_block(t, &s->blocks[i], slower, false);
    return tell(c, out, t, in_tail, (double)n, "slowest 1 %");
}

static double price(const struct jb_side_block *b) { return b->valid && b->uj > 0 && b->n_rows ? b->uj / jb_side_window_rows(b) : NAN; }

static int dearest(struct jb_comparison *c, const struct jb_side_cell *s, struct jb_compared_cell *out, struct things *t)
{
    size_t n = 0;
    double *x = malloc((s->n_blocks + 1) * sizeof *x), in_tail = 0, all = 0;
    if (!x) return JB_E_NOMEM;
    for (size_t i = 0; i < s->n_blocks; i++)
        if (isfinite(price(&s->blocks[i]))) x[n++] = price(&s->blocks[i]);
    jb_sort_f64(x, n);
    double from = n >= LEAST_BLOCKS ? x[n - (size_t)ceil(DEAREST * (double)n)] : NAN;
    free(x);
    for (size_t i = 0; i < s->n_blocks && isfinite(from); i++) {
        bool dear = price(&s->blocks[i]) >= from;
        if (isnan(price(&s->blocks[i]))) continue;
        all += s->blocks[i].n_queries;
        in_tail += dear ? s->blocks[i].n_queries : 0;
        count_block(t, &s->blocks[i], NAN, dear);
    }
    return in_tail > 0 ? tell(c, out, t, in_tail, all, "dearest tenth of the blocks") : 0;
}

int jb_compare_tail(struct jb_comparison *c, const struct jb_side_cell *s, struct jb_compared_cell *out)
{
    struct things *t = calloc(1, sizeof *t);
    out->tail = jb_comparison_array(c, 2 * MOST_LINES, sizeof *out->tail);
    out->n_tail = 0;
    int rc = t && out->tail ? slowest(c, s, out, t) : JB_E_NOMEM;
    if (!rc) {
        t->n = 0;
        rc = dearest(c, s, out, t);
    }
    free(t);
    return rc;
}
