#include "workloads/text/score_tokens.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/stats.h"

#define SHORT_ANSWER 16u // tokens: queries with no more are words, not windows

// Sums over one query.
struct sums { double n, right, exact, agree, n_full, logprob, n_logprob, same, diverged; };

// sum y / sum x over m queries, with an interval when there are enough of them.
static struct jb_quality ratio(const char *name, const double *y, const double *x, size_t m, bool higher)
{
    double sy = 0, sx = 0, v = 0;
    for (size_t i = 0; i < m; i++) {
        sy += y[i];
        sx += x[i];
    }
    struct jb_quality q = { .value = sx > 0 ? sy / sx : NAN, .lower = NAN, .upper = NAN, .n = (uint64_t)sx, .higher_is_better = higher };
    snprintf(q.name, sizeof q.name, "%s", name);
    for (size_t i = 0; i < m; i++) v += (y[i] - q.value * x[i]) * (y[i] - q.value * x[i]);
    if (m > 1 && sx > 0) {
        double half = jb_student_t(0.95, (double)(m - 1)) * sqrt(v * (double)m / (double)(m - 1)) / sx;
        q.lower = q.value - half;
        q.upper = q.value + half;
    }
    return q;
}

static void gather(const struct jb_queries *q, const struct jb_answered *a, uint32_t n, struct sums *s, bool *forced, uint32_t *longest)
{
    for (uint32_t i = 0; i < n; i++) {
        struct jb_query_tokens t;
        uint32_t k = jb_queries_of(q, a[i].index);
        jb_queries_at(q, k, &t);
        struct sums *x = &s[k];
        uint32_t at = a[i].index - t.first;
        bool right = t.target && a[i].token == t.target[at];
        if (x->n == 0) x->exact = 1;
        x->n++;
        x->right += right;
        if (!right) x->exact = 0;
        if (a[i].full != UINT32_MAX) {
            x->n_full++;
            x->agree += a[i].token == a[i].full;
            if (a[i].token != a[i].full) x->diverged = 1;
            if (x->diverged == 0) x->same++;
        }
        if (!isnan(a[i].logprob)) {
            x->n_logprob++;
            x->logprob -= (double)a[i].logprob;
        }
        *forced |= t.forced;
        if (t.n_steps > *longest) *longest = t.n_steps;
    }
}

enum { Y_RIGHT, Y_EXACT, Y_AGREE, Y_LOGPROB, Y_SAME, Y_COUNT };

static void pick(const struct sums *s, int what, double *y, double *x)
{
    switch (what) {
    case Y_RIGHT: *y = s->right; *x = s->n; break;
    case Y_EXACT: *y = s->exact; *x = 1; break;
    case Y_AGREE: *y = s->agree; *x = s->n_full; break;
    case Y_LOGPROB: *y = s->logprob; *x = s->n_logprob; break;
    default: *y = s->same; *x = 1; break;
    }
}

struct out { struct jb_quality *q; size_t room, n; const struct sums *s; uint32_t n_queries; double *y, *x; };

static void put(struct out *o, const char *name, int what)
{
    size_t m = 0;
    double any = 0;
    for (uint32_t i = 0; i < o->n_queries; i++) {
        if (o->s[i].n == 0) continue; // not among those asked
        pick(&o->s[i], what, &o->y[m], &o->x[m]);
        any += o->x[m++];
    }
    if (o->n == o->room || any == 0) return;
    struct jb_quality r = ratio(name, o->y, o->x, m, what != Y_LOGPROB);
    if (what == Y_LOGPROB) {
        r.value = exp(r.value);
        r.lower = exp(r.lower);
        r.upper = exp(r.upper);
    } else if (what != Y_SAME) {
        if (r.lower < 0) r.lower = 0;
        if (r.upper > 1) r.upper = 1;
    }
    o->q[o->n++] = r;
}

int jb_score_tokens(const struct jb_queries *q, const struct jb_answered *a, uint32_t n, struct jb_quality *out, size_t room, size_t *n_out)
{
    uint32_t n_queries = jb_queries_count(q), longest = 0;
    bool forced = false;
    struct sums *s = calloc((size_t)n_queries + 1, sizeof *s);
    double *y = calloc(((size_t)n_queries + 1) * 2, sizeof *y);
    if (!s || !y) {
        free(s);
        free(y);
        return JB_E_NOMEM;
    }
    gather(q, a, n, s, &forced, &longest);
    struct out o = { .q = out, .room = room, .s = s, .n_queries = n_queries, .y = y, .x = y + n_queries + 1 };
    if (forced) {
        if (longest <= SHORT_ANSWER) put(&o, "exact-match", Y_EXACT);
        put(&o, "accuracy", Y_RIGHT);
        put(&o, "perplexity", Y_LOGPROB);
        put(&o, "agreement", Y_AGREE);
    } else {
        put(&o, "matching", Y_AGREE);
        put(&o, "first-divergence", Y_SAME);
    }
    *n_out = o.n;
    free(s);
    free(y);
    return JB_OK;
}
