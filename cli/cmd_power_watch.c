#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/limits.h"
#include "cli/power.h"
#include "cli/signals.h"

struct opts { bool json; double interval_s; int64_t count; struct cli_power_opts power; };

static const struct cli_option options[] = {
    { "interval", 'i', CLI_F64, offsetof(struct opts, interval_s), "SECONDS", "1", 0.01, 86400, "time between two lines" },
    { "count", 'n', CLI_I64, offsetof(struct opts, count), "N", "0", 0, 1e9, "end after N intervals; 0: go on until Ctrl-C" },
    { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "print a JSON document a line" },
    CLI_POWER_ROWS(struct opts, power),
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench power watch", "what each channel draws, once a second, until Ctrl-C" },
    { "joulebench power watch -i 0.1 -n 100 --json", "ten seconds of it, for a program" },
    { NULL, NULL },
};

struct watch {
    const struct opts *o;
    struct jb_meter *m;
    struct jb_joules *part;  // (n); owned
    size_t n;
    int width, drawn;        // columns; lines on the terminal that the next ones replace
    bool moves;
};

// ---- JSON ----

static void put_power(cJSON *o, const struct jb_joules *j)
{
    bool have = jb_joules_have(j) && j->cls != JB_ENERGY_MODELLED;
    cli_power_put_split(o, "energy", "energy_modelled", j);
    jb_json_put_f64(o, "power_w", have ? cli_power_watts(j->uj, j->window_ns) : NAN);
    jb_json_put_f64(o, "lower_w", have ? cli_power_watts(j->lower_uj, j->window_ns) : NAN);
    jb_json_put_f64(o, "upper_w", have ? cli_power_watts(j->upper_uj, j->window_ns) : NAN);
}

static bool print_json(const struct watch *w, bool summary, uint64_t elapsed_ns, const struct jb_joules *total)
{
    cJSON *root = cli_power_json("watch");
    jb_json_put_bool(root, "summary", summary);
    jb_json_put_u64(root, "elapsed_ns", elapsed_ns);
    put_power(jb_json_put_object(root, "total"), total);
    cJSON *list = jb_json_put_array(root, "channels");
    for (size_t i = 0; i < w->n; i++) {
        struct jb_channel_facts f;
        jb_meter_channel(w->m, i, &f);
        cJSON *o = jb_json_put_object(list, NULL);
        jb_json_put_str(o, "label", f.label);
        jb_json_put_bool(o, "summed", f.summed);
        put_power(o, &w->part[i]);
    }
    return cli_power_print_line(stdout, root);
}

// ---- text ----

static void add_reading(struct jb_str *s, const struct jb_joules *j)
{
    cli_power_add_watts(s, j);
    if (jb_joules_have(j) && j->wraps)
        jb_str_addf(s, " (wraps: %u)", j->wraps);
}

static void print_cut(const struct watch *w, struct jb_str *s)
{
    printf("%.*s\n", w->moves ? w->width - 1 : 1 << 20, jb_str_get(s));
    jb_str_free(s);
}

// A line for each channel, over those of the interval before.
static void draw(struct watch *w, uint64_t elapsed_ns, const struct jb_joules *total)
{
    struct jb_str line = { 0 };
    if (w->drawn)
        printf("\033[%dA\033[J", w->drawn);
    jb_str_addf(&line, "%-16s ", "total");
    add_reading(&line, total);
    jb_str_addf(&line, "  after %.1f s", (double)elapsed_ns * 1e-9);
    print_cut(w, &line);
    for (size_t i = 0; i < w->n; i++) {
        struct jb_channel_facts f;
        jb_meter_channel(w->m, i, &f);
        jb_str_addf(&line, "  %-14.40s ", f.label);
        add_reading(&line, &w->part[i]);
        if (!f.summed)
            jb_str_addf(&line, "  not summed: %s", f.why_not ? f.why_not : "");
        print_cut(w, &line);
    }
    w->drawn = (int)w->n + 1;
}

static void print_line(const struct watch *w, uint64_t elapsed_ns, const struct jb_joules *total)
{
    struct jb_str line = { 0 };
    jb_str_addf(&line, "%.3f s  total ", (double)elapsed_ns * 1e-9);
    add_reading(&line, total);
    for (size_t i = 0; i < w->n; i++) {
        struct jb_channel_facts f;
        jb_meter_channel(w->m, i, &f);
        jb_str_add(&line, "  ");
        cli_power_add_safe(&line, f.label);
        jb_str_add(&line, " ");
        add_reading(&line, &w->part[i]);
    }
    print_cut(w, &line);
}

static bool show(struct watch *w, uint64_t elapsed_ns, const struct jb_joules *total)
{
    if (w->o->json)
        return print_json(w, false, elapsed_ns, total);
    if (w->moves)
        draw(w, elapsed_ns, total);
    else
        print_line(w, elapsed_ns, total);
    return fflush(stdout) == 0;
}

static bool show_summary(const struct watch *w, uint64_t elapsed_ns, const struct jb_joules *total)
{
    struct jb_meter_facts f;
    struct jb_str line = { 0 };
    if (w->o->json)
        return print_json(w, true, elapsed_ns, total);
    jb_meter_facts(w->m, &f);
    jb_str_addf(&line, "in %.3f s: ", (double)elapsed_ns * 1e-9);
    if (jb_joules_have(total) && total->cls != JB_ENERGY_MODELLED) {
        cli_power_add_bounds(&line, total->uj * 1e-6, total->lower_uj * 1e-6, total->upper_uj * 1e-6, "J");
        jb_str_add(&line, ", ");
    }
    add_reading(&line, total);
    jb_str_addf(&line, "; %s by %s, sums %s\n", jb_energy_class_name(f.cls), f.source, f.domains);
    fputs(jb_str_get(&line), stdout);
    jb_str_free(&line);
    return fflush(stdout) == 0;
}

// ---- the loop ----

static bool watch(struct watch *w)
{
    const struct jb_clock clock = jb_clock_monotonic();
    struct jb_window all, one;
    bool ok = true;
    jb_meter_begin(w->m, &all); // what went wrong comes with the figures
    for (int64_t k = 1; ok && !cli_signals_seen() && (w->o->count == 0 || k <= w->o->count); k++) {
        jb_meter_begin(w->m, &one);
        cli_power_sleep_until(&clock, all.start_ns + (uint64_t)((double)k * w->o->interval_s * 1e9));
        struct jb_joules total = jb_meter_end_parts(w->m, &one, w->part, w->n);
        if (!cli_signals_seen())
            ok = show(w, clock.now_ns(clock.self) - all.start_ns, &total);
    }
    struct jb_joules total = jb_meter_end_parts(w->m, &all, w->part, w->n);
    return ok && show_summary(w, total.window_ns, &total);
}

static int watch_meter(const struct cli *c, const struct opts *o, struct jb_meter *m)
{
    struct jb_err err = { 0 };
    size_t n = jb_meter_n_channels(m);
    struct watch w = { .o = o, .m = m, .part = calloc(n + 1, sizeof *w.part), .n = n, .width = c->width, .moves = c->out_moves };
    if (!w.part) {
        jb_fail(&err, JB_E_NOMEM, "out of memory");
        return cli_fail(&err);
    }
    bool ok = watch(&w);
    free(w.part);
    return ok ? JB_EXIT_OK : JB_EXIT_ENVIRONMENT;
}

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    struct jb_power_opts power;
    struct cli_power_why why = { .text = "" };
    struct jb_meter *m = NULL;
    (void)args;
    cli_limits_notice(NULL);
    cli_power_fill(&power, &o->power);
    int rc = cli_power_open(&m, &power, &why, &err);
    if (rc == JB_OK && !m)
        rc = jb_fail(&err, JB_E_UNAVAILABLE, "nothing to watch: %s", why.text);
    if (rc < 0)
        return cli_fail(&err);
    cli_signals_catch_quietly();
    int exit_code = watch_meter(c, o, m);
    jb_meter_close(m);
    return exit_code;
}

const struct cli_command cli_command_power_watch = {
    .name = "power watch",
    .arguments = "",
    .summary = "what each channel draws, interval by interval",
    .about = "Shows the power of every channel with its bounds, interval by interval: as a table that is refreshed on a terminal, as a line an interval elsewhere. A channel "
             "that fails shows its reason, and the others go on. Ctrl-C ends it with a summary of the whole time, and exit code 0.",
    .options = options,
    .examples = examples,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
