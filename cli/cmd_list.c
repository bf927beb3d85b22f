#include <string.h>
#include <stdio.h>
#include "base/cpu.h"
#include "cli/output.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "early_exit/policy.h"
#include "power/power.h"
#include "reports/report.h"
#include "runtime/arch.h"

struct opts { bool json; };

static const struct cli_option options[] = {
    { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "print JSON" },
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench list", "everything" },
    { "joulebench list policies", "the exit policies, with the ranges of their thresholds" },
    { "JB_CPU=avx2 joulebench list kernels", "which kernel each operator would use on an AVX2 machine" },
    { NULL, NULL },
};

// A kind prints its table, or adds its rows to a JSON array.
struct kind {
    const char *name, *heads;
    void (*text)(const struct jb_kernels *k, struct cli_table *t);
    void (*json)(const struct jb_kernels *k, cJSON *array);
};

static void kernels_text(const struct jb_kernels *k, struct cli_table *t)
{
    const char *op, *symbol;
    for (size_t i = 0; jb_kernels_symbol(k, i, &op, &symbol); i++) {
        cli_table_addf(t, "%s", op);
        cli_table_addf(t, "%s", symbol);
    }
}

static void kernels_json(const struct jb_kernels *k, cJSON *array)
{
    const char *op, *symbol;
    for (size_t i = 0; jb_kernels_symbol(k, i, &op, &symbol); i++) {
        cJSON *o = jb_json_put_object(array, NULL);
        jb_json_put_str(o, "op", op);
        jb_json_put_str(o, "symbol", symbol);
    }
}

static void policies_text(const struct jb_kernels *k, struct cli_table *t)
{
    (void)k;
    for (size_t i = 0; jb_policies[i]; i++) {
        const struct jb_policy_ops *p = jb_policies[i];
        cli_table_addf(t, "%s", p->name);
        if (p->has_threshold)
            cli_table_addf(t, "%g to %g", p->threshold_min, p->threshold_max);
        else
            cli_table_addf(t, "-");
        struct jb_str params = { 0 };
        for (const struct jb_option *o = p->options; o && o->type != JB_OPT_END; o++)
            jb_str_addf(&params, "%s%s", params.len ? ", " : "", o->name);
        cli_table_addf(t, "%s", params.len ? jb_str_get(&params) : "-");
        cli_table_addf(t, "%s", p->summary);
        jb_str_free(&params);
    }
}

static void policies_json(const struct jb_kernels *k, cJSON *array)
{
    (void)k;
    for (size_t i = 0; jb_policies[i]; i++) {
        const struct jb_policy_ops *p = jb_policies[i];
        cJSON *o = jb_json_put_object(array, NULL);
        jb_json_put_str(o, "name", p->name);
        jb_json_put_str(o, "summary", p->summary);
        jb_json_put_str(o, "source", p->source);
        if (p->has_threshold) {
            jb_json_put_f64(o, "threshold_min", p->threshold_min);
            jb_json_put_f64(o, "threshold_max", p->threshold_max);
        }
        cli_put_options(o, "params", p->options);
    }
}

static void workloads_text(const struct jb_kernels *k, struct cli_table *t)
{
    (void)k;
    for (size_t i = 0; jb_workloads[i]; i++) {
        cli_table_addf(t, "%s", jb_workloads[i]->name);
        cli_table_addf(t, "%s", jb_workloads[i]->summary);
        for (const struct jb_option *o = jb_workloads[i]->options; o->type != JB_OPT_END; o++) {
            cli_table_addf(t, "  %s", o->name);
            cli_table_addf(t, "  %s%s%s", o->help, o->default_text[0] ? "; default " : "", o->default_text);
        }
    }
}

static void workloads_json(const struct jb_kernels *k, cJSON *array)
{
    (void)k;
    for (size_t i = 0; jb_workloads[i]; i++) {
        cJSON *o = jb_json_put_object(array, NULL);
        jb_json_put_str(o, "name", jb_workloads[i]->name);
        jb_json_put_str(o, "summary", jb_workloads[i]->summary);
        cli_put_options(o, "params", jb_workloads[i]->options);
    }
}

// The kinds that have no more than a name and a summary.
#define SIMPLE_KIND(kind, table, name_of, summary_of)                             \
    static void kind##_text(const struct jb_kernels *k, struct cli_table *t)      \
    {                                                                             \
        (void)k;                                                                  \
        for (size_t i = 0; table[i]; i++) {                                       \
            cli_table_addf(t, "%s", name_of(table[i]));                           \
            cli_table_addf(t, "%s", summary_of(table[i]));                        \
        }                                                                         \
    }                                                                             \
    static void kind##_json(const struct jb_kernels *k, cJSON *array)             \
    {                                                                             \
        (void)k;                                                                  \
        for (size_t i = 0; table[i]; i++) {                                       \
            cJSON *o = jb_json_put_object(array, NULL);                                     \
            jb_json_put_str(o, "name", name_of(table[i]));                        \
            jb_json_put_str(o, "summary", summary_of(table[i]));                  \
        }                                                                         \
    }
#define NAME_OF(row) (row)->name
#define SUMMARY_OF(row) (row)->summary
SIMPLE_KIND(power, jb_power_sources, jb_power_source_name, jb_power_source_summary)
SIMPLE_KIND(reporters, jb_reporters, NAME_OF, SUMMARY_OF)
SIMPLE_KIND(archs, jb_archs, NAME_OF, SUMMARY_OF)

static const struct kind kinds[] = {
    { "policies", "policy|threshold|parameters|what it does", policies_text, policies_json },
    { "workloads", "workload|what it is, and its parameters", workloads_text, workloads_json },
    { "power", "power source|what it reads", power_text, power_json },
    { "reporters", "report|what it is", reporters_text, reporters_json },
    { "archs", "architecture|what it is", archs_text, archs_json },
    { "kernels", "operator|kernel chosen for this CPU", kernels_text, kernels_json },
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

static int check_names(const struct cli_list *args)
{
    for (size_t a = 0; a < args->n; a++) {
        size_t i = 0;
        while (i < N_KINDS && strcmp(kinds[i].name, args->item[a]) != 0)
            i++;
        if (i < N_KINDS)
            continue;
        struct jb_err err = { 0 };
        const char *names[N_KINDS + 1] = { NULL };
        for (i = 0; i < N_KINDS; i++)
            names[i] = kinds[i].name;
        const char *guess = cli_suggest(args->item[a], names);
        jb_fail(&err, JB_E_USAGE, "there are no \"%s\"%s%s%s (policies, workloads, power, reporters, archs, kernels)", args->item[a], guess ? "; did you mean " : "",
                guess ? guess : "", guess ? "?" : "");
        return cli_usage("list", &err);
    }
    return JB_EXIT_OK;
}

static bool wanted(const struct cli_list *args, const char *name)
{
    for (size_t a = 0; a < args->n; a++)
        if (strcmp(args->item[a], name) == 0)
            return true;
    return args->n == 0;
}

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_kernels k;
    struct jb_err err = { 0 };
    int exit_code = check_names(args);
    if (exit_code != JB_EXIT_OK)
        return exit_code;
    if (cli_kernels(c, &k, &err) < 0)
        return cli_fail(&err);
    cJSON *root = o->json ? cJSON_CreateObject() : NULL;
    bool first = true;
    for (size_t i = 0; i < N_KINDS; i++) {
        if (!wanted(args, kinds[i].name))
            continue;
        if (o->json) {
            kinds[i].json(&k, jb_json_put_array(root, kinds[i].name));
            continue;
        }
        struct cli_table t;
        if (!first)
            putchar('\n');
        first = false;
        cli_table_open(&t, kinds[i].heads);
        kinds[i].text(&k, &t);
        cli_table_close(&t);
    }
    return o->json ? cli_print_json(root) : JB_EXIT_OK;
}

const struct cli_command cli_list_command = {
    .name = "list",
    .arguments = "[policies | workloads | power | reporters | archs | kernels]...",
    .summary = "what there is: policies, workloads, power sources, reports, kernels",
    .about = "Lists the exit policies, workloads, power sources, reports, model architectures and kernels of this build.",
    .options = options,
    .examples = examples,
    .max_args = 6,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
