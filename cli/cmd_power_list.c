#include <math.h>
#include <stdio.h>
#include <string.h>
#include "cli/output.h"
#include "cli/power.h"
#include "cli/table.h"
#include "reports/report.h"

struct opts { bool json; struct cli_power_opts power; };

static const struct cli_option options[] = {
    { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "print JSON" },
    CLI_POWER_ROWS(struct opts, power),
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench power list", "the sources, and the channels of the one that would be used" },
    { "joulebench power list --power powercap --json", "the channels of powercap, for a program" },
    { NULL, NULL },
};

static void print_sources(const struct jb_power_probe *p, size_t n)
{
    struct cli_table t;
    cli_table_open(&t, "source|available|class|what it reads");
    for (size_t i = 0; i < n; i++) {
        const char *summary = "";
        for (size_t k = 0; jb_power_sources[k]; k++)
            if (strcmp(jb_power_source_name(jb_power_sources[k]), p[i].source) == 0)
                summary = jb_power_source_summary(jb_power_sources[k]);
        cli_table_addf(&t, "%s", p[i].source);
        cli_table_addf(&t, "%s", p[i].available ? "yes" : "no");
        cli_table_addf(&t, "%s", p[i].available ? jb_energy_class_name(p[i].cls) : "-");
        cli_table_addf(&t, "%s", summary);
    }
    cli_table_close(&t);
}

static void print_text(const char *name, const char *text)
{
    if (!text || !text[0])
        return;
    printf("%-12s ", name);
    cli_print_safe(text);
    putchar('\n');
}

static void print_meter(const struct jb_meter *m, const struct cli_power_why *why)
{
    struct jb_meter_facts f;
    struct jb_sampler_stats s;
    char update[24], read[24], period[24];
    if (!m) {
        printf("\nno meter: ");
        cli_print_safe(why->text);
        printf("\n(joulebench power probe says what would unlock each source)\n");
        return;
    }
    jb_meter_facts(m, &f);
    jb_meter_sampler(m, &s);
    putchar('\n');
    print_text("meter", f.source);
    print_text("class", jb_energy_class_name(f.cls));
    print_text("root", f.root);
    print_text("remark", f.remark);
    print_text("sums", f.domains);
    print_text("leaves out", f.left_out);
    print_text("cross-check", f.cross_check && f.cross_check[0] ? f.cross_check : "no second source reads these counters");
    if (f.ceiling_w > 0)
        printf("ceiling      %g W (%s)\n", f.ceiling_w, f.ceiling_from);
    jb_fmt_ns(update, (double)f.update_ns);
    printf("updates      %s%s\n", f.update_ns ? "every " : "", f.update_ns ? update : "period not found");
    jb_fmt_ns(read, f.read_ns);
    printf("a read       %s\n", read);
    jb_fmt_ns(period, (double)f.sampler_period_ns);
    if (f.sampler_period_ns)
        printf("sampler      every %s%s\n", period, s.cpu >= 0 ? ", on a CPU of its own" : "");
}

static void add_channel(struct cli_table *t, const struct jb_channel_facts *f)
{
    char range[24], wrap[24], update[24];
    jb_fmt_uj(range, (double)f->range_uj);
    jb_fmt_ns(wrap, f->range_uj && f->ceiling_w > 0 ? (double)f->range_uj * 1e3 / f->ceiling_w : NAN);
    jb_fmt_ns(update, (double)f->update_ns);
    cli_table_addf(t, "%s", f->label);
    cli_table_addf(t, "%s", f->kind);
    if (isfinite(f->unit_uj))
        cli_table_addf(t, "%.4g uJ", f->unit_uj);
    else
        cli_table_addf(t, "-");
    cli_table_addf(t, "%s", f->range_uj ? range : "-");
    cli_table_addf(t, "%s", f->range_uj ? wrap : "never");
    cli_table_addf(t, "%s", f->update_ns ? update : "?");
    cli_table_addf(t, "%g W", f->ceiling_w);
    cli_table_addf(t, "%s%s", f->summed ? "yes" : "no: ", f->summed ? "" : f->why_not ? f->why_not : "");
    cli_table_addf(t, "%s", f->path);
}

static void print_channels(const struct jb_meter *m)
{
    struct cli_table t;
    cli_table_open(&t, "channel|kind|>unit|>range|>wraps in|>updates|>ceiling|summed|path");
    for (size_t i = 0; i < jb_meter_n_channels(m); i++) {
        struct jb_channel_facts f;
        jb_meter_channel(m, i, &f);
        add_channel(&t, &f);
    }
    putchar('\n');
    cli_table_close(&t);
    for (size_t i = 0; i < jb_meter_n_channels(m); i++) {
        struct jb_channel_facts f;
        jb_meter_channel(m, i, &f);
        if (f.trouble && f.trouble[0]) {
            cli_print_safe(f.label);
            printf(": ");
            cli_print_safe(f.trouble);
            putchar('\n');
        }
    }
}

static int show(const struct opts *o, const struct jb_power_probe *probe, size_t n, const struct jb_meter *m, const struct cli_power_why *why)
{
    if (o->json) {
        cJSON *root = cli_power_json("list");
        cli_power_put_probes(root, "sources", probe, n);
        cli_power_put_meter(root, "meter", m, why);
        cli_power_put_channels(root, "channels", m);
        return cli_print_json(root);
    }
    print_sources(probe, n);
    print_meter(m, why);
    if (m)
        print_channels(m);
    return JB_EXIT_OK;
}

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    struct jb_power_opts power;
    struct jb_power_probe probe[JB_POWER_MAX_SOURCES];
    struct cli_power_why why = { .text = "" };
    struct jb_meter *m = NULL;
    size_t n = 0;
    (void)c, (void)args;
    cli_power_fill(&power, &o->power);
    int rc = jb_power_probe_all(&power, probe, JB_POWER_MAX_SOURCES, &n);
    if (rc < 0) {
        jb_fail(&err, rc, "probing the power sources: %s", jb_code_text(rc));
        return cli_fail(&err);
    }
    if (cli_power_open(&m, &power, &why, &err) < 0)
        return cli_fail(&err);
    int exit_code = show(o, probe, n, m, &why);
    jb_meter_close(m);
    return exit_code;
}

const struct cli_command cli_command_power_list = {
    .name = "power list",
    .arguments = "",
    .summary = "the energy sources, and every channel of the one that would be used",
    .about = "Lists the sources of this build with their availability. Of the meter that auto (or --power SOURCE) opens: what it sums and leaves out, the plausibility ceiling "
             "and where it is from, what a read costs, which second source every window is compared with; and each channel with its path, unit, range, the time in which "
             "it wraps at its ceiling, its update period, and whether it is summed or why not.",
    .options = options,
    .examples = examples,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
