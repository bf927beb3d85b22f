#include "base/joules.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *jb_energy_class_name(enum jb_energy_class c)
{
    switch (c) {
    case JB_ENERGY_NONE: return "none";
    case JB_ENERGY_MEASURED: return "measured";
    case JB_ENERGY_INTEGRATED: return "integrated";
    case JB_ENERGY_ATTRIBUTED: return "attributed";
    case JB_ENERGY_MODELLED: return "modelled";
    case JB_ENERGY_REPLAYED: return "replayed";
    }
    return "none";
}

struct jb_joules jb_joules_none(const char *source, const char *reason)
{
    struct jb_joules j = {.cls = JB_ENERGY_NONE, .uj = NAN, .lower_uj = NAN, .upper_uj = NAN};
    snprintf(j.source, sizeof j.source, "%s", source ? source : "none");
    snprintf(j.reason, sizeof j.reason, "%s", reason && *reason ? reason : "no reason given");
    return j;
}

// A class alone does not make a figure: a record that was never filled, or holds a NAN, has none.
bool jb_joules_have(const struct jb_joules *j)
{
    return j->cls != JB_ENERGY_NONE && isfinite(j->uj) && isfinite(j->lower_uj) && isfinite(j->upper_uj);
}

// The first of two that has no figure, as a record of class none; its own reason if it gives one.
static struct jb_joules none_of(const struct jb_joules *a, const struct jb_joules *b)
{
    const struct jb_joules *bad = !jb_joules_have(a) ? a : b;
    return jb_joules_none(bad->source, bad->cls == JB_ENERGY_NONE && bad->reason[0] ? bad->reason : "the figure is not finite");
}

// Figures may be put together only when they are of one kind. Fills why (256 bytes) and returns false otherwise.
static bool comparable(const struct jb_joules *a, const struct jb_joules *b, char why[256])
{
    if (a->cls != b->cls) {
        snprintf(why, 256, "classes differ: %s and %s", jb_energy_class_name(a->cls), jb_energy_class_name(b->cls));
        return false;
    }
    if (strcmp(a->source, b->source) != 0 || strcmp(a->root, b->root) != 0) {
        snprintf(why, 256, "sources differ: %.60s at %.50s and %.60s at %.50s", a->source, a->root, b->source, b->root);
        return false;
    }
    if (strcmp(a->domains, b->domains) != 0) {
        snprintf(why, 256, "domains differ: %.110s and %.110s", a->domains, b->domains);
        return false;
    }
    return true;
}

struct jb_joules jb_joules_add(const struct jb_joules *a, const struct jb_joules *b)
{
    char why[256];
    if (!jb_joules_have(a) || !jb_joules_have(b)) return none_of(a, b);
    if (!comparable(a, b, why)) return jb_joules_none(a->source, why);
    struct jb_joules sum = *a;
    sum.uj += b->uj;
    sum.lower_uj += b->lower_uj;
    sum.upper_uj += b->upper_uj;
    sum.window_ns += b->window_ns;
    sum.wraps += b->wraps;
    if (b->update_ns > sum.update_ns) sum.update_ns = b->update_ns;
    if (!sum.reason[0]) memcpy(sum.reason, b->reason, sizeof sum.reason);
    return sum;
}

struct jb_joules jb_joules_net(const struct jb_joules *gross, const struct jb_joules *idle)
{
    char why[256];
    if (!jb_joules_have(gross)) return none_of(gross, gross);
    if (!jb_joules_have(idle)) {
        snprintf(why, sizeof why, "no idle figure: %.200s", idle->reason[0] ? idle->reason : "not measured");
        return jb_joules_none(gross->source, why);
    }
    if (!comparable(gross, idle, why)) return jb_joules_none(gross->source, why);
    if (idle->window_ns == 0) return jb_joules_none(gross->source, "the idle window has no length");
    // Idle power at its highest makes the net figure least.
    double share = (double)gross->window_ns / (double)idle->window_ns;
    struct jb_joules net = *gross;
    net.uj = gross->uj - idle->uj * share;
    net.lower_uj = gross->lower_uj - idle->upper_uj * share;
    net.upper_uj = gross->upper_uj - idle->lower_uj * share;
    if (idle->update_ns > net.update_ns) net.update_ns = idle->update_ns;
    return net;
}

static double per_ns(double uj, uint64_t ns) { return uj / (double)ns; }

// One of the two windows has no figure: the other counts alone.
static struct jb_joules one_sided(const struct jb_joules *have, const char *which, const struct jb_joules *lost)
{
    struct jb_joules one = *have;
    snprintf(one.reason, sizeof one.reason, "idle only %s the work: %.200s", which, lost->reason[0] ? lost->reason : "the other window has no figure");
    return one;
}

void jb_joules_idle(const struct jb_joules *before, const struct jb_joules *after, struct jb_joules *out, bool *drift)
{
    char why[256];
    bool b = jb_joules_have(before) && before->window_ns, a = jb_joules_have(after) && after->window_ns;
    *drift = false;
    if (!b && !a) {
        *out = jb_joules_have(before) ? jb_joules_none(before->source, "the idle window has no length") : none_of(before, before);
        return;
    }
    if (!b || !a) {
        *out = b ? one_sided(before, "before", after) : one_sided(after, "after", before);
        return;
    }
    if (!comparable(before, after, why)) {
        *out = jb_joules_none(before->source, why);
        return;
    }
    double low[2] = {per_ns(before->lower_uj, before->window_ns), per_ns(after->lower_uj, after->window_ns)};
    double high[2] = {per_ns(before->upper_uj, before->window_ns), per_ns(after->upper_uj, after->window_ns)};
    double window = (double)before->window_ns + (double)after->window_ns;
    struct jb_joules idle = *before;
    idle.window_ns = before->window_ns + after->window_ns;
    idle.uj = (per_ns(before->uj, before->window_ns) + per_ns(after->uj, after->window_ns)) / 2 * window;
    idle.lower_uj = fmin(low[0], low[1]) * window;
    idle.upper_uj = fmax(high[0], high[1]) * window;
    idle.wraps += after->wraps;
    if (after->update_ns > idle.update_ns) idle.update_ns = after->update_ns;
    *drift = high[0] < low[1] || high[1] < low[0];
    *out = idle;
}

void jb_joules_split(const struct jb_joules *j, struct jb_joules *energy, struct jb_joules *modelled)
{
    if (j->cls != JB_ENERGY_MODELLED) {
        *energy = *j;
        *modelled = jb_joules_none(j->source, "nothing was modelled");
        return;
    }
    bool guest = strcmp(j->source, "guest-rapl") == 0;
    struct jb_joules none = jb_joules_none(j->source, guest ? "under a hypervisor RAPL is synthetic (QEMU, for one, fills it from CPU time): it counts as modelled, see energy_modelled; "
                                                              "measure on the host, or vouch for it with --trust-guest-rapl"
                                                            : "the figure is modelled, not measured: see energy_modelled");
    memcpy(none.root, j->root, sizeof none.root);
    memcpy(none.domains, j->domains, sizeof none.domains);
    none.window_ns = j->window_ns;
    *modelled = *j;
    *energy = none;
}
