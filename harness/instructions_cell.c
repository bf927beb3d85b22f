// Instructions of a cell's queries: by the CPU in this process, or by this program's own `run` under valgrind.
#include "harness/instructions.h"

#include "base/strbuf.h"
#include "harness/ctx.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define QUERIES 96u                  // as many as confirm a replay (accuracy_cell.c): what `run` does within jb_adaptive_run when it measures nothing
#define SAMPLES 64u
#define MAX_WORDS 128

struct queries { const struct jb_ctx *c; const struct jb_ctx_workload *w; struct jb_adaptive *a; };

static int run_queries(void *user)
{
    const struct queries *q = user;
    struct jb_query_result out;
    for (uint32_t i = 0; i < QUERIES; i++) {
        struct jb_row_input row;
        uint32_t label;
        int rc = jb_workload_sample(q->w->w, q->c->split, q->w->order[i % q->w->n], &row, &label);
        if (!rc) rc = jb_adaptive_run(q->a, &row, 1, &out);
        if (rc) return rc;
    }
    return 0;
}

static void by_cpu(const struct jb_ctx *c, const struct jb_cell *cell, const struct jb_model *m, const struct jb_policy *p, const struct jb_schedule *s, struct jb_instructions *out)
{
    struct queries q = { .c = c, .w = &c->workloads[cell->workload] };
    struct jb_session *session = NULL;
    struct jb_session_opts o = { .max_rows = 1, .threads = 1 };
    struct jb_str kernels = { 0 };
    struct jb_err err = { 0 };
    const char *op, *symbol;
    for (size_t i = 0; jb_kernels_symbol(c->o->kernels, i, &op, &symbol); i++) jb_str_addf(&kernels, "%s%s=%s", i ? " " : "", op, symbol);
    int rc = jb_session_open(&session, m, &o, &err);
    if (!rc) rc = jb_adaptive_open(&q.a, session, p, s, 1, &err);
    if (!rc) rc = run_queries(&q); // warm: what is done once does not count
    if (!rc) {
        jb_instructions_papi(out, jb_str_get(&kernels), QUERIES, run_queries, &q);
    } else {
        memset(out, 0, sizeof *out);
        out->per_query = NAN;
        snprintf(out->reason, sizeof out->reason, "%.300s", err.detail[0] ? err.detail : jb_code_text(rc));
    }
    jb_adaptive_close(q.a);
    jb_session_close(session);
    jb_str_free(&kernels);
}

// Words of a command line, one behind the other, each with its NUL.
struct words { struct jb_str text; size_t at[MAX_WORDS], n; };

__attribute__((format(printf, 2, 3))) static void word(struct words *w, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (w->n == MAX_WORDS - 1) {
        w->text.failed = true;
        return;
    }
    w->at[w->n++] = w->text.len;
    jb_str_addn(&w->text, text, strlen(text) + 1);
}

static void build(struct words *w, const struct jb_ctx *c, const struct jb_cell *cell)
{
    const struct jb_ctx_workload *work = &c->workloads[cell->workload];
    const struct jb_ctx_model *m = &c->models[cell->model];
    char list[JB_MAX_STAGES * 26 + 1] = "";
    word(w, "run");
    word(w, "%s", m->path);
    if (m->exits[0]) word(w, "--exits=%s", m->exits);
    word(w, "--workload=%s", work->preset);
    for (uint32_t i = 0; i < work->n_params; i++) word(w, "--param=%s=%s", work->params[i].name, work->params[i].value);
    word(w, "--split=%s", jb_split_name(c->split));
    word(w, "--samples=%u", SAMPLES);
    word(w, "--precision=%s", cell->precision);
    word(w, "--policy=%s", cell->policy->name);
    for (uint32_t i = 0; i < cell->n_thresholds; i++) snprintf(list + strlen(list), sizeof list - strlen(list), "%s%.17g", i ? "," : "", cell->threshold[i]);
    if (cell->n_thresholds) word(w, "--threshold=%s", list);
    for (size_t i = 0; i < cell->n_params; i++) word(w, "--set=%s=%.17g", cell->params[i].name, cell->params[i].value);
    word(w, "--power=none");
    word(w, "--json");
}

static void by_callgrind(const struct jb_ctx *c, const struct jb_cell *cell, struct jb_instructions *out)
{
    struct words w = { 0 };
    char *argv[MAX_WORDS];
    build(&w, c, cell);
    if (w.text.failed || !c->o->program) {
        memset(out, 0, sizeof *out);
        out->per_query = NAN;
        snprintf(out->reason, sizeof out->reason, "%s", c->o->program ? "the setting does not fit a command line" : "it is not known where this program lies");
    } else {
        for (size_t i = 0; i < w.n; i++) argv[i] = w.text.s + w.at[i];
        argv[w.n] = NULL;
        jb_instructions_callgrind(out, NULL, c->o->program, argv, "jb_adaptive_run", QUERIES);
    }
    jb_str_free(&w.text);
}

void jb_instructions_of_cell(const struct jb_ctx *c, const struct jb_cell *cell, const struct jb_model *m, const struct jb_policy *p, const struct jb_schedule *s, struct jb_instructions *out)
{
    if (c->o->count_instructions == JB_INSTRUCTIONS_CALLGRIND) by_callgrind(c, cell, out);
    else by_cpu(c, cell, m, p, s, out);
}
