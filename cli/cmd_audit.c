#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli/measure.h"
#include "cli/output.h"
#include "cli/table.h"
#include "harness/audit.h"

struct opts {
    const char *output, *only;
    struct cli_list sets;
    int64_t pairs, seeds;
    double limit;
    bool json;
};

static int exit_of(enum jb_audit_verdict v)
{
    static const int code[] = { JB_EXIT_OK, JB_EXIT_GATE_FAILED, JB_EXIT_INCONCLUSIVE, JB_EXIT_NOT_MEASURED };
    return code[v];
}

static int show_json(const char *what, const struct jb_audit *a)
{
    cJSON *o = cJSON_CreateObject(), *list = o ? jb_json_put_array(o, "rows") : NULL;
    bool ok = list && jb_json_put_str(o, "schema", "joulebench.audit/1") && jb_json_put_str(o, "audit", what) && jb_json_put_str(o, "verdict", jb_audit_verdict_name(a->verdict)) &&
              jb_json_put_u64(o, "looked_at", a->looked_at) && jb_json_put_f64(o, "limit", a->limit);
    for (size_t i = 0; ok && i < a->n; i++) {
        const struct jb_audit_row *r = &a->rows[i];
        cJSON *x = jb_json_put_object(list, NULL);
        ok = x && jb_json_put_str(x, "label", r->label) && jb_json_put_str(x, "verdict", jb_audit_verdict_name(r->verdict)) && jb_json_put_u64(x, "n", r->n) &&
             jb_json_put_f64(x, "observed", r->observed) && jb_json_put_f64(x, "lower", r->lower) && jb_json_put_f64(x, "upper", r->upper) && jb_json_put_str(x, "words", r->words);
    }
    if (!ok) {
        cJSON_Delete(o);
        o = NULL;
    }
    return cli_print_json(o);
}

static int show(const char *what, const struct jb_audit *a, bool json)
{
    if (json) {
        int code = show_json(what, a);
        return code ? code : exit_of(a->verdict);
    }
    for (size_t i = 0; i < a->n; i++) {
        printf("%-15s  ", jb_audit_verdict_name(a->rows[i].verdict));
        cli_print_safe(a->rows[i].label);
        printf(": ");
        cli_print_safe(a->rows[i].words);
        putchar('\n');
    }
    printf("audit of %s: %s (%llu looked at)\n", what, jb_audit_verdict_name(a->verdict), (unsigned long long)a->looked_at);
    return exit_of(a->verdict);
}

static int outputs(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    struct jb_audit a = { 0 };
    (void)c;
    int rc = jb_audit_outputs(args->item[0], &a, &err), code = rc < 0 ? cli_fail(&err) : show("outputs", &a, o->json);
    jb_audit_free(&a);
    return code;
}

static int measured(struct cli *c, const struct opts *o, const char *plan_path, bool seeds)
{
    static const struct cli_power_opts power = { .source = "none" };
    struct jb_err err = { 0 };
    struct jb_audit a = { 0 };
    struct jb_plan *plan = NULL;
    struct cli_params pairs = { 0 };
    struct cli_measure m;
    int rc = cli_params_parse(&pairs, &o->sets, &err);
    if (rc < 0)
        return cli_usage(seeds ? "audit seeds" : "audit cache", &err);
    struct jb_plan_set *set = calloc(pairs.n + 1, sizeof *set);
    for (size_t i = 0; set && i < pairs.n; i++)
        set[i] = (struct jb_plan_set){ pairs.item[i].name, pairs.item[i].value };
    rc = set ? jb_plan_read(&plan, plan_path, set, pairs.n, &err) : jb_fail(&err, JB_E_NOMEM, "out of memory");
    int code = 0;
    if (rc == JB_OK && (rc = cli_measure_open(&m, c, &power, NULL, &err)) == JB_OK) {
        m.sweep.only = o->only;
        rc = seeds ? jb_audit_seeds(plan_path, set, pairs.n, &m.sweep, o->output, (uint32_t)o->seeds, &a, &err) : jb_audit_cache(plan, &m.sweep, (uint32_t)o->pairs, o->limit, &a, &err);
        cli_measure_close(&m);
        code = rc < 0 ? cli_measure_fail(&err) : 0;
    } else
        code = cli_fail(&err);
    if (rc == JB_OK)
        code = show(seeds ? "seeds" : "cache", &a, o->json);
    jb_audit_free(&a);
    jb_plan_close(plan);
    free(set);
    cli_params_free(&pairs);
    return code;
}

static int cache(struct cli *c, const void *opts, const struct cli_list *args) { return measured(c, opts, args->item[0], false); }

static int seeds(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    if (o->output)
        return measured(c, o, args->item[0], true);
    jb_fail(&err, JB_E_USAGE, "missing option: --output DIR, for the runs of the seeds");
    return cli_usage("audit seeds", &err);
}

#define JSON_ROW { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "print the audit as JSON" }
#define ONLY_ROW { "only", 0, CLI_TEXT, offsetof(struct opts, only), "PATTERN", NULL, 0, 0, "only cells whose label matches, as in a shell: '*int8*'" }
#define SET_ROW { "set", 's', CLI_LIST, offsetof(struct opts, sets), "KEY=VALUE", NULL, 0, 0, "replace a key of the plan; VALUE is JSON or a bare word" }

static const struct cli_option outputs_options[] = { JSON_ROW, { .type = CLI_END } };
static const struct cli_option cache_options[] = {
    { "pairs", 0, CLI_I64, offsetof(struct opts, pairs), "N", "20", 2, 100000, "pairs of blocks of each cell" },
    { "limit", 0, CLI_F64, offsetof(struct opts, limit), "SHARE", "0.1", 0, 100, "by so much repeating one sample may be faster" },
    ONLY_ROW, SET_ROW, JSON_ROW, { .type = CLI_END },
};
static const struct cli_option seeds_options[] = {
    { "output", 'o', CLI_TEXT, offsetof(struct opts, output), "DIR", NULL, 0, 0, "a new directory for the runs" },
    { "seeds", 0, CLI_I64, offsetof(struct opts, seeds), "N", "20", 2, 10000, "runs, each under a seed of its own" },
    ONLY_ROW, SET_ROW, JSON_ROW, { .type = CLI_END },
};
static const struct cli_option no_options[] = { { .type = CLI_END } };

static const struct cli_example outputs_examples[] = { { "joulebench audit outputs out", "whether the measured queries gave the answers that the accuracy is of" }, { NULL, NULL } };
static const struct cli_example cache_examples[] = { { "joulebench audit cache plans/smoke.json", "whether something is kept from query to query" }, { NULL, NULL } };
static const struct cli_example seeds_examples[] = { { "joulebench audit seeds plans/smoke.json -o seeds -s max_seconds=2", "twenty short runs, ten comparisons" }, { NULL, NULL } };

static const struct cli_command audit_outputs = {
    .name = "audit outputs", .arguments = "DIR", .summary = "compare every answer of a run's blocks with its accuracy pass",
    .about = "Prediction, exit and precisions of every recorded query, read from the raw files. Exit code 0 pass, 10 fail, 13 nothing to look at.",
    .options = outputs_options, .examples = outputs_examples, .min_args = 1, .max_args = 1, .opts_bytes = sizeof(struct opts), .run = outputs,
};
static const struct cli_command audit_cache = {
    .name = "audit cache", .arguments = "PLAN", .summary = "measure distinct samples against one repeated sample, at equal exit depth",
    .about = "Pairs of blocks in random order; medians of queries that leave at the same exit; the ratio with a 95 % interval. Exit code 0 pass, 10 fail, 11 inconclusive, 13 nothing to look at.",
    .options = cache_options, .examples = cache_examples, .min_args = 1, .max_args = 1, .opts_bytes = sizeof(struct opts), .run = cache,
};
static const struct cli_command audit_seeds = {
    .name = "audit seeds", .arguments = "PLAN", .summary = "run a plan under many seeds, and count comparisons that see what is not there",
    .about = "Runs 1 and 2, 3 and 4 and so on are compared: the same thing, so a difference is a false one, and at most 5 % of comparisons may see any. Exit code 0 pass, 10 fail, 13 nothing to look at.",
    .options = seeds_options, .examples = seeds_examples, .min_args = 1, .max_args = 1, .opts_bytes = sizeof(struct opts), .run = seeds,
};
static const struct cli_command *const subs[] = { &audit_outputs, &audit_cache, &audit_seeds, NULL };
static const struct cli_example examples[] = { { "joulebench audit outputs out", "every answer of a run" }, { "joulebench audit cache plans/smoke.json --pairs 40", "caching" }, { NULL, NULL } };

extern const struct cli_command cli_audit;
const struct cli_command cli_audit = {
    .name = "audit", .arguments = "", .summary = "check a run's answers, caching, and what seeds change",
    .about = "Audits look for figures that are not what they say. joulebench audit COMMAND --help shows each.",
    .options = no_options, .examples = examples, .subs = subs,
};
