#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/limits.h"
#include "cli/measure.h"
#include "cli/output.h"
#include "cli/reporting.h"
#include "cli/table.h"

struct opts {
    const char *workload, *split, *precision, *policy, *exits, *dump, *count, *kv, *fill;
    int64_t threads;
    struct cli_list workload_params, policy_params;
    struct cli_numbers threshold;
    int64_t samples;
    double seconds;
    bool json;
    struct cli_power_opts power;
};

static const struct cli_option options[] = {
    { "workload", 'w', CLI_TEXT, offsetof(struct opts, workload), "NAME", "fashion", 0, 0, "the data (joulebench list workloads)" },
    { "param", 0, CLI_LIST, offsetof(struct opts, workload_params), "NAME=VALUE", NULL, 0, 0, "a parameter of the workload, such as test_images=my.idx" },
    { "split", 0, CLI_CHOICE, offsetof(struct opts, split), "test|calibration|fit|train", "test", 0, 0, "which part of the data" },
    { "samples", 'n', CLI_I64, offsetof(struct opts, samples), "N", "0", 0, 1e9, "no more samples than this; 0: all" },
    { "precision", 0, CLI_TEXT, offsetof(struct opts, precision), "P", "stored", 0, 0, "f32, int8, int4, stored (f32, or the one that a language model has), one a stage (int8,int8,f32), or escalate:int4>int8" },
    { "policy", 'p', CLI_TEXT, offsetof(struct opts, policy), "NAME", "final", 0, 0, "when a sample may stop (joulebench list policies)" },
    { "threshold", 't', CLI_NUMBERS, offsetof(struct opts, threshold), "X[,X...]", NULL, -1e9, 1e9, "confidence at which it stops: one for all exits, or one for each but the last" },
    { "set", 's', CLI_LIST, offsetof(struct opts, policy_params), "NAME=X", NULL, 0, 0, "a parameter of the policy, such as k=1 of fixed" },
    { "exits", 0, CLI_TEXT, offsetof(struct opts, exits), "FILE", NULL, 0, 0, "a side file with exits for MODEL" },
    { "threads", 0, CLI_I64, offsetof(struct opts, threads), "N", "1", 1, 1024, "language models: threads of the session" },
    { "kv", 0, CLI_CHOICE, offsetof(struct opts, kv), "f16|int8", "f16", 0, 0, "language models: how keys and values are stored" },
    { "fill", 0, CLI_CHOICE, offsetof(struct opts, fill), "exact|frozen", "exact", 0, 0, "language models: what becomes of the keys and values of layers that an exit skipped" },
    { "seconds", 0, CLI_F64, offsetof(struct opts, seconds), "S", "0", 0, 86400, "measure time and energy for this long; 0: accuracy and work only" },
    { "dump", 'd', CLI_TEXT, offsetof(struct opts, dump), "FILE", NULL, 0, 0, "write index,label,prediction,exit,confidences of every sample as CSV" },
    CLI_COUNT_ROW(struct opts, count),
    { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "print the result as JSON" },
    CLI_POWER_ROWS(struct opts, power),
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench run fashion/fashion-ee.gguf --precision int8", "accuracy and work of the whole network on the test images" },
    { "joulebench run fashion/fashion-ee.gguf --precision int8 -p maxprob -t 0.8 --seconds 5", "stopping at 80 % confidence, with latency" },
    { "joulebench run net.gguf -w classify --param test_images=x.npy --param test_labels=y.npy", "your own model and data" },
    { "joulebench run fashion/fashion-ee.gguf -p fixed -s k=0 --dump out.csv", "the first exit alone, sample by sample" },
    { NULL, NULL },
};

static int parse_policy_params(const struct cli_params *text, struct jb_param **out, struct jb_err *err)
{
    struct jb_param *p = calloc(text->n ? text->n : 1, sizeof *p);
    if (!p)
        return jb_fail(err, JB_E_NOMEM, "out of memory");
    for (size_t i = 0; i < text->n; i++) {
        char *end;
        p[i].name = text->item[i].name;
        p[i].value = strtod(text->item[i].value, &end);
        if (end == text->item[i].value || *end || !isfinite(p[i].value)) {
            free(p);
            return jb_fail(err, JB_E_USAGE, "--set %s: \"%s\" is no number", text->item[i].name, text->item[i].value);
        }
    }
    *out = p;
    return JB_OK;
}

// Shares in percent; perplexity and numbers of tokens as they are.
static void quality_text(char out[24], const char *name, double value)
{
    if (strcmp(name, "perplexity") == 0 || strcmp(name, "first-divergence") == 0)
        snprintf(out, 24, "%.4g", value);
    else
        jb_fmt_percent(out, value);
}

static void print_accuracy(const struct jb_result *r, const struct jb_result_cell *cell)
{
    for (size_t i = 0; i < cell->n_quality; i++) {
        const struct jb_result_quality *q = &cell->quality[i];
        char value[24], lower[24], upper[24];
        quality_text(value, q->name, q->value);
        printf("%-18s %s", q->name, value);
        if (isfinite(q->lower)) {
            quality_text(lower, q->name, q->lower);
            quality_text(upper, q->name, q->upper);
            printf("  (95 %%: %s to %s)", lower, upper);
        }
        printf("  n = %llu\n", (unsigned long long)q->n);
    }
    if (cell->n_quality == 0)
        printf("%-18s none: the samples have no labels\n", "accuracy");
    for (size_t i = 0; i < r->n_notes; i++) {
        printf("%-18s ", "");
        cli_print_safe(r->notes[i].value ? r->notes[i].value : "");
        putchar('\n');
    }
}

static void print_work(const struct jb_result_cell *cell)
{
    char macs[24], bytes[24];
    const char *unit = cell->language.kv ? "token" : "sample";
    if (!isfinite(cell->macs_mean)) // ran without a model
        return;
    jb_fmt_count(macs, cell->macs_mean);
    jb_fmt_bytes(bytes, cell->bytes_mean);
    printf("%-18s %s MACs, %s of weights read, mean of a %s\n", "work", macs, bytes, unit);
    uint64_t n = 0;
    for (uint32_t k = 0; k < cell->n_exits; k++)
        n += cell->exit_histogram[k];
    for (uint32_t k = 0; k < cell->n_exits && n; k++) {
        char share[24], accuracy[24];
        jb_fmt_percent(share, (double)cell->exit_histogram[k] / (double)n);
        jb_fmt_percent(accuracy, cell->exits[k].accuracy);
        printf("exit %-13u %s of the %ss, accuracy of these %s\n", k, share, unit, accuracy);
    }
}

// Only when they were asked for.
static void print_instructions(const struct jb_result_cell *cell)
{
    char text[24];
    const char *reason = NULL;
    for (size_t i = 0; i < cell->n_reasons; i++)
        if (strcmp(cell->reasons[i].name, "instructions") == 0)
            reason = cell->reasons[i].value;
    if (isfinite(cell->instructions.value)) {
        jb_fmt_count(text, cell->instructions.value);
        printf("%-18s %s a query, counted by %s over %llu queries\n", "instructions", text, cell->instructions.source, (unsigned long long)cell->instructions.queries);
    } else if (reason) {
        printf("%-18s not counted: ", "instructions");
        cli_print_safe(reason);
        putchar('\n');
    }
}

static void print_time(const struct jb_result_cell *cell)
{
    char text[24];
    if (!isfinite(cell->latency_mean_ns)) {
        printf("%-18s not measured (--seconds S measures it)\n", "latency");
    } else {
        jb_fmt_ns(text, cell->latency_mean_ns);
        printf("%-18s mean %s", "latency", text);
        for (size_t i = 0; i < cell->n_percentiles; i++) {
            jb_fmt_ns(text, cell->percentiles[i].ns);
            printf(", p%g %s", cell->percentiles[i].p * 100, text);
        }
        printf("  (%llu %s)\n", (unsigned long long)cell->n_queries, cell->language.kv ? "tokens" : "queries");
    }
    if (cell->language.kv && isfinite(cell->language.ttft.mean)) {
        jb_fmt_ns(text, cell->language.ttft.mean);
        printf("%-18s mean %s, prompts of %.0f tokens on average  (%llu sequences)\n", "first token", text, cell->language.prompt / (double)cell->language.ttft.n, (unsigned long long)cell->language.ttft.n);
    }
    if (cell->energy.cls == JB_ENERGY_NONE) {
        printf("%-18s none: ", "energy");
        cli_print_safe(cell->energy.reason ? cell->energy.reason : "not measured");
        putchar('\n');
        return;
    }
    char lower[24], upper[24];
    jb_fmt_uj(text, cell->energy.gross_uj);
    jb_fmt_uj(lower, cell->energy.gross_lower_uj);
    jb_fmt_uj(upper, cell->energy.gross_upper_uj);
    printf("%-18s %s a %s (%s to %s), %s by %s\n", "energy", text, cell->language.kv ? "committed token" : "query", lower, upper, jb_energy_class_name(cell->energy.cls), cell->energy.source);
}

static void print_memory(const struct jb_result_cell *cell)
{
    char model[24], session[24], load[24];
    if (!isfinite(cell->model_bytes))
        return;
    jb_fmt_bytes(model, cell->model_bytes);
    jb_fmt_bytes(session, cell->session_bytes);
    jb_fmt_ns(load, cell->load_ns);
    printf("%-18s model %s, session %s, loaded in %s\n", "memory", model, session, load);
}

static int show(const struct jb_result *r, bool json)
{
    if (json)
        cli_print_result_json(r);
    for (size_t i = 0; i < r->n_cells && !json; i++) {
        const struct jb_result_cell *cell = &r->cells[i];
        cli_print_safe(cell->label ? cell->label : "?");
        putchar('\n');
        if (cell->status == JB_CELL_FAILED || cell->status == JB_CELL_UNAVAILABLE)
            continue; // what is not there is told by the status
        print_accuracy(r, cell);
        print_work(cell);
        print_instructions(cell);
        print_time(cell);
        print_memory(cell);
    }
    for (size_t i = 0; i < r->n_cells; i++)
        if (r->cells[i].status == JB_CELL_UNAVAILABLE)
            fprintf(stderr, "joulebench: unavailable: %s\n", r->cells[i].reason ? r->cells[i].reason : "no reason given");
    return cli_reports_judge(r, true);
}

static int run_with(struct cli *c, const struct opts *o, const char *model, const char *exits, const struct cli_params *workload, const struct jb_param *params,
                    size_t n_params)
{
    struct jb_err err = { 0 };
    struct cli_measure m;
    struct jb_result *r = NULL;
    if (cli_measure_open(&m, c, &o->power, NULL, &err) < 0)
        return cli_fail(&err);
    struct jb_workload_opts w = { .paths = &m.paths, .params = workload->item, .n_params = workload->n };
    struct jb_run_opts run = {
        .workload = o->workload, .workload_opts = &w,
        .model_path = model, .exits_path = exits, .precision = o->precision, .policy = o->policy,
        .params = params, .n_params = n_params,
        .thresholds = o->threshold.item, .n_thresholds = o->threshold.n,
        .split = (enum jb_split)jb_split_parse(o->split),
        .max_samples = (uint64_t)o->samples, .seconds = o->seconds, .dump_path = o->dump,
        .threads = (uint32_t)o->threads, .kv = o->kv, .fill = o->fill,
    };
    cli_measure_count(&m, o->count);
    cli_limits_notice(NULL);
    int rc = jb_run_one(&run, &m.sweep, &r, &err);
    cli_measure_close(&m);
    int exit_code = rc < 0 ? cli_measure_fail(&err) : show(r, o->json);
    jb_result_close(r);
    return exit_code;
}

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    char model[4096] = "", exits[4096] = "";
    struct cli_params workload = { 0 }, policy = { 0 };
    struct jb_param *params = NULL;
    int exit_code;
    if (args->n && jb_paths_resolve(&c->paths, args->item[0], model, sizeof model, &err) < 0)
        return cli_fail(&err);
    if (o->exits && jb_paths_resolve(&c->paths, o->exits, exits, sizeof exits, &err) < 0)
        return cli_fail(&err);
    if (cli_params_parse(&workload, &o->workload_params, &err) < 0 || cli_params_parse(&policy, &o->policy_params, &err) < 0 ||
        parse_policy_params(&policy, &params, &err) < 0)
        exit_code = cli_usage("run", &err);
    else if (!args->n && strcmp(o->workload, "null") != 0) {
        jb_fail(&err, JB_E_USAGE, "missing argument: MODEL (only --workload null runs without one)");
        exit_code = cli_usage("run", &err);
    } else
        exit_code = run_with(c, o, model[0] ? model : NULL, exits[0] ? exits : NULL, &workload, params, policy.n);
    free(params);
    cli_params_free(&workload);
    cli_params_free(&policy);
    return exit_code;
}

const struct cli_command cli_run = {
    .name = "run",
    .arguments = "MODEL",
    .summary = "run one model at one setting",
    .about = "Runs a model over a split at one precision and policy, and prints accuracy, work, exits used, and with --seconds latency and energy. "
             "--dump writes what happened to every sample, so that anyone can recount.\n\n"
             "Exit code 3: the run is invalid, and the message says which check failed.",
    .options = options,
    .examples = examples,
    .max_args = 1,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
