// Inside comparing: what its files share.
#ifndef JB_HARNESS_COMPARE_PARTS_H
#define JB_HARNESS_COMPARE_PARTS_H

#include "harness/compare_stats.h"

// Why some of a cell's metrics are not compared, or what must stand beside them; texts owned by the comparison, NULL: nothing.
struct jb_refusals {
    const char *data;        // other samples: no accuracy, no cost that depends on them
    const char *samples;     // other samples of the same data, and what a query costs depends on the sample: no latency, joules, MACs
    const char *machine;     // other machine: no latency, no joules
    const char *mark;        // stands beside latencies and joules that are compared all the same
};

// A row for a metric of the cell, its effect, and why there is none (text NULL: no memory).
static inline struct jb_compared_metric *jb_compare_add(struct jb_compared_cell *out, const char *name)
{
    struct jb_compared_metric *m = &out->metrics[out->n_metrics++];
    jb_compared_metric_init(m);
    m->name = name;
    return m;
}

static inline void jb_compare_take(struct jb_compared_metric *m, const struct jb_effect *e)
{
    m->effect = e->effect;
    m->lower = e->lower;
    m->upper = e->upper;
    m->p = m->p_adjusted = e->p;
}

static inline int jb_compare_because(struct jb_compared_metric *m, const char *text)
{
    m->reason = text;
    return text ? 0 : JB_E_NOMEM;
}

// Places of the next sample that both have, in lists that are sorted by index; false: there is none.
static inline bool jb_compare_next(const struct jb_side_cell *a, const struct jb_side_cell *b, uint32_t *i, uint32_t *k)
{
    while (*i < a->n_samples && *k < b->n_samples) {
        if (a->index[*i] == b->index[*k]) return true;
        if (a->index[*i] < b->index[*k]) ++*i;
        else ++*k;
    }
    return false;
}

// compare_metrics.c: fills out->metrics.
int jb_compare_metrics(struct jb_comparison *c, const struct jb_side_cell *a, const struct jb_side_cell *b, bool paired, const struct jb_compare_opts *o, const struct jb_refusals *no,
                       struct jb_compared_cell *out, struct jb_err *err);
// compare_answers.c: adds what follows from the answers: accuracy; of language models exact_match, ppl and agreement, too. NOMEM.
int jb_compare_answers(struct jb_comparison *c, const struct jb_side_cell *a, const struct jb_side_cell *b, const struct jb_compare_opts *o, const struct jb_refusals *no, struct jb_compared_cell *out);
bool jb_compare_asks_for_words(const struct jb_result_cell *c); // a text whose queries are right when all their answers are ("exact-match")
// compare_words.c: of one metric, among `tests` metrics that have a p-value.
int jb_compare_words(struct jb_comparison *c, struct jb_compared_metric *m, size_t tests);
int jb_compare_sentences(struct jb_comparison *c);

// compare_env.c: what differs between two results, and what follows for the cells of a workload. mode: of the comparison ("across" refuses no machine).
int jb_compare_tell(struct jb_comparison *c, const char *name, const char *text); // text: in the comparison's memory; NULL: JB_E_NOMEM
int jb_compare_environment(struct jb_comparison *c, const struct jb_result *a, const struct jb_result *b, const char *name_b);
int jb_compare_refusals(struct jb_comparison *c, const struct jb_result *a, const struct jb_result *b, const char *split_a, const char *split_b, const char *workload, struct jb_refusals *out);
// Environment, kernels and hashes of a result as one list, in the comparison's memory.
int jb_compare_facts(struct jb_comparison *c, const struct jb_result *r, struct jb_kv **out, size_t *n);

// compare_front.c: of all cells of one run: out[i] gets "surely", "perhaps", "surely off" or NULL; room for the result's cells.
struct jb_fronts { const char **latency, **joules; };
int jb_compare_fronts(struct jb_comparison *c, const struct jb_run_data *d, const struct jb_compare_opts *o, struct jb_fronts *out, struct jb_err *err);

// compare_tail.c: what makes up the slowest and the dearest of a cell.
int jb_compare_tail(struct jb_comparison *c, const struct jb_side_cell *s, struct jb_compared_cell *out);

// compare.c: adds the cells of two opened runs to the comparison. run: name of the candidate where there are several, or NULL.
int jb_compare_runs(struct jb_comparison *c, const struct jb_run_data *a, const struct jb_run_data *b, bool paired, const struct jb_compare_opts *o, const char *run, struct jb_err *err);
// Times, exit code and everything of jb_compare_finish.
int jb_compare_end(struct jb_comparison *c, struct jb_err *err);
int jb_compare_open(struct jb_comparison **out, const char *mode, const struct jb_compare_opts *o, struct jb_err *err);

#endif
