#include <stdio.h>
#include "cli/inspect.h"
#include "cli/output.h"
#include "cli/table.h"
#include "reports/report.h"
#include "runtime/inspect.h"

// The precision whose MACs and bytes stand for "the work": the first that can run.
static int first_precision(const struct jb_model_info *i)
{
    for (int p = 0; p < JB_PREC_COUNT; p++)
        if (i->precisions & (1u << p))
            return p;
    return JB_PREC_F32;
}

static void add_shape(struct cli_table *t, struct jb_shape s)
{
    cli_table_addf(t, "%d x %d x %d", s.h, s.w, s.c);
}

static void add_cost(struct cli_table *t, const struct jb_cost *c)
{
    char text[24];
    jb_fmt_count(text, (double)jb_cost_macs(c));
    cli_table_addf(t, "%s", text);
    jb_fmt_bytes(text, (double)jb_cost_bytes(c));
    cli_table_addf(t, "%s", text);
}

static void print_field(const char *name, const char *text)
{
    printf("%-13s ", name);
    cli_print_safe(text[0] ? text : "-");
    putchar('\n');
}

static void print_head(const struct jb_model_info *i)
{
    char bytes[24];
    print_field("file", i->path);
    print_field("name", i->name);
    print_field("architecture", i->architecture);
    print_field("task", i->task);
    print_field("licence", i->license);
    print_field("provenance", i->provenance);
    print_field("sha256", i->sha256);
    if (i->exits_sha256[0])
        print_field("exits sha256", i->exits_sha256);
    jb_fmt_bytes(bytes, (double)i->file_bytes);
    print_field("size", bytes);
    if (i->row_kind == JB_ROW_POSITION) {
        cli_inspect_language(i);
        return;
    }
    printf("%-13s %d x %d x %d, one image a row\n", "input", i->input.h, i->input.w, i->input.c);
    printf("%-13s %u:", "classes", i->n_classes);
    for (uint32_t k = 0; k < i->n_classes && k < 12; k++) {
        printf(k ? ", " : " ");
        cli_print_safe(i->labels && i->labels[k] ? i->labels[k] : "-");
    }
    printf("%s\n", i->n_classes > 12 ? ", ..." : "");
}

static void print_precisions(const struct jb_model_info *i)
{
    struct cli_table t;
    cli_table_open(&t, "precision|>weights in memory|can run");
    for (int p = 0; p < JB_PREC_COUNT; p++) {
        bool can = i->precisions & (1u << p);
        char bytes[24];
        jb_fmt_bytes(bytes, (double)i->weight_bytes[p]);
        cli_table_addf(&t, "%s", jb_precision_name(p));
        cli_table_addf(&t, "%s", can ? bytes : "-");
        cli_table_addf(&t, "%s%s", can ? "yes" : "no: ", can ? "" : i->precision_reason[p] ? i->precision_reason[p] : "no reason given");
    }
    cli_table_close(&t);
}

// A line a stage, and one for its head; "so far" is what answering there costs with all heads before it looked at.
static void print_stages(const struct jb_model_info *i)
{
    struct cli_table t;
    int p = first_precision(i);
    struct jb_cost so_far = { .macs = { 0 } };
    char text[24];
    printf("\nstages at %s, one row\n", jb_precision_name(p));
    cli_table_open(&t, "stage|name|exit|output|>operations|>MACs|>weight bytes|>MACs so far");
    for (uint32_t s = 0; s < i->n_stages; s++) {
        const struct jb_stage_info *st = &i->stages[s];
        jb_cost_add(&so_far, &st->cost[p]);
        cli_table_addf(&t, "%u", s);
        cli_table_addf(&t, "%s", st->name[0] ? st->name : "-");
        cli_table_addf(&t, "%s", "");
        add_shape(&t, st->output);
        cli_table_addf(&t, "%u", st->n_ops);
        add_cost(&t, &st->cost[p]);
        jb_fmt_count(text, (double)jb_cost_macs(&so_far));
        cli_table_addf(&t, "%s", text);
        if (st->exit < 0)
            continue;
        jb_cost_add(&so_far, &st->head_cost[p]);
        cli_table_addf(&t, "%s", "");
        cli_table_addf(&t, "  head");
        cli_table_addf(&t, "%d", st->exit);
        cli_table_addf(&t, "%u %s, T = %.3g%s", i->n_classes, i->row_kind == JB_ROW_IMAGE ? "classes" : "tokens", st->temperature, st->has_gate ? ", gate" : "");
        cli_table_addf(&t, "%u", st->n_head_ops);
        add_cost(&t, &st->head_cost[p]);
        jb_fmt_count(text, (double)jb_cost_macs(&so_far));
        cli_table_addf(&t, "%s", text);
    }
    cli_table_close(&t);
}

static void print_ops(const struct jb_model *m, const struct jb_model_info *i)
{
    struct cli_table t;
    int p = first_precision(i);
    cli_table_open(&t, "stage|operation|output|>MACs|>weight bytes|range");
    for (uint32_t s = 0; s < i->n_stages; s++)
        for (int head = 0; head < 2; head++)
            for (uint32_t k = 0; k < (head ? i->stages[s].n_head_ops : i->stages[s].n_ops); k++) {
                struct jb_op_info op;
                if (jb_model_op(m, s, head != 0, k, &op) < 0)
                    break;
                cli_table_addf(&t, "%u%s", s, head ? " head" : "");
                cli_table_addf(&t, "%s%s", op.text, op.fused ? "  (one step with the line before)" : "");
                add_shape(&t, op.output);
                add_cost(&t, &op.cost[p]);
                if (op.has_range)
                    cli_table_addf(&t, "%.4g to %.4g", (double)op.lo, (double)op.hi);
                else
                    cli_table_addf(&t, "-");
            }
    putchar('\n');
    cli_table_close(&t);
}

static void put_cost(cJSON *o, const char *key, const struct jb_cost *by_precision, uint32_t precisions)
{
    cJSON *list = jb_json_put_object(o, key);
    for (int p = 0; p < JB_PREC_COUNT; p++) {
        if (!(precisions & (1u << p)))
            continue;
        cJSON *cost = jb_json_put_object(list, jb_precision_name(p));
        jb_json_put_u64(cost, "macs", jb_cost_macs(&by_precision[p]));
        jb_json_put_u64(cost, "bytes", jb_cost_bytes(&by_precision[p]));
    }
}

static void put_shape(cJSON *o, const char *key, struct jb_shape s)
{
    cJSON *a = jb_json_put_array(o, key);
    const int32_t v[] = { s.h, s.w, s.c };
    for (int k = 0; a && k < 3; k++)
        jb_json_put_f64(a, NULL, (double)v[k]);
}

static void put_stages(cJSON *root, const struct jb_model *m, const struct jb_model_info *i, bool ops)
{
    cJSON *list = jb_json_put_array(root, "stages");
    for (uint32_t s = 0; s < i->n_stages; s++) {
        const struct jb_stage_info *st = &i->stages[s];
        cJSON *o = jb_json_put_object(list, NULL);
        jb_json_put_str(o, "name", st->name);
        put_shape(o, "output_shape", st->output);
        if (st->n_layers)
            jb_json_put_u64(o, "layers", st->n_layers);
        put_cost(o, "cost", st->cost, i->precisions);
        if (st->exit < 0) {
            jb_json_put_null(o, "exit");
        } else {
            cJSON *e = jb_json_put_object(o, "exit");
            jb_json_put_u64(e, "index", (uint64_t)st->exit);
            jb_json_put_f64(e, "temperature", st->temperature);
            if (i->row_kind == JB_ROW_POSITION)
                jb_json_put_bool(e, "gate", st->has_gate);
            put_cost(e, "cost", st->head_cost, i->precisions);
        }
        cJSON *lines = ops ? jb_json_put_array(o, "operations") : NULL;
        struct jb_op_info op;
        for (int head = 0; lines && head < 2; head++)
            for (uint32_t k = 0; jb_model_op(m, s, head != 0, k, &op) == JB_OK; k++) {
                cJSON *line = jb_json_put_object(lines, NULL);
                jb_json_put_bool(line, "head", head != 0);
                jb_json_put_str(line, "text", op.text);
                put_shape(line, "output_shape", op.output);
                jb_json_put_bool(line, "fused", op.fused);
            }
    }
}

static int print_json(const struct jb_model *m, const struct jb_model_info *i, bool ops)
{
    cJSON *root = cJSON_CreateObject();
    jb_json_put_str(root, "file", i->path);
    jb_json_put_str(root, "name", i->name);
    jb_json_put_str(root, "architecture", i->architecture);
    jb_json_put_str(root, "task", i->task);
    jb_json_put_str(root, "license", i->license);
    jb_json_put_str(root, "provenance", i->provenance);
    jb_json_put_str(root, "sha256", i->sha256);
    jb_json_put_str(root, "exits_sha256", i->exits_sha256[0] ? i->exits_sha256 : NULL);
    jb_json_put_u64(root, "file_bytes", i->file_bytes);
    jb_json_put_u64(root, "model_bytes", i->model_bytes);
    put_shape(root, "input_shape", i->input);
    cli_inspect_language_json(i, root);
    cJSON *labels = jb_json_put_array(root, "labels");
    for (uint32_t k = 0; labels && i->labels && k < i->n_classes; k++)
        jb_json_put_str(labels, NULL, i->labels[k]);
    cJSON *precisions = jb_json_put_object(root, "precisions");
    for (int p = 0; p < JB_PREC_COUNT; p++) {
        cJSON *o = jb_json_put_object(precisions, jb_precision_name(p));
        bool can = i->precisions & (1u << p);
        jb_json_put_bool(o, "available", can);
        jb_json_put_str(o, "reason", can ? NULL : i->precision_reason[p]);
        if (can)
            jb_json_put_u64(o, "weight_bytes", i->weight_bytes[p]);
    }
    put_stages(root, m, i, ops);
    return cli_print_json(root) == JB_EXIT_OK ? JB_OK : JB_E_NOMEM;
}

int cli_inspect_model(const struct cli *c, const char *path, const char *exits, bool ops, bool json, struct jb_err *err)
{
    struct jb_kernels kernels;
    struct jb_model *m = NULL;
    struct jb_model_opts opts = { .exits_path = exits };
    int rc = cli_kernels(c, &kernels, err);
    if (rc == JB_OK)
        rc = jb_model_open(&m, path, &kernels, &opts, err);
    if (rc < 0)
        return rc;
    const struct jb_model_info *i = jb_model_info(m);
    if (json) {
        rc = print_json(m, i, ops);
    } else {
        print_head(i);
        print_stages(i);
        if (ops)
            print_ops(m, i);
        putchar('\n');
        print_precisions(i);
    }
    jb_model_close(m);
    return rc;
}
