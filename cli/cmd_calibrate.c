#include <stdio.h>
#include <string.h>
#include "cli/measure.h"
#include "cli/output.h"
#include "cli/table.h"
#include "reports/report.h"

struct opts {
    const char *output, *workload, *exits;
    struct cli_list workload_params, precisions, policies;
    struct cli_numbers losses;
    bool per_exit, json;
};

static const struct cli_option options[] = {
    { "output", 'o', CLI_TEXT, offsetof(struct opts, output), "FILE", NULL, 0, 0, "write the thresholds to this JSON file" },
    { "workload", 'w', CLI_TEXT, offsetof(struct opts, workload), "NAME", "fashion", 0, 0, "the data; its calibration split alone is used" },
    { "param", 0, CLI_LIST, offsetof(struct opts, workload_params), "NAME=VALUE", NULL, 0, 0, "a parameter of the workload" },
    { "precision", 0, CLI_LIST, offsetof(struct opts, precisions), "P", "int8", 0, 0, "precision, as in joulebench run" },
    { "policy", 'p', CLI_LIST, offsetof(struct opts, policies), "NAME", "maxprob", 0, 0, "policy with a threshold" },
    { "target-loss", 'l', CLI_NUMBERS, offsetof(struct opts, losses), "X[,X...]", "0.001,0.0025,0.005,0.01", 0, 1, "accuracy that may be lost, as a fraction" },
    { "per-exit", 0, CLI_FLAG, offsetof(struct opts, per_exit), NULL, NULL, 0, 0, "a threshold for each exit instead of one for all" },
    { "exits", 0, CLI_TEXT, offsetof(struct opts, exits), "FILE", NULL, 0, 0, "a side file with exits for MODEL" },
    { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "print the thresholds as JSON" },
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench calibrate exits fashion/fashion-ee.gguf -o thresholds.json", "max-probability thresholds for 0.1 to 1 point of loss at int8" },
    { "joulebench calibrate exits net.gguf -p margin -p entropy --precision f32 -l 0.005", "two policies at one loss" },
    { NULL, NULL },
};

static void print_table(const struct jb_thresholds *t)
{
    struct cli_table table;
    cli_table_open(&table, "precision|policy|>target loss|thresholds|>loss seen|>accuracy|>MACs");
    for (size_t i = 0; i < t->n_entries; i++) {
        const struct jb_calibrated *e = &t->entries[i];
        char target[24], loss[24], accuracy[24], macs[24];
        struct jb_str thresholds = { 0 };
        bool same = true;
        for (uint32_t k = 1; k + 1 < e->n_exits; k++)
            same &= e->threshold[k] == e->threshold[0];
        for (uint32_t k = 0; k + 1 < e->n_exits && (k == 0 || !same); k++)
            jb_str_addf(&thresholds, "%s%.4g", k ? "," : "", e->threshold[k]);
        jb_fmt_percent(target, e->target_loss);
        jb_fmt_percent(loss, e->loss_observed);
        jb_fmt_percent(accuracy, e->accuracy);
        jb_fmt_count(macs, e->macs_mean);
        cli_table_addf(&table, "%s", e->precision);
        cli_table_addf(&table, "%s", e->policy);
        cli_table_addf(&table, "%s", target);
        cli_table_addf(&table, "%s", jb_str_get(&thresholds));
        cli_table_addf(&table, "%s", loss);
        cli_table_addf(&table, "%s", accuracy);
        cli_table_addf(&table, "%s", macs);
        jb_str_free(&thresholds);
    }
    cli_table_close(&table);
    printf("from %u samples of the %s split; accuracy and loss are of that split\n", t->n, t->split);
}

static int print_thresholds_json(const struct jb_thresholds *t)
{
    cJSON *root = cJSON_CreateObject();
    jb_json_put_str(root, "id", t->id);
    jb_json_put_str(root, "model_sha256", t->model_sha256);
    jb_json_put_str(root, "split", t->split);
    jb_json_put_str(root, "split_sha256", t->split_sha256);
    jb_json_put_u64(root, "n", t->n);
    cJSON *list = jb_json_put_array(root, "entries");
    for (size_t i = 0; i < t->n_entries; i++) {
        const struct jb_calibrated *e = &t->entries[i];
        cJSON *o = jb_json_put_object(list, NULL);
        jb_json_put_str(o, "policy", e->policy);
        jb_json_put_str(o, "precision", e->precision);
        jb_json_put_f64(o, "target_loss", e->target_loss);
        cJSON *thresholds = jb_json_put_array(o, "thresholds");
        for (uint32_t k = 0; thresholds && k + 1 < e->n_exits; k++)
            jb_json_put_f64(thresholds, NULL, (double)e->threshold[k]);
        jb_json_put_f64(o, "loss_observed", e->loss_observed);
        jb_json_put_f64(o, "accuracy", e->accuracy);
        jb_json_put_f64(o, "macs_mean", e->macs_mean);
    }
    return cli_print_json(root);
}

static int show(const struct opts *o, struct jb_thresholds *t)
{
    struct jb_err err = { 0 };
    if (o->output && jb_thresholds_write(t, o->output, &err) < 0)
        return cli_fail(&err);
    if (o->json)
        return print_thresholds_json(t);
    print_table(t);
    if (o->output)
        printf("written to %s\n", o->output);
    return JB_EXIT_OK;
}

static int calibrate(struct cli *c, const struct opts *o, const char *model, const char *exits, const struct cli_params *params)
{
    struct jb_err err = { 0 };
    struct cli_measure m;
    struct jb_thresholds t = { .n = 0 };
    if (cli_measure_open(&m, c, NULL, NULL, &err) < 0)
        return cli_fail(&err);
    struct jb_workload_opts w = { .paths = &m.paths, .params = params->item, .n_params = params->n };
    struct jb_calibrate_opts opts = {
        .workload = o->workload, .workload_opts = &w, .model_path = model, .exits_path = exits,
        .precisions = o->precisions.item, .n_precisions = o->precisions.n,
        .policies = o->policies.item, .n_policies = o->policies.n,
        .target_losses = o->losses.item, .n_target_losses = o->losses.n, .per_exit = o->per_exit,
    };
    int rc = jb_calibrate_run(&opts, &m.sweep, &t, &err);
    cli_measure_close(&m);
    if (rc < 0)
        return cli_measure_fail(&err);
    int exit_code = show(o, &t);
    jb_thresholds_close(&t);
    return exit_code;
}

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    char model[4096], exits[4096] = "";
    struct cli_params params;
    if (strcmp(args->item[0], "exits") != 0) {
        jb_fail(&err, JB_E_USAGE, "\"%s\" cannot be calibrated: exits can", args->item[0]);
        return cli_usage("calibrate", &err);
    }
    if (jb_paths_resolve(&c->paths, args->item[1], model, sizeof model, &err) < 0 ||
        (o->exits && jb_paths_resolve(&c->paths, o->exits, exits, sizeof exits, &err) < 0))
        return cli_fail(&err);
    if (cli_params_parse(&params, &o->workload_params, &err) < 0)
        return cli_usage("calibrate", &err);
    int exit_code = calibrate(c, o, model, exits[0] ? exits : NULL, &params);
    cli_params_free(&params);
    return exit_code;
}

const struct cli_command cli_calibrate = {
    .name = "calibrate",
    .arguments = "exits MODEL",
    .summary = "choose exit thresholds for target accuracy losses",
    .about = "Runs the calibration split to full depth, and chooses for each precision, policy and target loss the thresholds that cost the fewest "
             "MACs while no more accuracy is lost there. The test split is never looked at. The file names the model and the data by their hashes.",
    .options = options,
    .examples = examples,
    .min_args = 2,
    .max_args = 2,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
