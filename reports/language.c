// The quality that ranks settings of a language model, the full model beside one, and what deciding costs.
#include "reports/language.h"

#include <math.h>
#include <string.h>

static bool same(const char *a, const char *b) { return strcmp(jb_text(a, ""), jb_text(b, "")) == 0; }

bool jb_cell_is_language(const struct jb_result_cell *c) { return c->language.kv != NULL; }

const struct jb_result_quality *jb_cell_quality(const struct jb_result_cell *c, const char *name)
{
    for (size_t i = 0; i < c->n_quality; i++)
        if (same(c->quality[i].name, name))
            return &c->quality[i];
    return NULL;
}

// The first quality of a text workload is what it is about; perplexity is no share, so it never ranks.
static const struct jb_result_quality *headline(const struct jb_result_cell *c)
{
    static const char *const NAMES[] = {"exact-match", "accuracy", "matching"};
    if (!jb_cell_is_language(c) || !c->n_quality)
        return NULL;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (same(c->quality[0].name, NAMES[i]))
            return &c->quality[0];
    return NULL;
}

double jb_cell_value(const struct jb_result_cell *c)
{
    const struct jb_result_quality *q = headline(c);
    return q ? q->value : c->accuracy.value;
}

const char *jb_cell_value_name(const struct jb_result_cell *c)
{
    const struct jb_result_quality *q = headline(c);
    return q ? q->name : "accuracy";
}

const char *jb_quality_words(const char *name)
{
    static const struct { const char *name, *words; } WORDS[] = {{"accuracy", "next-token accuracy"}, {"exact-match", "exact match"}, {"agreement", "agreement with the full model"},
        {"matching", "matching fraction"}, {"first-divergence", "first divergence"}};
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (same(WORDS[i].name, name))
            return WORDS[i].words;
    return jb_text(name, "quality");
}

bool jb_same_memory(const struct jb_result_cell *a, const struct jb_result_cell *b) { return same(a->language.kv, b->language.kv) && same(a->language.fill, b->language.fill); }

bool jb_cells_compare(const struct jb_result_cell *c, const struct jb_result_cell *like)
{
    return c->status == JB_CELL_VALID && isfinite(jb_cell_value(c)) && same(c->workload, like->workload) && same(c->scenario, like->scenario) && same(c->unit, like->unit) &&
        c->threads == like->threads && c->streams == like->streams && jb_same_limit(c->power_limit_w, like->power_limit_w);
}

size_t jb_full_model(const struct jb_result *r, const struct jb_result_cell *c)
{
    for (size_t i = 0; i < r->n_cells; i++) {
        const struct jb_result_cell *f = &r->cells[i];
        if (jb_cells_compare(f, c) && same(f->policy, "final") && same(f->model, c->model) && same(f->precision, c->precision) && same(f->language.kv, c->language.kv))
            return i;
    }
    return JB_NO_CELL;
}

// A setting that always leaves at this exit: the full model for the last one.
static const struct jb_result_cell *always_at(const struct jb_result *r, const struct jb_result_cell *c, uint32_t exit)
{
    if (exit + 1 == c->n_exits) {
        size_t full = jb_full_model(r, c);
        return full == JB_NO_CELL ? NULL : &r->cells[full];
    }
    for (size_t i = 0; i < r->n_cells; i++) {
        const struct jb_result_cell *f = &r->cells[i];
        if (jb_cells_compare(f, c) && same(f->policy, "fixed") && same(f->model, c->model) && same(f->precision, c->precision) && same(f->language.kv, c->language.kv) &&
            f->n_policy_params && f->policy_params[0].value == (double)exit)
            return f;
    }
    return NULL;
}

double jb_overhead_share(const struct jb_result *r, const struct jb_result_cell *c, bool macs)
{
    double late = macs ? c->language.deferred_macs : c->language.deferred_bytes;
    double all = 0, needed = 0, own = macs ? c->macs_mean : c->bytes_mean;
    for (uint32_t i = 0; i < c->n_exits && i < JB_RESULT_MAX_EXITS; i++)
        all += (double)c->exit_histogram[i];
    for (uint32_t i = 0; i < c->n_exits && i < JB_RESULT_MAX_EXITS; i++) {
        if (!c->exit_histogram[i])
            continue;
        const struct jb_result_cell *f = always_at(r, c, i);
        if (!f)
            return NAN;
        needed += (double)c->exit_histogram[i] / all * (macs ? f->macs_mean : f->bytes_mean);
    }
    return all > 0 && own > 0 && isfinite(needed) ? fmax(fmax(0, late / own), (own - needed) / own) : NAN; // late fills are part of it
}
