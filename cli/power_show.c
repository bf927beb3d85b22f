// Energy figures and meters as text and as JSON, the same for all power commands.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/power.h"
#include "cli/signals.h"

cJSON *cli_power_json(const char *kind)
{
    cJSON *root = cJSON_CreateObject();
    jb_json_put_str(root, "schema", "joulebench.power/1");
    jb_json_put_str(root, "kind", kind);
    return root;
}

bool cli_power_print_line(FILE *to, cJSON *root)
{
    char *text = root ? jb_json_canonical(root) : NULL;
    cJSON_Delete(root);
    if (!text)
        return false;
    bool ok = fprintf(to, "%s\n", text) > 0 && fflush(to) == 0;
    free(text);
    return ok;
}

int cli_power_open(struct jb_meter **out, const struct jb_power_opts *o, struct cli_power_why *why, struct jb_err *err)
{
    struct jb_err found = { 0 };
    struct jb_meter_facts f;
    struct jb_meter *m = NULL;
    *out = NULL;
    snprintf(why->source, sizeof why->source, "none");
    int rc = jb_meter_open(&m, o, &found);
    if (rc == JB_E_UNAVAILABLE || rc == JB_E_DENIED || rc == JB_E_UNSUPPORTED) {
        snprintf(why->text, sizeof why->text, "%s", found.detail[0] ? found.detail : jb_code_text(rc));
        return JB_OK;
    }
    if (rc < 0) {
        if (err)
            *err = found;
        return rc;
    }
    jb_meter_facts(m, &f);
    if (f.cls != JB_ENERGY_NONE) {
        *out = m;
        return JB_OK;
    }
    snprintf(why->text, sizeof why->text, "%s", f.reason && f.reason[0] ? f.reason : "no energy source");
    jb_meter_close(m);
    return JB_OK;
}

// ---- JSON ----

static void put_text(cJSON *o, const char *key, const char *text)
{
    jb_json_put_str(o, key, text && text[0] ? text : NULL);
}

// 0 stands for "not known" in the facts, and is null here.
static void put_known(cJSON *o, const char *key, uint64_t v)
{
    if (v)
        jb_json_put_u64(o, key, v);
    else
        jb_json_put_null(o, key);
}

void cli_power_put_joules(cJSON *parent, const char *key, const struct jb_joules *j)
{
    bool have = jb_joules_have(j);
    cJSON *o = jb_json_put_object(parent, key);
    jb_json_put_str(o, "class", jb_energy_class_name(have ? j->cls : JB_ENERGY_NONE));
    jb_json_put_str(o, "source", j->source);
    put_text(o, "root", j->root);
    put_text(o, "domains", j->domains);
    jb_json_put_f64(o, "uj", have ? j->uj : NAN);
    jb_json_put_f64(o, "lower_uj", have ? j->lower_uj : NAN);
    jb_json_put_f64(o, "upper_uj", have ? j->upper_uj : NAN);
    put_known(o, "window_ns", j->window_ns);
    put_known(o, "update_ns", j->update_ns);
    jb_json_put_u64(o, "wraps", j->wraps);
    put_text(o, "reason", j->reason);
}

void cli_power_put_split(cJSON *o, const char *key, const char *key_modelled, const struct jb_joules *j)
{
    struct jb_joules energy, modelled;
    jb_joules_split(j, &energy, &modelled);
    cli_power_put_joules(o, key, &energy);
    cli_power_put_joules(o, key_modelled, &modelled);
}

static void put_no_meter(cJSON *o, const struct cli_power_why *why)
{
    static const char *const unknown[] = { "root", "domains", "left_out", "remark" };
    static const char *const numbers[] = { "cross_check", "ceiling_w", "ceiling_from", "update_ns", "read_ns", "sampler_period_ns" };
    jb_json_put_str(o, "source", why->source);
    jb_json_put_str(o, "class", jb_energy_class_name(JB_ENERGY_NONE));
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        jb_json_put_null(o, unknown[i]);
    put_text(o, "reason", why->text);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        jb_json_put_null(o, numbers[i]);
}

void cli_power_put_meter(cJSON *parent, const char *key, const struct jb_meter *m, const struct cli_power_why *why)
{
    cJSON *o = jb_json_put_object(parent, key);
    struct jb_meter_facts f;
    if (!m) {
        put_no_meter(o, why);
        return;
    }
    jb_meter_facts(m, &f);
    jb_json_put_str(o, "source", f.source);
    jb_json_put_str(o, "class", jb_energy_class_name(f.cls));
    put_text(o, "root", f.root);
    put_text(o, "domains", f.domains);
    put_text(o, "left_out", f.left_out);
    put_text(o, "remark", f.remark);
    put_text(o, "reason", f.reason);
    put_text(o, "cross_check", f.cross_check);
    jb_json_put_f64(o, "ceiling_w", f.ceiling_w > 0 ? f.ceiling_w : NAN);
    put_text(o, "ceiling_from", f.ceiling_from);
    put_known(o, "update_ns", f.update_ns);
    jb_json_put_f64(o, "read_ns", f.read_ns);
    put_known(o, "sampler_period_ns", f.sampler_period_ns);
}

void cli_power_put_channels(cJSON *parent, const char *key, const struct jb_meter *m)
{
    cJSON *list = jb_json_put_array(parent, key);
    for (size_t i = 0; m && i < jb_meter_n_channels(m); i++) {
        struct jb_channel_facts f;
        jb_meter_channel(m, i, &f);
        cJSON *o = jb_json_put_object(list, NULL);
        jb_json_put_str(o, "label", f.label);
        put_text(o, "control_type", f.control_type);
        put_text(o, "path", f.path);
        jb_json_put_str(o, "kind", f.kind);
        jb_json_put_bool(o, "summed", f.summed);
        put_text(o, "why_not", f.why_not);
        jb_json_put_f64(o, "unit_uj", f.unit_uj);
        put_known(o, "range_uj", f.range_uj);
        jb_json_put_f64(o, "wrap_s", f.range_uj && f.ceiling_w > 0 ? (double)f.range_uj * 1e-6 / f.ceiling_w : NAN);
        jb_json_put_f64(o, "ceiling_w", f.ceiling_w > 0 ? f.ceiling_w : NAN);
        put_known(o, "update_ns", f.update_ns);
        put_text(o, "trouble", f.trouble);
    }
}

void cli_power_put_sampler(cJSON *parent, const char *key, const struct jb_meter *m)
{
    struct jb_sampler_stats s = { 0 };
    if (m)
        jb_meter_sampler(m, &s);
    if (!m || !s.period_ns) {
        jb_json_put_null(parent, key);
        return;
    }
    cJSON *o = jb_json_put_object(parent, key);
    jb_json_put_u64(o, "reads", s.reads);
    jb_json_put_u64(o, "cpu_ns", s.cpu_ns);
    jb_json_put_u64(o, "wall_ns", s.wall_ns);
    jb_json_put_u64(o, "period_ns", s.period_ns);
    jb_json_put_f64(o, "cpu", s.cpu < 0 ? NAN : s.cpu);
    jb_json_put_f64(o, "share", s.share);
}

// ---- text ----

void cli_power_add_safe(struct jb_str *s, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        jb_str_addn(s, c < 0x20 || c == 0x7f ? "?" : text, 1);
    }
}

// Decimals that show `half` with its first digit, and the largest of the numbers with three digits at least.
static int decimals_for(double most, double half)
{
    int least = most >= 99.95 || most == 0 ? 0 : most >= 9.995 ? 1 : 2;
    int wanted = half > 0 ? (int)ceil(-log10(half)) : least;
    return wanted > 6 ? 6 : wanted > least ? wanted : least;
}

// No "-0.00".
static double rounded(double v, int digits)
{
    return fabs(v) < 0.5 * pow(10, -digits) ? 0 : v;
}

// A hard bound stays one when it is printed: downward (-1) or upward (1).
static double outward(double v, int digits, int way)
{
    double p = pow(10, digits), steps = way < 0 ? floor(v * p + 1e-6) : ceil(v * p - 1e-6);
    return steps == 0 ? 0 : steps / p;
}

// The SI prefix with which `most` has one to three digits before the point.
static const char *prefix_of(double most, double *scale)
{
    static const char *const prefix[] = { "n", "u", "m", "", "k", "M" };
    size_t k = 0;
    *scale = 1;
    if (!(most > 0))
        return "";
    for (*scale = 1e9; k + 1 < sizeof prefix / sizeof prefix[0] && most * *scale >= 999.5; k++)
        *scale *= 1e-3;
    return prefix[k];
}

void cli_power_add_bounds(struct jb_str *s, double value, double lower, double upper, const char *unit)
{
    bool bounded = isfinite(lower) && isfinite(upper);
    double scale;
    if (!isfinite(value)) {
        jb_str_add(s, "n/a");
        return;
    }
    double most = fmax(fabs(value), bounded ? fmax(fabs(lower), fabs(upper)) : 0);
    const char *prefix = prefix_of(most, &scale);
    int digits = decimals_for(most * scale, bounded ? (upper - lower) / 2 * scale : 0);
    jb_str_addf(s, "%.*f %s%s", digits, rounded(value * scale, digits), prefix, unit);
    if (bounded)
        jb_str_addf(s, " [%.*f, %.*f]", digits, outward(lower * scale, digits, -1), digits, outward(upper * scale, digits, 1));
}

void cli_power_add_range(struct jb_str *s, double lower, double upper, const char *unit)
{
    double scale;
    double most = fmax(fabs(lower), fabs(upper));
    const char *prefix = prefix_of(most, &scale);
    int digits = decimals_for(most * scale, (upper - lower) / 2 * scale);
    jb_str_addf(s, "%.*f to %.*f %s%s", digits, rounded(lower * scale, digits), digits, rounded(upper * scale, digits), prefix, unit);
}

double cli_power_watts(double uj, uint64_t window_ns)
{
    return window_ns ? uj * 1e3 / (double)window_ns : NAN;
}

void cli_power_add_watts(struct jb_str *s, const struct jb_joules *j)
{
    if (!jb_joules_have(j)) {
        jb_str_add(s, "none: ");
        cli_power_add_safe(s, j->reason);
        return;
    }
    if (j->cls == JB_ENERGY_MODELLED)
        jb_str_add(s, "modelled ");
    cli_power_add_bounds(s, cli_power_watts(j->uj, j->window_ns), cli_power_watts(j->lower_uj, j->window_ns), cli_power_watts(j->upper_uj, j->window_ns), "W");
}

void cli_power_sleep_until(const struct jb_clock *clock, uint64_t until_ns)
{
    for (uint64_t now = clock->now_ns(clock->self); now < until_ns && !cli_signals_seen(); now = clock->now_ns(clock->self))
        clock->sleep_ns(clock->self, until_ns - now);
}
