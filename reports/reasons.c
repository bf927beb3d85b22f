// Why a figure of a cell is null: nothing is missing without a word. The harness may give a reason by path; the rest follows from the cell.
#include "reports/codec.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

// What a figure depends on decides the standard text.
enum cause { SETTING, MEASURED };
static const struct { const char *path; enum cause cause; const char *why; } STANDARD[] = {
    {"role", SETTING, "not given"},
    {"thresholds", SETTING, "one threshold for all exits, or none"},
    {"threshold_source", SETTING, "this policy has no threshold"},
    {"target_loss", SETTING, "the threshold was not chosen for a target loss"},
    {"calibration_id", SETTING, "no calibration was used"},
    {"power_limit_w", SETTING, "the plan has no such axis"},
    {"accuracy.value", MEASURED, "no accuracy pass"},
    {"accuracy.ci95", MEASURED, "no interval was computed"},
    {"accuracy_loss", MEASURED, "no final exit of this model and precision to compare with"},
    {"latency_ns.mean_ci95", MEASURED, "too few blocks for an interval"},
    {"latency_ns.mean", MEASURED, "no performance pass"},
    {"latency_ns.histogram", MEASURED, "no performance pass"},
    {"latency_ns.*", MEASURED, "not asked for, or too few queries to support it"},
    {"throughput_per_s", MEASURED, "no performance pass"},
    {"regret_macs", MEASURED, "no full-depth recording, so no oracle"},
    {"overthinking.*", MEASURED, "no full-depth recording"},
    {"quality[].*", MEASURED, "no interval was computed"},
    {"exits[].accuracy", MEASURED, "no sample left at this exit"},
    {"exits[].latency_mean_ns", MEASURED, "no query left at this exit"},
    {"others_cpu.*", MEASURED, "CPU time of other processes was not recorded"},
    {"blocks.reasons", MEASURED, "no block was invalid"},
    {"blocks.stopped", MEASURED, "the cell was not ended early"},
    {"blocks.confidence", MEASURED, "95 %: the cell could not be ended early"},
    {"blocks.reference_ns", MEASURED, "the reference kernel did not run"},
    {"blocks.warm_up", MEASURED, "not recorded"},
    {"blocks", MEASURED, "not recorded"},
    {"instructions", MEASURED, "not asked for (--count-instructions)"},
    {"kv", SETTING, "not a language model"},
    {"fill", SETTING, "not a language model"},
    {"tokens", SETTING, "unit is query, not token"},
    {"tokens.drafted", SETTING, "nothing is drafted in this version"},
    {"tokens.*", MEASURED, "no performance pass"},
    {"ttft_ns", SETTING, "unit is query, not token"},
    {"ttft_ns.*", MEASURED, "no performance pass, or too few sequences to support it"},
    {"tpot_ns", SETTING, "unit is query, not token"},
    {"tpot_ns.*", MEASURED, "no performance pass, or too few tokens to support it"},
    {"ppl", SETTING, "no text is scored by this workload"},
    {"ppl.*", MEASURED, "no interval was computed"},
    {"deferred", SETTING, "unit is query, not token"},
    {"deferred.*", MEASURED, "no accuracy pass"},
};

const char *jb_cell_reason(const struct jb_result_cell *c, const char *path)
{
    for (size_t i = 0; i < c->n_reasons; i++)
        if (c->reasons[i].name && strcmp(c->reasons[i].name, path) == 0)
            return c->reasons[i].value;
    return NULL;
}

static bool path_is(const char *pattern, const char *path)
{
    size_t n = strlen(pattern);
    return pattern[n - 1] == '*' ? strncmp(pattern, path, n - 1) == 0 : strcmp(pattern, path) == 0;
}

static const char *percentile_reason(const struct jb_result_cell *c, const char *path)
{
    char name[48];
    for (size_t i = 0; i < c->n_percentiles; i++) {
        snprintf(name, sizeof name, "latency_ns.p%.10g", c->percentiles[i].p * 100);
        if (c->percentiles[i].reason && strcmp(name, path) == 0)
            return c->percentiles[i].reason;
    }
    return NULL;
}

static const char *why(const struct jb_result_cell *c, const char *path)
{
    static const char *const NOT[] = {"not measured", "the cell is invalid", "the cell failed", "not available on this machine"};
    const char *given = jb_cell_reason(c, path);
    if (!given && (given = percentile_reason(c, path)))
        return given;
    if (given)
        return given;
    if (strcmp(path, "threshold") == 0)
        return c->n_thresholds ? "one threshold per exit: see thresholds" : "this policy has no threshold";
    for (size_t i = 0; i < sizeof STANDARD / sizeof *STANDARD; i++) {
        if (!path_is(STANDARD[i].path, path))
            continue;
        return STANDARD[i].cause == MEASURED && c->status > JB_CELL_INVALID ? NOT[c->status] : STANDARD[i].why;
    }
    return c->status > JB_CELL_INVALID && (unsigned)c->status < 4 ? NOT[c->status] : NOT[0];
}

// Paths with a place of their own for the reason, and "reason" itself, which is null when all is well.
static bool exempt(const char *path)
{
    return strcmp(path, "reason") == 0 || strncmp(path, "energy.", 7) == 0 || strncmp(path, "energy_modelled", 15) == 0;
}

static void walk(struct jb_codec_out *w, cJSON *reasons, const cJSON *value, const char *prefix, const struct jb_result_cell *c)
{
    for (const cJSON *i = value->child; i; i = i->next) {
        char path[160];
        if (i->string)
            snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "", i->string);
        else
            snprintf(path, sizeof path, "%s[]", prefix);
        if (exempt(path))
            continue;
        if (cJSON_IsNull(i)) {
            if (!cJSON_GetObjectItemCaseSensitive(reasons, path))
                jb_out_text(w, reasons, path, why(c, path));
        } else if (cJSON_IsObject(i) || cJSON_IsArray(i)) {
            walk(w, reasons, i, path, c);
        }
    }
}

void jb_out_reasons(struct jb_codec_out *w, cJSON *cell, const struct jb_result_cell *c)
{
    cJSON *reasons = cJSON_CreateObject(); // joined to the cell at the end, so that the walk does not meet it
    if (!reasons || !cell) {
        cJSON_Delete(reasons);
        w->failed = true;
        return;
    }
    walk(w, reasons, cell, "", c);
    if (!cJSON_AddItemToObject(cell, "reasons", reasons)) {
        cJSON_Delete(reasons);
        w->failed = true;
    }
}
