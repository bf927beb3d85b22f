// The search for thresholds. Both searches sweep a threshold down over observed confidences and update counts as samples stop earlier,
// so that a sweep costs O(n) after sorting and every candidate is judged exactly. Sums of MACs are whole numbers below 2^53: exact too.
#include "early_exit/calibrate_search.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "early_exit/policy.h"

#define GRID 128        // candidates per exit and sweep in the per-exit search: one for every n / GRID samples (docs/policies.md says why)
#define PRICES 48       // of an error, tried by the per-exit search: 1000 down to 0.3 times the full network's MACs
#define ROUNDS 20       // coordinate rounds per price, at most
#define TOLERANCE 1e-12 // of a loss that should equal the target but for rounding

bool jb_search_open(struct jb_search *s, uint32_t n, uint32_t n_exits)
{
    *s = (struct jb_search){.n = n, .n_exits = n_exits};
    s->confidence = calloc((size_t)n * n_exits, sizeof *s->confidence);
    s->correct = calloc((size_t)n * n_exits, sizeof *s->correct);
    s->cost = calloc(n_exits, sizeof *s->cost);
    s->order = calloc((size_t)n * n_exits, sizeof *s->order);
    return s->confidence && s->correct && s->cost && s->order;
}

void jb_search_close(struct jb_search *s)
{
    free(s->confidence);
    free(s->correct);
    free(s->cost);
    free(s->order);
}

static float confidence_at(const struct jb_search *s, uint32_t i, uint32_t k)
{
    return s->confidence[(size_t)i * (s->n_exits - 1) + k];
}

static bool correct_at(const struct jb_search *s, uint32_t i, uint32_t k)
{
    return s->correct[(size_t)i * s->n_exits + k];
}

struct keyed { float confidence; uint32_t sample; };

// Falling confidence, NAN last; ties by sample, so that the order is the same everywhere.
static int by_falling_confidence(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    bool nan_x = isnan(x->confidence), nan_y = isnan(y->confidence);
    if (nan_x != nan_y) return nan_x ? 1 : -1;
    if (!nan_x && x->confidence != y->confidence) return x->confidence > y->confidence ? -1 : 1;
    return (x->sample > y->sample) - (x->sample < y->sample);
}

bool jb_search_sort(struct jb_search *s)
{
    struct keyed *keyed = malloc(s->n * sizeof *keyed);
    if (!keyed) return false;
    for (uint32_t k = 0; k + 1 < s->n_exits; k++) {
        for (uint32_t i = 0; i < s->n; i++) keyed[i] = (struct keyed){confidence_at(s, i, k), i};
        qsort(keyed, s->n, sizeof *keyed, by_falling_confidence);
        for (uint32_t i = 0; i < s->n; i++) s->order[(size_t)k * s->n + i] = keyed[i].sample;
    }
    free(keyed);
    return true;
}

// First exit from `from` on at which sample i stops.
static uint32_t stop_of(const struct jb_search *s, const double *threshold, uint32_t i, uint32_t from)
{
    uint32_t k = from;
    while (k + 1 < s->n_exits && !((double)confidence_at(s, i, k) >= threshold[k])) k++;
    return k;
}

static bool counts(const struct jb_search *s, uint32_t i)
{
    if (s->fold == 0) return true;
    bool inside = i % JB_FOLDS == (s->fold - 1) % JB_FOLDS;
    return inside == (s->fold > JB_FOLDS);
}

static void count(const struct jb_search *s, struct jb_outcome *o, uint32_t i, uint32_t exit, int sign)
{
    if (!counts(s, i)) return;
    bool final = correct_at(s, i, s->n_exits - 1), now = correct_at(s, i, exit);
    o->n += (uint32_t)sign;
    o->cost_sum += sign * s->cost[exit];
    if (final && !now) o->lost += (uint32_t)sign;
    if (!final && now) o->gained += (uint32_t)sign;
}

static void move(const struct jb_search *s, struct jb_outcome *o, uint32_t i, uint32_t from, uint32_t to)
{
    count(s, o, i, from, -1);
    count(s, o, i, to, 1);
}

struct jb_outcome jb_search_evaluate(const struct jb_search *s, const double *threshold)
{
    struct jb_outcome o = {0};
    for (uint32_t i = 0; i < s->n; i++) count(s, &o, i, stop_of(s, threshold, i, 0), 1);
    return o;
}

double jb_outcome_loss(const struct jb_outcome *o)
{
    return o->n ? ((double)o->lost - (double)o->gained) / o->n : 0;
}

// Standard error of that loss: the paired differences are -1, 0 or 1.
static double loss_error(const struct jb_outcome *o)
{
    if (o->n == 0) return 0;
    double d = jb_outcome_loss(o), square = ((double)o->lost + (double)o->gained) / o->n;
    return sqrt(fmax(square - d * d, 0) / o->n);
}

// Lets every sample whose confidence at exit k equals `value` stop there, if it went on so far.
static void lower_to(const struct jb_search *s, struct jb_outcome *o, uint32_t k, float value, uint32_t *position, uint32_t *at)
{
    const uint32_t *order = s->order + (size_t)k * s->n;
    for (; *position < s->n && confidence_at(s, order[*position], k) == value; ++*position) {
        uint32_t i = order[*position];
        if (at[i] <= k) continue;
        move(s, o, i, at[i], k);
        at[i] = k;
    }
}

// Highest confidence not yet passed at any exit; NAN when there is none.
static float next_value(const struct jb_search *s, const uint32_t *position)
{
    float best = NAN;
    for (uint32_t k = 0; k + 1 < s->n_exits; k++) {
        if (position[k] >= s->n) continue;
        float c = confidence_at(s, s->order[(size_t)k * s->n + position[k]], k);
        if (!isnan(c) && !(c <= best)) best = c;
    }
    return best;
}

void jb_search_uniform(const struct jb_search *s, double target_loss, uint32_t *at, double *threshold)
{
    uint32_t position[JB_MAX_STAGES] = {0};
    for (uint32_t i = 0; i < s->n; i++) at[i] = s->n_exits - 1;
    double best = JB_THRESHOLD_NEVER;
    for (uint32_t k = 0; k + 1 < s->n_exits; k++) threshold[k] = best;
    struct jb_outcome o = jb_search_evaluate(s, threshold);
    double best_cost = o.cost_sum;
    for (float value = next_value(s, position); !isnan(value); value = next_value(s, position)) {
        for (uint32_t k = 0; k + 1 < s->n_exits; k++) lower_to(s, &o, k, value, &position[k], at);
        double loss = jb_outcome_loss(&o);
        if (loss <= target_loss + TOLERANCE && o.cost_sum < best_cost) {
            best_cost = o.cost_sum;
            best = value;
        }
        // Beyond a clear violation a lower loss is luck: what is safer must not be worse.
        if (loss > target_loss + loss_error(&o)) break;
    }
    for (uint32_t k = 0; k + 1 < s->n_exits; k++) threshold[k] = best;
}

static double value_of(const struct jb_outcome *o, double price)
{
    return o->cost_sum + price * ((double)o->lost - (double)o->gained);
}

// Best threshold of exit k with the others as they are: the least cost + price * errors, which *best_value gets.
static double sweep_exit(const struct jb_search *s, double price, const double *threshold, uint32_t k, uint32_t *at, double *best_value)
{
    struct jb_outcome o = {0};
    for (uint32_t i = 0; i < s->n; i++) {
        at[i] = stop_of(s, threshold, i, 0);
        if (at[i] == k) at[i] = stop_of(s, threshold, i, k + 1);
        count(s, &o, i, at[i], 1);
    }
    double best = JB_THRESHOLD_NEVER;
    *best_value = value_of(&o, price);
    const uint32_t *order = s->order + (size_t)k * s->n, step = s->n / GRID > 1 ? s->n / GRID : 1;
    uint32_t position = 0, next_candidate = step;
    while (position < s->n) {
        float value = confidence_at(s, order[position], k);
        if (isnan(value)) break;
        lower_to(s, &o, k, value, &position, at);
        if (position < next_candidate && position < s->n) continue;
        next_candidate = position + step;
        double v = value_of(&o, price);
        if (v < *best_value) {
            *best_value = v;
            best = value;
        }
    }
    return best;
}

// Exit by exit until nothing gets better.
static void descend(const struct jb_search *s, double price, uint32_t *at, double *threshold)
{
    struct jb_outcome start = jb_search_evaluate(s, threshold);
    double now = value_of(&start, price);
    bool changed = true;
    for (int round = 0; changed && round < ROUNDS; round++) {
        changed = false;
        for (uint32_t k = 0; k + 1 < s->n_exits; k++) {
            double value, best = sweep_exit(s, price, threshold, k, at, &value);
            if (!(value < now)) continue;
            now = value;
            threshold[k] = best;
            changed = true;
        }
    }
}

static struct jb_search with_fold(const struct jb_search *s, uint32_t fold)
{
    struct jb_search part = *s; // shares the tables
    part.fold = fold;
    return part;
}

// Thresholds for this price from four fifths of the samples, judged on the last fifth, in turn. `tried` (JB_FOLDS, JB_MAX_STAGES) goes in and out.
static struct jb_outcome cross_validate(const struct jb_search *s, double price, uint32_t *at, double tried[][JB_MAX_STAGES])
{
    struct jb_outcome sum = {0};
    for (uint32_t f = 0; f < JB_FOLDS; f++) {
        struct jb_search rest = with_fold(s, 1 + f), held_out = with_fold(s, 1 + f + JB_FOLDS);
        descend(&rest, price, at, tried[f]);
        struct jb_outcome o = jb_search_evaluate(&held_out, tried[f]);
        sum.n += o.n;
        sum.lost += o.lost;
        sum.gained += o.gained;
    }
    return sum;
}

// Errors get a price in MACs; for each price coordinate descent finds thresholds that balance the exits against each other. That leaves one
// number to choose, the price, and it is chosen by its cross-validated loss: several thresholds fitted to few errors flatter themselves.
void jb_search_per_exit(const struct jb_search *s, double target_loss, uint32_t *at, double *threshold)
{
    double tried[JB_FOLDS + 1][JB_MAX_STAGES];
    size_t size = (s->n_exits - 1) * sizeof *threshold;
    for (uint32_t f = 0; f <= JB_FOLDS; f++) memcpy(tried[f], threshold, size);
    double best_cost = jb_search_evaluate(s, threshold).cost_sum;
    for (int i = 0; i < PRICES; i++) {
        double price = s->cost[s->n_exits - 1] * pow(10.0, 3.0 - 3.5 * i / (PRICES - 1));
        struct jb_outcome fresh = cross_validate(s, price, at, tried);
        if (jb_outcome_loss(&fresh) > target_loss + loss_error(&fresh)) break;
        descend(s, price, at, tried[JB_FOLDS]);
        struct jb_outcome o = jb_search_evaluate(s, tried[JB_FOLDS]);
        bool holds = jb_outcome_loss(&fresh) <= target_loss + TOLERANCE && jb_outcome_loss(&o) <= target_loss + TOLERANCE;
        if (holds && o.cost_sum < best_cost) {
            best_cost = o.cost_sum;
            memcpy(threshold, tried[JB_FOLDS], size);
        }
    }
}
