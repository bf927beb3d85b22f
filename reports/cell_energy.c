// Energy of a cell. What was measured and what a model says are two keys, and stay apart from here on.
#include "reports/codec.h"

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

struct number { const char *key; size_t offset; };
#define E(m) {#m, offsetof(struct jb_result_energy, m)}
static const struct number ENERGY[] = {E(gross_uj), E(gross_lower_uj), E(gross_upper_uj), E(net_uj), E(net_lower_uj), E(net_upper_uj), E(per_correct_uj)};
#undef E
#define N_ENERGY (sizeof ENERGY / sizeof *ENERGY)

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
        jb_out_num(w, p, ENERGY[i].key, have ? v : NAN);
    }
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

int jb_in_energy(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c)
{
    static const char *const KEYS[] = {"class", "source", "root", "domains", "per", "gross_uj", "gross_lower_uj", "gross_upper_uj", "net_uj",
        "net_lower_uj", "net_upper_uj", "per_correct_uj", "reason", NULL};
    struct jb_result_energy *e = &c->energy;
    const cJSON *p = NULL;
    int rc = jb_in_object(in, o, key, &p);
    if (!rc) rc = jb_json_only_keys(in->doc, p, "energy", KEYS, in->err);
    if (!rc) rc = read_class(in, p, &e->cls);
    if (!rc) rc = jb_in_text(in, p, "source", &e->source);
    if (!rc) rc = jb_in_text(in, p, "root", &e->root);
    if (!rc) rc = jb_in_text(in, p, "domains", &e->domains);
    if (!rc) rc = jb_in_text(in, p, "per", &e->per);
    if (!rc) rc = jb_in_text(in, p, "reason", &e->reason);
    for (size_t i = 0; i < N_ENERGY && !rc; i++) {
        double v = NAN;
        rc = jb_in_num(in, p, ENERGY[i].key, -DBL_MAX, DBL_MAX, &v);
        if (!rc && e->cls == JB_ENERGY_NONE && !isnan(v))
            rc = jb_in_bad(in, p, ENERGY[i].key, "must be null where the class is none");
        memcpy((char *)e + ENERGY[i].offset, &v, sizeof v);
    }
    if (!rc && e->cls == JB_ENERGY_NONE && !e->reason)
        rc = jb_in_bad(in, p, "reason", "must say why the class is none");
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
