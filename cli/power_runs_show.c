// A measured command as text and as JSON. What is modelled stands under a name of its own in both, never under "energy".
#include <math.h>
#include <string.h>
#include "base/utf8.h"
#include "cli/power_runs.h"

enum { NAME_WIDTH = 14 };

// Why there is no "energy" where the figures are modelled.
static struct jb_joules not_observed(const struct cli_runs *r)
{
    struct jb_joules energy = jb_joules_none(r->why.source, r->why.text), modelled;
    for (size_t i = 0; i < r->n; i++)
        if (jb_joules_have(&r->run[i].gross)) {
            jb_joules_split(&r->run[i].gross, &energy, &modelled);
            break;
        }
    return energy;
}

// ---- text ----

__attribute__((format(printf, 3, 4))) static void line(struct jb_str *s, const char *name, const char *format, ...)
{
    char text[640];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    jb_str_addf(s, "  %-*s ", NAME_WIDTH, name);
    cli_power_add_safe(s, text);
    jb_str_add(s, "\n");
}

static void add_command(struct jb_str *s, const struct cli_runs *r)
{
    for (size_t i = 0; r->argv[i]; i++) {
        jb_str_add(s, " ");
        cli_power_add_safe(s, r->argv[i]);
    }
}

static void add_stat(struct jb_str *s, const struct cli_runs *r, const char *name, enum cli_figure figure, double factor, const char *unit)
{
    struct cli_stat t;
    if (cli_runs_stat(r, figure, &t) < 0 || t.n == 0)
        return;
    jb_str_addf(s, "  %-*s ", NAME_WIDTH, name);
    cli_power_add_bounds(s, t.mean * factor, t.lower * factor, t.upper * factor, unit);
    if (isfinite(t.ci95.lower)) {
        jb_str_addf(s, "; over %zu repetitions 95 %% ", t.n);
        cli_power_add_range(s, t.ci95.lower * factor, t.ci95.upper * factor, unit);
    }
    jb_str_add(s, "\n");
}

static bool short_runs(const struct cli_runs *r)
{
    struct cli_stat t;
    return cli_runs_stat(r, CLI_TIME_NS, &t) == JB_OK && t.n && t.mean < 1e8;
}

static void add_energy(struct jb_str *s, const struct cli_runs *r)
{
    bool modelled = cli_runs_class(r) == JB_ENERGY_MODELLED;
    struct jb_joules energy = not_observed(r);
    const char *missing = cli_runs_missing(r, false), *no_net = r->has_idle ? cli_runs_missing(r, true) : NULL;
    if (modelled) {
        line(s, "energy", "none: %s", energy.reason);
    } else if (cli_runs_class(r) == JB_ENERGY_NONE) {
        line(s, "energy", "none: %s", missing ? missing : "");
        missing = no_net = NULL;
    }
    add_stat(s, r, modelled ? "modelled" : "energy", CLI_GROSS_UJ, 1e-6, "J");
    add_stat(s, r, modelled ? "modelled net" : "net of idle", CLI_NET_UJ, 1e-6, "J");
    add_stat(s, r, modelled ? "modelled power" : "power", CLI_GROSS_W, 1, "W");
    add_stat(s, r, modelled ? "modelled delay" : "energy-delay", CLI_EDP_JS, 1, "J s");
    if (cli_runs_class(r) == JB_ENERGY_NONE && r->m && short_runs(r))
        line(s, "hint", "a command this short needs many runs in one window: measure -- sh -c 'for i in $(seq 1000); do CMD; done'");
    if (missing)
        line(s, "missing", "in some repetitions: %s", missing);
    if (no_net && no_net != missing)
        line(s, "no net", "%s", no_net);
}

static void add_idle(struct jb_str *s, const struct cli_runs *r)
{
    if (!r->has_idle || !jb_joules_have(&r->idle))
        return;
    jb_str_addf(s, "  %-*s ", NAME_WIDTH, "idle");
    cli_power_add_watts(s, &r->idle); // which says so when it is modelled
    jb_str_add(s, "; before ");
    cli_power_add_watts(s, &r->idle_before);
    jb_str_add(s, ", after ");
    cli_power_add_watts(s, &r->idle_after);
    jb_str_add(s, "\n");
    if (r->drift)
        line(s, "warning", "idle power drifted by more than its bounds explain: the net figure holds both, and is less certain than it looks; let the machine rest and repeat");
}

static void add_parts(struct jb_str *s, const struct cli_runs *r)
{
    for (size_t i = 0; r->n && i < r->n_parts; i++) {
        struct jb_channel_facts f;
        const struct jb_joules *j = &r->part[i];
        double share = 1e-6 / (double)r->n;
        jb_meter_channel(r->m, i, &f);
        jb_str_add(s, "    ");
        cli_power_add_safe(s, f.label);
        jb_str_addf(s, "%*s ", (int)strlen(f.label) < NAME_WIDTH - 2 ? NAME_WIDTH - 2 - (int)strlen(f.label) : 0, "");
        if (j->cls == JB_ENERGY_MODELLED)
            jb_str_add(s, "modelled ");
        if (jb_joules_have(j))
            cli_power_add_bounds(s, j->uj * share, j->lower_uj * share, j->upper_uj * share, "J");
        else
            jb_str_add(s, "none: "), cli_power_add_safe(s, j->reason);
        if (!f.summed)
            jb_str_addf(s, " (not summed: %s)", f.why_not ? f.why_not : "");
        jb_str_add(s, "\n");
    }
}

static void add_source(struct jb_str *s, const struct cli_runs *r)
{
    struct jb_meter_facts f;
    struct jb_sampler_stats t;
    if (!r->m)
        return;
    jb_meter_facts(r->m, &f);
    jb_meter_sampler(r->m, &t);
    line(s, "source", "%s%s%s; class %s; wraps %u%s%s", f.source, f.root && f.root[0] ? " at " : "", f.root ? f.root : "", jb_energy_class_name(f.cls), cli_runs_wraps(r),
         f.remark && f.remark[0] ? "; " : "", f.remark ? f.remark : "");
    line(s, "sums", "%s%s%s", f.domains, f.left_out && f.left_out[0] ? "; leaves out " : "", f.left_out ? f.left_out : "");
    add_parts(s, r);
    if (f.cross_check && f.cross_check[0])
        line(s, "cross-check", "%s", f.cross_check);
    if (t.period_ns)
        line(s, "sampler", "%.4f %% of one CPU, %llu times", t.share * 100, (unsigned long long)t.reads);
}

static void add_cpu(struct jb_str *s, const struct cli_runs *r)
{
    size_t n = cli_runs_contaminated(r);
    struct cli_stat others;
    double worst = 0;
    add_stat(s, r, "CPU time", CLI_CPU_NS, 1e-9, "s");
    if (cli_runs_stat(r, CLI_OTHERS_NS, &others) == JB_OK && others.n) {
        jb_str_addf(s, "  %-*s ", NAME_WIDTH, "CPU of others");
        cli_power_add_bounds(s, others.mean * 1e-9, NAN, NAN, "s");
        jb_str_add(s, " in the same time, for certain ");
        cli_power_add_bounds(s, others.lower * 1e-9, NAN, NAN, "s");
        jb_str_add(s, "\n");
    }
    for (size_t i = 0; i < r->n; i++)
        if (r->run[i].contaminated)
            worst = fmax(worst, r->run[i].others.share_least);
    if (n)
        line(s, "warning", "contaminated: in %zu of %zu repetitions others used more than %.0f %% of the machine (up to %.0f %%)%s", n, r->n,
             CLI_CONTAMINATED_SHARE * 100, worst * 100, cli_runs_class(r) == JB_ENERGY_NONE ? "" : ", and their energy is in the figures");
}

void cli_runs_text(const struct cli_runs *r, struct jb_str *s)
{
    jb_str_add(s, "joulebench power measure:");
    add_command(s, r);
    if (r->repetitions > 1 || r->n < r->repetitions)
        jb_str_addf(s, " (%zu of %zu repetitions%s)", r->n, r->repetitions, r->signal ? "; stopped by a signal" : r->n < r->repetitions ? "; one failed" : "");
    jb_str_add(s, "\n");
    add_energy(s, r);
    add_stat(s, r, "time", CLI_TIME_NS, 1e-9, "s");
    add_idle(s, r);
    add_cpu(s, r);
    add_source(s, r);
}

// ---- JSON ----

static void put_ci(cJSON *o, const struct jb_interval *i, double factor)
{
    if (!isfinite(i->lower)) {
        jb_json_put_null(o, "ci95");
        return;
    }
    cJSON *pair = jb_json_put_array(o, "ci95");
    jb_json_put_f64(pair, NULL, i->lower * factor);
    jb_json_put_f64(pair, NULL, i->upper * factor);
}

static void put_stat(cJSON *parent, const char *key, const struct cli_runs *r, enum cli_figure figure)
{
    struct cli_stat t;
    if (cli_runs_stat(r, figure, &t) < 0 || t.n == 0) {
        jb_json_put_null(parent, key);
        return;
    }
    cJSON *o = jb_json_put_object(parent, key);
    jb_json_put_u64(o, "n", t.n);
    jb_json_put_f64(o, "mean", t.mean);
    put_ci(o, &t.ci95, 1);
    jb_json_put_f64(o, "lower", t.lower);
    jb_json_put_f64(o, "upper", t.upper);
}

// The means of what was observed ("energy") or modelled ("energy_modelled"): one of the two holds figures, the other one nulls and the reason.
static void put_means(cJSON *parent, const char *key, const struct cli_runs *r, bool modelled)
{
    static const struct { const char *key; enum cli_figure figure; } FIGURES[] = {
        { "gross_uj", CLI_GROSS_UJ }, { "net_uj", CLI_NET_UJ }, { "gross_w", CLI_GROSS_W }, { "net_w", CLI_NET_W }, { "edp_js", CLI_EDP_JS },
    };
    enum jb_energy_class cls = cli_runs_class(r);
    bool mine = cls != JB_ENERGY_NONE && (cls == JB_ENERGY_MODELLED) == modelled;
    struct jb_joules energy = not_observed(r);
    const char *reason = cli_runs_missing(r, false);
    if (!mine && modelled)
        reason = "nothing was modelled";
    else if (!mine && cls == JB_ENERGY_MODELLED)
        reason = energy.reason;
    cJSON *o = jb_json_put_object(parent, key);
    jb_json_put_str(o, "class", jb_energy_class_name(mine ? cls : JB_ENERGY_NONE));
    for (size_t i = 0; i < sizeof FIGURES / sizeof FIGURES[0]; i++) {
        if (mine)
            put_stat(o, FIGURES[i].key, r, FIGURES[i].figure);
        else
            jb_json_put_null(o, FIGURES[i].key);
    }
    jb_json_put_str(o, "reason", reason);
    jb_json_put_str(o, "net_reason", mine ? cli_runs_missing(r, true) : NULL);
}

static void put_runs(cJSON *root, const struct cli_runs *r)
{
    cJSON *list = jb_json_put_array(root, "runs");
    for (size_t i = 0; i < r->n; i++) {
        const struct cli_run *run = &r->run[i];
        cJSON *o = jb_json_put_object(list, NULL);
        jb_json_put_u64(o, "exit_code", (uint64_t)run->exit_code);
        jb_json_put_u64(o, "time_ns", run->time_ns);
        jb_json_put_u64(o, "cpu_ns", run->cpu_ns);
        cli_power_put_split(o, "energy", "energy_modelled", &run->gross);
        cli_power_put_split(o, "net", "net_modelled", &run->net);
        jb_json_put_f64(o, "others_ns", run->others.known ? (double)run->others.others_ns : NAN);
        jb_json_put_f64(o, "others_share", run->others.known ? run->others.share : NAN);
        jb_json_put_f64(o, "others_share_least", run->others.known ? run->others.share_least : NAN);
        jb_json_put_bool(o, "contaminated", run->contaminated);
    }
}

static void put_idle(cJSON *root, const struct cli_runs *r)
{
    if (!r->has_idle) {
        jb_json_put_null(root, "idle");
        return;
    }
    cJSON *o = jb_json_put_object(root, "idle");
    jb_json_put_f64(o, "seconds", r->idle_s);
    cli_power_put_split(o, "before", "before_modelled", &r->idle_before);
    cli_power_put_split(o, "after", "after_modelled", &r->idle_after);
    cli_power_put_split(o, "used", "used_modelled", &r->idle);
    jb_json_put_bool(o, "drift", r->drift);
}

// Each channel's energy over all repetitions together.
static void put_parts(cJSON *root, const struct cli_runs *r)
{
    cJSON *list = jb_json_put_array(root, "parts");
    for (size_t i = 0; r->n && i < r->n_parts; i++) {
        struct jb_channel_facts f;
        jb_meter_channel(r->m, i, &f);
        cJSON *o = jb_json_put_object(list, NULL);
        jb_json_put_str(o, "label", f.label);
        jb_json_put_bool(o, "summed", f.summed);
        jb_json_put_str(o, "why_not", f.summed ? NULL : f.why_not);
        cli_power_put_split(o, "energy", "energy_modelled", &r->part[i]);
    }
}

// A word of a command line may be any bytes; JSON is UTF-8.
static void put_word(cJSON *list, const char *word)
{
    struct jb_str s = { 0 };
    while (*word) {
        size_t n = jb_utf8_step(word, strlen(word), NULL);
        if (n)
            jb_str_addn(&s, word, n);
        else
            jb_str_add(&s, JB_UTF8_REPLACEMENT);
        word += n ? n : 1;
    }
    jb_json_put_str(list, NULL, jb_str_get(&s));
    jb_str_free(&s);
}

cJSON *cli_runs_json(const struct cli_runs *r)
{
    cJSON *root = cli_power_json("measure");
    cJSON *words = jb_json_put_array(root, "command");
    for (size_t i = 0; r->argv[i]; i++)
        put_word(words, r->argv[i]);
    jb_json_put_u64(root, "repetitions", r->repetitions);
    jb_json_put_u64(root, "finished", r->n);
    jb_json_put_u64(root, "warmup", r->warmup);
    jb_json_put_u64(root, "exit_code", (uint64_t)r->exit_code);
    jb_json_put_u64(root, "signal", (uint64_t)r->signal);
    cli_power_put_meter(root, "meter", r->m, &r->why);
    put_means(root, "energy", r, false);
    put_means(root, "energy_modelled", r, true);
    put_stat(root, "time_ns", r, CLI_TIME_NS);
    put_stat(root, "cpu_ns", r, CLI_CPU_NS);
    put_stat(root, "others_ns", r, CLI_OTHERS_NS);
    jb_json_put_u64(root, "contaminated", cli_runs_contaminated(r));
    jb_json_put_u64(root, "wraps", cli_runs_wraps(r));
    put_idle(root, r);
    put_parts(root, r);
    cli_power_put_sampler(root, "sampler", r->m);
    put_runs(root, r);
    return root;
}
