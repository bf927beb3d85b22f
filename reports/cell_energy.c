// Energy of a cell. What was measured and what a model says are two keys, and stay apart from here on.
#include "reports/codec.h"

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

struct number { const char *key; size_t offset; bool later; double min; }; // later: absent in files of versions before it
#define E(m) {#m, offsetof(struct jb_result_energy, m), false, -DBL_MAX}
#define L(m) {#m, offsetof(struct jb_result_energy, m), true, 0}
static const struct number ENERGY[] = {E(gross_uj), E(gross_lower_uj), E(gross_upper_uj), E(net_uj), E(net_lower_uj), E(net_upper_uj), E(per_correct_uj),
    L(per_correct_lower_uj), L(per_correct_upper_uj), L(power_w), L(idle_w), L(idle_lower_w), L(idle_upper_w), L(edp_uj_ms), L(half_width), L(half_width_target)};
#undef E
#undef L
#define N_ENERGY (sizeof ENERGY / sizeof *ENERGY)
#define TARGET (N_ENERGY - 1) // half_width_target is a setting, no figure: it stands whatever the class

static const struct { const char *key; size_t offset; } COUNTS[] = {{"windows", offsetof(struct jb_result_energy, windows)},
    {"windows_failed", offsetof(struct jb_result_energy, windows_failed)}, {"drift_windows", offsetof(struct jb_result_energy, drift_windows)}};
#define N_COUNTS (sizeof COUNTS / sizeof *COUNTS)

// A modelled record does not belong here; should one arrive all the same, it is written as what it is worth: none.
void jb_out_energy(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c)
{
    const struct jb_result_energy *e = &c->energy;
    bool modelled = e->cls == JB_ENERGY_MODELLED;
    bool have = e->cls != JB_ENERGY_NONE && !modelled;
    const char *reason = modelled ? "modelled energy does not count as measured; see energy_modelled" : e->reason;
    cJSON *p = jb_out_object(w, o, key);
    jb_out_text(w, p, "class", jb_energy_class_name(have ? e->cls : JB_ENERGY_NONE));
    jb_out_text(w, p, "source", e->source);
    jb_out_text(w, p, "root", e->root);
    jb_out_text(w, p, "domains", e->domains);
    jb_out_text(w, p, "per", e->per);
    for (size_t i = 0; i < N_ENERGY; i++) {
        double v;
        memcpy(&v, (const char *)e + ENERGY[i].offset, sizeof v);
        jb_out_num(w, p, ENERGY[i].key, have || i == TARGET ? v : NAN);
    }
    for (size_t i = 0; i < N_COUNTS; i++) {
        uint64_t n;
        memcpy(&n, (const char *)e + COUNTS[i].offset, sizeof n);
        jb_out_count(w, p, COUNTS[i].key, n);
    }
    jb_out_text(w, p, "stopped", have ? e->stopped : NULL);
    jb_out_text(w, p, "remark", e->remark);
    jb_out_text(w, p, "reason", !have && (!reason || !*reason) ? "no reason was given" : reason);
}

static int read_class(const struct jb_codec_in *in, const cJSON *p, enum jb_energy_class *out)
{
    const char *text = NULL;
    int rc = jb_json_get_str(in->doc, p, "class", true, &text, in->err);
    if (rc)
        return rc;
    for (int k = JB_ENERGY_NONE; k <= JB_ENERGY_REPLAYED; k++) {
        if (k != JB_ENERGY_MODELLED && strcmp(text, jb_energy_class_name((enum jb_energy_class)k)) == 0) {
            *out = (enum jb_energy_class)k;
            return JB_OK;
        }
    }
    return jb_in_bad(in, p, "class", "must be none, measured, integrated, attributed or replayed");
}

static bool there(const cJSON *p, const char *key) { return cJSON_GetObjectItemCaseSensitive(p, key) != NULL; }

static int read_energy_figures(const struct jb_codec_in *in, const cJSON *p, struct jb_result_energy *e)
{
    int rc = JB_OK;
    for (size_t i = 0; i < N_ENERGY && !rc; i++) {
        double v = NAN;
        if (!ENERGY[i].later || there(p, ENERGY[i].key))
            rc = jb_in_num(in, p, ENERGY[i].key, ENERGY[i].min, DBL_MAX, &v);
        if (!rc && e->cls == JB_ENERGY_NONE && !isnan(v) && i != TARGET)
            rc = jb_in_bad(in, p, ENERGY[i].key, "must be null where the class is none");
        memcpy((char *)e + ENERGY[i].offset, &v, sizeof v);
    }
    for (size_t i = 0; i < N_COUNTS && !rc; i++) {
        uint64_t n = 0;
        if (there(p, COUNTS[i].key))
            rc = jb_in_count(in, p, COUNTS[i].key, &n);
        memcpy((char *)e + COUNTS[i].offset, &n, sizeof n);
    }
    return rc;
}

int jb_in_energy(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    const char *keys[N_ENERGY + N_COUNTS + 10] = {"class", "source", "root", "domains", "per", "stopped", "remark", "reason"};
    for (size_t i = 0; i < N_ENERGY; i++)
        keys[8 + i] = ENERGY[i].key;
    for (size_t i = 0; i < N_COUNTS; i++)
        keys[8 + N_ENERGY + i] = COUNTS[i].key;
    struct jb_result_energy *e = &c->energy;
    const cJSON *p = NULL;
    int rc = jb_in_object(in, o, key, &p);
    if (!rc) rc = jb_json_only_keys(in->doc, p, "energy", keys, in->err);
    if (!rc) rc = read_class(in, p, &e->cls);
    if (!rc) rc = jb_in_text(in, p, "source", &e->source);
    if (!rc) rc = jb_in_text(in, p, "root", &e->root);
    if (!rc) rc = jb_in_text(in, p, "domains", &e->domains);
    if (!rc) rc = jb_in_text(in, p, "per", &e->per);
    if (!rc && there(p, "stopped")) rc = jb_in_text(in, p, "stopped", &e->stopped);
    if (!rc && there(p, "remark")) rc = jb_in_text(in, p, "remark", &e->remark);
    if (!rc) rc = jb_in_text(in, p, "reason", &e->reason);
    if (!rc) rc = read_energy_figures(in, p, e);
    if (!rc && e->cls == JB_ENERGY_NONE && !e->reason)
        rc = jb_in_bad(in, p, "reason", "must say why the class is none");
    return rc;
}

void jb_out_others(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c)
{
    cJSON *p = jb_out_object(w, o, key);
    jb_out_num(w, p, "share", c->others.share);
    jb_out_num(w, p, "share_most_least", c->others.share_most_least);
    jb_out_num(w, p, "limit", c->others.limit);
    jb_out_count(w, p, "contaminated", c->others.contaminated);
    jb_out_count(w, p, "repeated", c->others.repeated);
}

int jb_in_others(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    static const char *const KEYS[] = {"share", "share_most_least", "limit", "contaminated", "repeated", NULL};
    const cJSON *p = NULL;
    if (!there(o, key))
        return JB_OK;
    int rc = jb_in_object(in, o, key, &p);
    if (!rc) rc = jb_json_only_keys(in->doc, p, key, KEYS, in->err);
    if (!rc) rc = jb_in_num(in, p, "share", 0, DBL_MAX, &c->others.share);
    if (!rc) rc = jb_in_num(in, p, "share_most_least", 0, DBL_MAX, &c->others.share_most_least);
    if (!rc) rc = jb_in_num(in, p, "limit", 0, DBL_MAX, &c->others.limit);
    if (!rc) rc = jb_in_count(in, p, "contaminated", &c->others.contaminated);
    if (!rc) rc = jb_in_count(in, p, "repeated", &c->others.repeated);
    return rc;
}

void jb_out_modelled(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c)
{
    cJSON *a = jb_out_array(w, o, key);
    for (size_t i = 0; i < c->n_modelled; i++) {
        const struct jb_result_modelled *m = &c->modelled[i];
        cJSON *p = jb_out_item(w, a);
        jb_out_text(w, p, "source", m->source);
        jb_out_text(w, p, "reason", m->reason);
        jb_out_text(w, p, "per", m->per);
        jb_out_num(w, p, "uj", m->uj);
        jb_out_num(w, p, "lower_uj", m->lower_uj);
        jb_out_num(w, p, "upper_uj", m->upper_uj);
        jb_out_num(w, p, "relative", m->relative);
    }
}

int jb_in_modelled(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    static const char *const KEYS[] = {"source", "reason", "per", "uj", "lower_uj", "upper_uj", "relative", NULL};
    const cJSON *a = NULL, *p;
    int rc = jb_in_array(in, o, key, &a, 1000);
    if (rc)
        return rc;
    if (!(c->modelled = jb_result_array(in->r, (size_t)cJSON_GetArraySize(a), sizeof *c->modelled)))
        return jb_fail(in->err, JB_E_NOMEM, "%s: out of memory", in->doc->name);
    cJSON_ArrayForEach(p, a)
    {
        struct jb_result_modelled *m = &c->modelled[c->n_modelled++];
        rc = jb_json_only_keys(in->doc, p, "energy_modelled", KEYS, in->err);
        if (!rc) rc = jb_in_text(in, p, "source", &m->source);
        if (!rc) rc = jb_in_text(in, p, "reason", &m->reason);
        if (!rc) rc = jb_in_text(in, p, "per", &m->per);
        if (!rc) rc = jb_in_num(in, p, "uj", 0, DBL_MAX, &m->uj);
        if (!rc) rc = jb_in_num(in, p, "lower_uj", 0, DBL_MAX, &m->lower_uj);
        if (!rc) rc = jb_in_num(in, p, "upper_uj", 0, DBL_MAX, &m->upper_uj);
        if (!rc) rc = jb_in_num(in, p, "relative", 0, DBL_MAX, &m->relative);
        if (rc)
            return rc;
    }
    return JB_OK;
}
