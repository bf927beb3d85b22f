// A cell's joules: the sum of its windows, per query and per correct answer, with what was subtracted, what failed and what else must be said.
#include "harness/build.h"

#include "base/strbuf.h"
#include "harness/extend.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define W_PER_UJ_NS 1000.0             // a microjoule a nanosecond

struct sums {
    double rows, uj[3], window_ns;     // windows with a figure: value, lower, upper
    double net_rows, net_uj[3], net_window_ns, idle_uj[3]; // of these, those with an idle figure
    uint64_t windows, failed, without_net, drift;
};

// Gross less net is what was subtracted; its bounds cross over (base/joules.h, jb_joules_net).
static void add_net(struct sums *s, const struct jb_block_fact *b)
{
    const double net[3] = { b->net_uj, b->net_lower_uj, b->net_upper_uj }, idle[3] = { b->uj - b->net_uj, b->upper_uj - b->net_upper_uj, b->lower_uj - b->net_lower_uj };
    s->net_rows += (double)b->window_rows;
    s->net_window_ns += (double)b->window_ns;
    s->drift += b->drift;
    for (int i = 0; i < 3; i++) {
        s->net_uj[i] += net[i];
        s->idle_uj[i] += fmax(idle[i], 0);
    }
}

static void sum_windows(const struct jb_built *x, struct sums *s)
{
    const struct jb_rec_cell *rec = x->rec;
    *s = (struct sums){ .windows = rec->n_blocks - x->left_out };
    for (uint32_t i = 0; i < rec->n_blocks; i++) {
        const struct jb_block_fact *b = &rec->blocks[i];
        const double gross[3] = { b->uj, b->lower_uj, b->upper_uj };
        if (!jb_built_uses(x, i)) continue;
        if (b->energy_cls == JB_ENERGY_NONE) {
            s->failed++;
            continue;
        }
        s->rows += (double)b->window_rows;
        s->window_ns += (double)b->window_ns;
        for (int k = 0; k < 3; k++) s->uj[k] += gross[k];
        if (b->net_cls != JB_ENERGY_NONE) add_net(s, b);
        else s->without_net++;
    }
}

// The one class of the windows that have a figure. False: they are of several.
static bool class_of(const struct jb_rec_cell *rec, enum jb_energy_class *cls)
{
    *cls = JB_ENERGY_NONE;
    for (uint32_t i = 0; i < rec->n_blocks; i++) {
        enum jb_energy_class k = rec->blocks[i].energy_cls;
        if (k == JB_ENERGY_NONE) continue;
        if (*cls != JB_ENERGY_NONE && *cls != k) return false;
        *cls = k;
    }
    return true;
}

static void and_also(struct jb_str *s) { if (s->len) jb_str_add(s, "; "); }

static int remark(struct jb_result *r, struct jb_result_cell *c, const struct jb_rec_cell *rec, const struct sums *s)
{
    struct jb_str t = { 0 };
    if (rec->energy_text->cls != JB_ENERGY_NONE) jb_str_add(&t, rec->energy_text->reason); // whose word the figure rests on
    if (s->failed) {
        and_also(&t);
        jb_str_addf(&t, "%llu of %llu windows failed: %s", (unsigned long long)s->failed, (unsigned long long)s->windows, rec->failed_reason);
    }
    if (s->without_net && s->net_rows > 0) {
        and_also(&t);
        jb_str_addf(&t, "net of %llu windows: %s", (unsigned long long)(s->windows - s->failed - s->without_net), rec->net_reason);
    }
    if (s->drift) {
        and_also(&t);
        jb_str_addf(&t, "idle drifted beyond its bounds around %llu of %llu windows", (unsigned long long)s->drift, (unsigned long long)s->windows);
    }
    if (c->others.contaminated) {
        and_also(&t);
        jb_str_addf(&t, "contaminated: in %llu of %u windows others had more than %.3g %% of the machine%s", (unsigned long long)c->others.contaminated,
                    rec->n_blocks, c->others.limit * 100, c->blocks.left_out ? "; left out" : "");
    }
    if (!(c->accuracy.value > 0)) {
        and_also(&t);
        jb_str_add(&t, "nothing per correct answer: none was correct");
    }
    c->energy.remark = t.len ? jb_result_str(r, jb_str_get(&t)) : NULL;
    int rc = t.failed || (t.len && !c->energy.remark) ? JB_E_NOMEM : 0;
    jb_str_free(&t);
    return rc;
}

// Why the windows were not made longer.
static int stopped(struct jb_build *b, struct jb_result_energy *e, const struct jb_rec_cell *rec)
{
    struct jb_extension x;
    jb_extension_of(rec->blocks, rec->n_blocks, 1, b->energy_half_width, &x);
    e->half_width = (e->gross_upper_uj - e->gross_lower_uj) / 2 / e->gross_uj;
    if (!x.known) { // attributed, or nothing drawn
        e->stopped = "no longer windows are measured for figures of this class";
        return 0;
    }
    if (x.reached) e->stopped = "target reached";
    else if (x.unreachable) e->stopped = "longer windows do not narrow it: what is uncertain grows with them (accuracy of the source, sampling)";
    else if (!b->rec->complete) e->stopped = "interrupted";
    else e->stopped = jb_result_strf(b->r, "%s: another window of %.3g s would have been needed", b->extend ? "max_seconds" : "the length was given", x.wanted_ns * 1e-9);
    return e->stopped ? 0 : JB_E_NOMEM;
}

static void per_query(struct jb_result_cell *c, const struct sums *s)
{
    struct jb_result_energy *e = &c->energy;
    double *gross[3] = { &e->gross_uj, &e->gross_lower_uj, &e->gross_upper_uj }, *net[3] = { &e->net_uj, &e->net_lower_uj, &e->net_upper_uj };
    double *correct[3] = { &e->per_correct_uj, &e->per_correct_lower_uj, &e->per_correct_upper_uj }, *idle[3] = { &e->idle_w, &e->idle_lower_w, &e->idle_upper_w };
    for (int i = 0; i < 3; i++) {
        *gross[i] = s->rows > 0 ? s->uj[i] / s->rows : NAN;
        *net[i] = s->net_rows > 0 ? s->net_uj[i] / s->net_rows : NAN;
        *idle[i] = s->net_window_ns > 0 ? s->idle_uj[i] / s->net_window_ns * W_PER_UJ_NS : NAN;
        *correct[i] = c->accuracy.value > 0 ? *gross[i] / c->accuracy.value : NAN;
    }
    e->power_w = s->window_ns > 0 ? s->uj[0] / s->window_ns * W_PER_UJ_NS : NAN;
}

// A figure that is modelled stands among the modelled ones, in microjoules.
static int as_modelled(struct jb_result *r, struct jb_result_cell *c, const struct jb_rec_cell *rec, const struct sums *s)
{
    struct jb_result_modelled *grown = jb_result_array(r, c->n_modelled + 1, sizeof *grown), *m;
    if (!grown || !(s->rows > 0)) return grown ? 0 : JB_E_NOMEM;
    if (c->n_modelled) memcpy(grown, c->modelled, c->n_modelled * sizeof *grown);
    m = &grown[c->n_modelled];
    *m = (struct jb_result_modelled){ .source = jb_result_str(r, rec->energy_text->source), .per = jb_energy_per(c), .uj = s->uj[0] / s->rows, .lower_uj = s->uj[1] / s->rows,
                                      .upper_uj = s->uj[2] / s->rows, .relative = NAN };
    m->reason = rec->energy_text->reason[0] ? jb_result_str(r, rec->energy_text->reason) : "gross; not measured: see energy.reason";
    if (!m->source || !m->reason) return JB_E_NOMEM;
    c->modelled = grown;
    c->n_modelled++;
    return 0;
}

static int none(struct jb_result *r, struct jb_result_cell *c, const char *reason)
{
    c->energy.cls = JB_ENERGY_NONE;
    c->energy.reason = jb_result_str(r, reason && *reason ? reason : "no reason was given");
    return c->energy.reason ? 0 : JB_E_NOMEM;
}

static int texts(struct jb_result *r, struct jb_result_energy *e, const struct jb_joules *text)
{
    e->source = jb_result_str(r, text->source);
    e->root = jb_result_str(r, text->root);
    e->domains = jb_result_str(r, text->domains);
    return e->source && e->root && e->domains ? 0 : JB_E_NOMEM;
}

static void others(const struct jb_build *b, struct jb_result_cell *c, const struct jb_rec_cell *rec)
{
    double sum = 0, n = 0;
    c->others.limit = b->max_other_cpu;
    c->others.repeated = rec->repeated;
    for (uint32_t i = 0; i < rec->n_blocks; i++) {
        const struct jb_block_fact *f = &rec->blocks[i];
        c->others.contaminated += f->invalid >> JB_CHECK_OTHERS & 1;
        if (isnan(f->others)) continue;
        sum += f->others;
        n++;
        if (!(f->others_least <= c->others.share_most_least)) c->others.share_most_least = f->others_least;
    }
    if (n > 0) c->others.share = sum / n;
}

int jb_build_energy(struct jb_build *b, struct jb_result_cell *c, const struct jb_built *x)
{
    const struct jb_rec_cell *rec = x->rec;
    struct jb_result_energy *e = &c->energy;
    struct sums s;
    struct jb_joules energy, unused;
    e->per = jb_energy_per(c);
    e->half_width_target = b->energy_half_width;
    if (!rec->n_blocks || !rec->energy_text) return 0;
    others(b, c, rec);
    sum_windows(x, &s);
    e->windows = s.windows;
    e->windows_failed = s.failed;
    e->drift_windows = s.drift;
    int rc = texts(b->r, e, rec->energy_text);
    if (rc) return rc;
    if (!class_of(rec, &e->cls)) return none(b->r, c, "its windows are of several classes");
    if (e->cls == JB_ENERGY_NONE) return none(b->r, c, rec->failed_reason);
    if (e->cls == JB_ENERGY_MODELLED) {
        jb_joules_split(rec->energy_text, &energy, &unused);
        rc = as_modelled(b->r, c, rec, &s);
        return rc ? rc : none(b->r, c, energy.reason);
    }
    e->reason = NULL;
    per_query(c, &s);
    if (!(s.net_rows > 0)) e->reason = jb_result_strf(b->r, "no net figure: %s", rec->net_reason[0] ? rec->net_reason : "no idle window");
    if (!(s.net_rows > 0) && !e->reason) return JB_E_NOMEM;
    rc = stopped(b, e, rec);
    return rc ? rc : remark(b->r, c, rec, &s);
}
