// The run's meter to JSON and back.
#include "reports/codec.h"

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

static const struct { const char *key; size_t offset; } TEXTS[] = {
#define T(m) {#m, offsetof(struct jb_result_power, m)}
    T(source), T(root), T(domains), T(left_out), T(cross_check), T(ceiling_from), T(remark), T(reason),
#undef T
};
#define N_TEXTS (sizeof TEXTS / sizeof *TEXTS)

static uint64_t or_null(uint64_t n) { return n ? n : UINT64_MAX; }

void jb_power_to_json(struct jb_codec_out *w, cJSON *root, const struct jb_result_power *m)
{
    if (!m->known) {
        jb_out_null(w, root, "power");
        return;
    }
    cJSON *p = jb_out_object(w, root, "power");
    jb_out_text(w, p, "class", jb_energy_class_name(m->cls));
    for (size_t i = 0; i < N_TEXTS; i++) {
        const char *text;
        memcpy(&text, (const char *)m + TEXTS[i].offset, sizeof text);
        jb_out_text(w, p, TEXTS[i].key, text && *text ? text : NULL);
    }
    jb_out_num(w, p, "ceiling_w", m->ceiling_w);
    jb_out_count(w, p, "update_ns", or_null(m->update_ns));
    jb_out_num(w, p, "read_ns", m->read_ns);
    jb_out_count(w, p, "idle_ns", or_null(m->idle_ns));
    if (!m->sampler.there) {
        jb_out_null(w, p, "sampler");
        return;
    }
    cJSON *s = jb_out_object(w, p, "sampler");
    jb_out_count(w, s, "period_ns", m->sampler.period_ns);
    jb_out_count(w, s, "reads", m->sampler.reads);
    jb_out_count(w, s, "cpu_ns", m->sampler.cpu_ns);
    jb_out_num(w, s, "share", m->sampler.share);
    jb_out_count(w, s, "cpu", m->sampler.cpu < 0 ? UINT64_MAX : (uint64_t)m->sampler.cpu);
}

static int read_sampler(const struct jb_codec_in *in, const cJSON *p, struct jb_result_power *m)
{
    static const char *const KEYS[] = {"period_ns", "reads", "cpu_ns", "share", "cpu", NULL};
    const cJSON *s = NULL;
    uint64_t cpu = 0;
    m->sampler.cpu = -1;
    if (cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(p, "sampler")))
        return JB_OK;
    int rc = jb_in_object(in, p, "sampler", &s);
    if (!rc) rc = jb_json_only_keys(in->doc, s, "sampler", KEYS, in->err);
    if (!rc) rc = jb_in_count(in, s, "period_ns", &m->sampler.period_ns);
    if (!rc) rc = jb_in_count(in, s, "reads", &m->sampler.reads);
    if (!rc) rc = jb_in_count(in, s, "cpu_ns", &m->sampler.cpu_ns);
    if (!rc) rc = jb_in_num(in, s, "share", 0, DBL_MAX, &m->sampler.share);
    if (!rc) rc = jb_in_count(in, s, "cpu", &cpu);
    if (!rc && cpu > 1000000) rc = jb_in_bad(in, s, "cpu", "is no CPU");
    if (!rc && !cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(s, "cpu"))) m->sampler.cpu = (int)cpu;
    m->sampler.there = !rc;
    return rc;
}

static int read_class(const struct jb_codec_in *in, const cJSON *p, enum jb_energy_class *out)
{
    const char *text = NULL;
    int rc = jb_json_get_str(in->doc, p, "class", true, &text, in->err);
    for (int k = JB_ENERGY_NONE; k <= JB_ENERGY_REPLAYED && !rc; k++)
        if (strcmp(text, jb_energy_class_name((enum jb_energy_class)k)) == 0) {
            *out = (enum jb_energy_class)k;
            return JB_OK;
        }
    return rc ? rc : jb_in_bad(in, p, "class", "is no class of energy");
}

int jb_power_from_json(const struct jb_codec_in *in, const cJSON *root, struct jb_result_power *m)
{
    const char *keys[N_TEXTS + 7] = {"class", "ceiling_w", "update_ns", "read_ns", "idle_ns", "sampler"};
    const cJSON *p = cJSON_GetObjectItemCaseSensitive(root, "power");
    if (!p || cJSON_IsNull(p))
        return JB_OK;
    for (size_t i = 0; i < N_TEXTS; i++)
        keys[6 + i] = TEXTS[i].key;
    int rc = jb_in_object(in, root, "power", &p);
    if (!rc) rc = jb_json_only_keys(in->doc, p, "power", keys, in->err);
    if (!rc) rc = read_class(in, p, &m->cls);
    for (size_t i = 0; i < N_TEXTS && !rc; i++) {
        const char *text = NULL;
        rc = jb_in_text(in, p, TEXTS[i].key, &text);
        memcpy((char *)m + TEXTS[i].offset, &text, sizeof text);
    }
    if (!rc) rc = jb_in_num(in, p, "ceiling_w", 0, DBL_MAX, &m->ceiling_w);
    if (!rc) rc = jb_in_count(in, p, "update_ns", &m->update_ns);
    if (!rc) rc = jb_in_num(in, p, "read_ns", 0, DBL_MAX, &m->read_ns);
    if (!rc) rc = jb_in_count(in, p, "idle_ns", &m->idle_ns);
    if (!rc) rc = read_sampler(in, p, m);
    m->known = !rc;
    return rc;
}
