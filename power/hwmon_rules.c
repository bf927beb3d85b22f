// Which channels of hwmon are summed. A rail that feeds others contains them, and a directory of sensors does not say which does: so only what is known is summed.
//   1. Devices of their own are left out: graphics cards, drives, network cards. (A card's energy is not part of what a CPU's workload costs, and on another machine it is
//      not there. An APU's amdgpu figure may be the whole package: not known, so left out as well.) Batteries and chargers: the source `battery`.
//   2. Counters of energy go before power: a counter misses nothing between two readings. One source has one class, so it sums counters or power, never both.
//   3. A rule of the table below that fits completely, the first one. Where they come from:
//        power_meter      ACPI 6.5, 10.4: a meter of the platform's input. Several of them: not known to be disjoint, no sum.
//        macsmc, ibmpowernv, occ, corsairpsu: a channel that the driver itself calls the system's total.
//        VDD_IN, POM_5V_IN  Jetson Orin NX and Nano, Xavier NX, TX2; Nano, TX1: the module's input (NVIDIA: "VDD_IN is the total power of module"; the same for POM_5V_IN).
//        GPU CPU SOC CV VDDRQ SYS5V  Jetson AGX Xavier: six inputs side by side behind the module's supply (product design guide DG-09840, "Power Monitor").
//        VDD_GPU_SOC VDD_CPU_CV VIN_SYS_5V0  Jetson AGX Orin: likewise; VDDQ_VDD2_1V8AO is made from the 5 V rail and is left out.
//        amd_energy       a socket contains its cores.
//   4. No rule, but a single channel: that one.
//   5. Otherwise nothing is summed, and the reason names the rails.
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include "power/hwmon.h"

static const struct { const char *chip, *why; } own_device[] = {
    {"amdgpu", "a graphics device of its own"}, {"radeon", "a graphics device of its own"}, {"nouveau", "a graphics device of its own"}, {"i915", "a graphics device of its own"},
    {"xe", "a graphics device of its own"}, {"nvme*", "a drive of its own"}, {"drivetemp*", "a drive of its own"}, {"mlx*", "a network device of its own"},
    {"iwlwifi*", "a network device of its own"}, {"sfp*", "a network device of its own"}, {"BAT*", "a battery: see the source battery"}, {"ucsi_source_psy*", "a charger"},
    {"AC*", "a charger"}, {"ADP*", "a charger"},
};

#define MAX_SUM 6
static const struct rule {
    const char *chip;          // fnmatch
    const char *sum[MAX_SUM];  // labels (fnmatch): each must be there, once
    bool several;              // or more than once
    const char *rest;          // why the others are not
} rules[] = {
    {"power_meter", {"*"}, false, "within what the platform's meter shows"},
    {"macsmc*", {"Total_System_Power"}, false, "within the system's total"},
    {"ibmpowernv", {"System"}, false, "within the system's total"},
    {"*occ*", {"system"}, false, "within the system's total"},
    {"corsairpsu", {"power_total"}, false, "within the system's total"},
    {"*", {"VDD_IN"}, false, "not disjoint from the module's input"},
    {"*", {"POM_5V_IN"}, false, "not disjoint from the module's input"},
    {"ina3221*", {"GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"}, false, "not known to be disjoint"},
    {"ina3221*", {"VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"}, false, "not known to be disjoint"},
    {"amd_energy", {"Esocket*"}, true, "within its socket"},
};

static const char guest_text[] = "RAPL of a guest is synthetic (vouch for it with --trust-guest-rapl)";
static const char unknown_text[] = "not known to be disjoint";

// What is never summed, whatever else is there.
static const char *outright(const struct jb_hwmon_found *f, const struct jb_power_opts *o)
{
    if (f->battery) return "a battery or a charger";
    for (size_t i = 0; i < sizeof own_device / sizeof own_device[0]; i++)
        if (fnmatch(own_device[i].chip, f->chip, 0) == 0) return own_device[i].why;
    if (strcmp(f->chip, "amd_energy") == 0 && o->hypervisor && !o->trust_guest_rapl) return guest_text;
    if (strcmp(f->label, "NC") == 0) return "not connected";
    return NULL;
}

static bool fits(const struct jb_hwmon_found *f, const struct rule *r, size_t k)
{
    return fnmatch(r->chip, f->chip, 0) == 0 && fnmatch(r->sum[k], f->label, 0) == 0;
}

static bool rule_holds(const struct jb_hwmon_list *list, const bool *candidate, const struct rule *r)
{
    for (size_t k = 0; k < MAX_SUM && r->sum[k]; k++) {
        size_t found = 0;
        for (size_t i = 0; i < list->n; i++) found += candidate[i] && fits(&list->at[i], r, k);
        if (found == 0 || (found > 1 && !r->several)) return false;
    }
    return true;
}

static void apply_rule(struct jb_hwmon_list *list, const bool *candidate, const struct rule *r)
{
    for (size_t i = 0; i < list->n; i++) {
        struct jb_hwmon_found *f = &list->at[i];
        bool in = false;
        for (size_t k = 0; k < MAX_SUM && r->sum[k]; k++) in |= candidate[i] && fits(f, r, k);
        if (in) f->excluded = NULL;
        else if (candidate[i]) f->excluded = r->rest;
    }
}

// Tries to choose among the candidates of one kind. All others keep why they are left out.
static bool choose_among(struct jb_hwmon_list *list, const bool *candidate)
{
    size_t n = 0, only = 0;
    for (size_t i = 0; i < list->n; i++)
        if (candidate[i]) {
            n++;
            only = i;
        }
    for (size_t r = 0; n > 0 && r < sizeof rules / sizeof rules[0]; r++)
        if (rule_holds(list, candidate, &rules[r])) {
            apply_rule(list, candidate, &rules[r]);
            return true;
        }
    if (n == 1) list->at[only].excluded = NULL;
    return n == 1;
}

static void say_nothing_fits(const struct jb_hwmon_list *list, const bool *open_question, char *why, size_t room)
{
    size_t n = 0, at = 0;
    char names[160] = "";
    for (size_t i = 0; i < list->n; i++) {
        if (!open_question[i]) continue;
        if (n++ < 4) at += (size_t)snprintf(names + at, sizeof names - at, "%s%.36s", at ? ", " : "", list->at[i].name);
    }
    if (n > 0) snprintf(why, room, "%zu channels (%s%s) and nothing says which contain which: none is summed", n, names, n > 4 ? ", ..." : "");
    else if (list->n > 0) snprintf(why, room, "%s: %s; no other channel of energy or power", list->at[0].name, list->at[0].excluded);
    else snprintf(why, room, "no chip with a channel of energy or power");
}

bool jb_hwmon_choose(struct jb_hwmon_list *list, const struct jb_power_opts *o, char *why, size_t room)
{
    bool energy[JB_HWMON_MAX] = {false}, power[JB_HWMON_MAX] = {false}, any[JB_HWMON_MAX] = {false};
    for (size_t i = 0; i < list->n; i++) {
        struct jb_hwmon_found *f = &list->at[i];
        f->excluded = outright(f, o);
        any[i] = !f->excluded;
        energy[i] = any[i] && jb_hwmon_is_energy(f);
        power[i] = any[i] && !jb_hwmon_is_energy(f);
        if (any[i]) f->excluded = unknown_text;
    }
    bool counts = choose_among(list, energy), samples = !counts && choose_among(list, power);
    for (size_t i = 0; i < list->n; i++) {
        if (counts && power[i]) list->at[i].excluded = "power, beside counters of energy";
        if (samples && energy[i]) list->at[i].excluded = unknown_text;
    }
    if (!counts && !samples) say_nothing_fits(list, any, why, room);
    return counts || samples;
}

// acpi_power_meter prints thousandths without padding, so digits behind the point are not to be trusted: they count as a whole percent. From 50 % on it is how much is
// right, below how much is wrong; 100 % says nothing.
double jb_hwmon_accuracy(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 3) return 0;
    unsigned whole = 0;
    for (size_t i = 0; i < digits; i++) whole = 10 * whole + (unsigned)(text[i] - '0');
    const char *rest = text + digits;
    bool more = false;
    if (*rest == '.') {
        size_t n = strspn(rest + 1, "0123456789");
        more = strspn(rest + 1, "0") != n;
        if (n == 0) return 0;
        rest += 1 + n;
    }
    if (strcmp(rest, "%") != 0 || whole >= 100) return 0;
    return whole >= 50 ? (100 - whole) / 100.0 : (whole + more) / 100.0;
}
