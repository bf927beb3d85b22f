// The meter of the run, from its "run" line; what its sampler did, from the "end" line.
#include "harness/build.h"

#include <math.h>
#include <string.h>

static const char *text_of(struct jb_result *r, const cJSON *o, const char *key, bool *ok)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    if (!cJSON_IsString(v) || !v->valuestring[0]) return NULL;
    const char *text = jb_result_str(r, v->valuestring);
    *ok &= text != NULL;
    return text;
}

static enum jb_energy_class class_of(const cJSON *o)
{
    char name[32];
    jb_line_text(o, "class", name, sizeof name);
    for (int c = JB_ENERGY_NONE; c <= JB_ENERGY_REPLAYED; c++)
        if (!strcmp(name, jb_energy_class_name((enum jb_energy_class)c))) return (enum jb_energy_class)c;
    return JB_ENERGY_NONE;
}

static void sampler(const cJSON *o, struct jb_result_power *m)
{
    double cpu = jb_line_num(o, "cpu");
    if (!jb_line_u64(o, "period_ns")) return;
    m->sampler.there = true;
    m->sampler.period_ns = jb_line_u64(o, "period_ns");
    m->sampler.reads = jb_line_u64(o, "reads");
    m->sampler.cpu_ns = jb_line_u64(o, "cpu_ns");
    m->sampler.share = jb_line_num(o, "share");
    m->sampler.cpu = cpu >= 0 && cpu <= 1000000 ? (int)cpu : -1;
}

int jb_build_power(struct jb_build *b)
{
    struct jb_result *r = b->r;
    struct jb_result_power *m = &r->power;
    const cJSON *o = cJSON_GetObjectItemCaseSensitive(b->rec->run, "power");
    bool ok = true;
    if (!cJSON_IsObject(o)) return 0;
    m->known = true;
    m->cls = class_of(o);
    m->source = text_of(r, o, "source", &ok);
    m->root = text_of(r, o, "root", &ok);
    m->domains = text_of(r, o, "domains", &ok);
    m->left_out = text_of(r, o, "left_out", &ok);
    m->remark = text_of(r, o, "remark", &ok);
    m->reason = text_of(r, o, "reason", &ok);
    m->cross_check = text_of(r, o, "cross_check", &ok);
    m->ceiling_from = text_of(r, o, "ceiling_from", &ok);
    m->ceiling_w = jb_line_num(o, "ceiling_w");
    m->read_ns = jb_line_num(o, "read_ns");
    m->update_ns = jb_line_u64(o, "update_ns");
    m->idle_ns = jb_line_u64(o, "idle_ns");
    sampler(b->rec->sampler, m);
    return ok ? 0 : JB_E_NOMEM;
}
