// What is known of the meter of a run, and what follows from it for the length of windows.
#include "harness/ctx.h"

#include <math.h>

#define IDLE_PERIODS 40u                // of which an idle window is made where there is time
#define PERIODS 3u                      // a window of fewer update periods of its counter says next to nothing
#define UNKNOWN_UPDATE_NS 100000000u    // what the meter assumes of a counter whose period it did not find
#define IDLE_SHARE 0.2                  // of max_seconds, that idle windows longer than the plan's may take

static bool put_count(cJSON *o, const char *key, uint64_t n) { return n ? jb_json_put_u64(o, key, n) : jb_json_put_null(o, key); }

bool jb_put_power(cJSON *o, const struct jb_ctx *c)
{
    struct jb_meter_facts f;
    jb_meter_facts(c->meter, &f);
    bool none = f.cls == JB_ENERGY_NONE;
    return jb_json_put_str(o, "class", jb_energy_class_name(f.cls)) && jb_json_put_str(o, "source", f.source) && jb_json_put_str(o, "root", f.root) &&
           jb_json_put_str(o, "domains", f.domains) && jb_json_put_str(o, "left_out", f.left_out) && jb_json_put_str(o, "remark", f.remark) &&
           jb_json_put_str(o, "reason", f.reason) && jb_json_put_str(o, "cross_check", f.cross_check) && jb_json_put_str(o, "ceiling_from", f.ceiling_from) &&
           jb_json_put_f64(o, "ceiling_w", none ? NAN : f.ceiling_w) && jb_json_put_f64(o, "read_ns", none ? NAN : f.read_ns) && put_count(o, "update_ns", f.update_ns) &&
           put_count(o, "idle_ns", c->idle_ns);
}

void jb_power_stats(const struct jb_ctx *c, struct jb_sampler_stats *out) { jb_meter_sampler(c->meter, out); }

uint64_t jb_power_least_ns(const struct jb_ctx *c)
{
    struct jb_meter_facts f;
    jb_meter_facts(c->meter, &f);
    return f.cls == JB_ENERGY_NONE ? 0 : PERIODS * (f.update_ns ? f.update_ns : UNKNOWN_UPDATE_NS);
}

void jb_power_idle(struct jb_ctx *c)
{
    uint64_t least = jb_power_least_ns(c);
    double windows = (double)c->n_cells * c->s.repetitions;
    struct jb_meter_facts f;
    jb_meter_facts(c->meter, &f);
    c->wait_ns = 2 * f.update_ns; // half a period before and behind each of the two windows, on average
    c->idle_ns = jb_power_is_none(c) ? 0 : (uint64_t)(c->s.idle_ms * 1e6);
    if (!c->idle_ns) return;
    // The idle power's bounds are about an update period's energy: over many periods they are narrow enough for a net figure. As many as take no more than a share of the run's time.
    double wanted = (double)(f.update_ns ? IDLE_PERIODS * f.update_ns : least), most = windows > 0 ? IDLE_SHARE * c->s.max_seconds * 1e9 / windows : wanted;
    if (wanted > most) wanted = most;
    if (wanted > (double)c->idle_ns && wanted >= (double)least) c->idle_ns = (uint64_t)wanted;
}

bool jb_power_is_none(const struct jb_ctx *c)
{
    struct jb_meter_facts f;
    jb_meter_facts(c->meter, &f);
    return f.cls == JB_ENERGY_NONE;
}
