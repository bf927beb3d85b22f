#include <inttypes.h>
#include <stdio.h>
#include "cli/cli.h"
#include "cli/measure.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "cli/table.h"
#include "reports/report.h"
#include "runtime/blocks.h"
#include "runtime/quantize.h"

struct opts { const char *type; bool json; };

static const struct cli_option options[] = {
    { "type", 't', CLI_CHOICE, offsetof(struct opts, type), "q8_0|q4_0|f16", "q8_0", 0, 0, "type of the weights in OUT" },
    { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "print what became of every tensor, as JSON" },
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench quantize model-f16.gguf model-q8_0.gguf", "8-bit weights, about half the bytes" },
    { "joulebench quantize model-f16.gguf model-q4_0.gguf --type q4_0", "4-bit weights" },
    { NULL, NULL },
};

static const char *type_name(uint32_t type)
{
    const struct jb_block_type *t = jb_block_type(type);
    return t ? t->name : "?";
}

// One line for each pair of types: how many tensors went from one to the other.
static void print_changes(const struct jb_quantize_report *r)
{
    struct cli_table table;
    const struct jb_block_type *from, *to;
    cli_table_open(&table, "from|to|>tensors|>bytes|>bytes now|");
    for (size_t i = 0; (from = jb_block_type_at(i)); i++)
        for (size_t k = 0; (to = jb_block_type_at(k)); k++) {
            uint64_t n = 0, before = 0, after = 0;
            for (size_t t = 0; t < r->n_tensors; t++)
                if (r->tensors[t].from == from->type && r->tensors[t].to == to->type) {
                    n++;
                    before += r->tensors[t].bytes_from;
                    after += r->tensors[t].bytes_to;
                }
            if (!n)
                continue;
            cli_table_addf(&table, "%s", from->name);
            cli_table_addf(&table, "%s", to->name);
            cli_table_addf(&table, "%" PRIu64, n);
            cli_table_addf(&table, "%" PRIu64, before);
            cli_table_addf(&table, "%" PRIu64, after);
            cli_table_addf(&table, "%s", from == to ? "as it was" : from->values > 1 ? "requantized" : "");
        }
    cli_table_close(&table);
}

static void print_text(const char *out, const struct opts *o, const struct jb_quantize_report *r)
{
    char before[24], after[24];
    print_changes(r);
    jb_fmt_bytes(before, (double)r->bytes_from);
    jb_fmt_bytes(after, (double)r->bytes_to);
    if (r->n_requantized)
        printf("\n%zu tensors were quantized before: what that lost stays lost, and this loses more. Better to start from the f16 or f32 model.\n", r->n_requantized);
    if (r->n_short_rows) {
        printf("\n%zu weights have rows that are no multiple of 32 values, and are f16:", r->n_short_rows);
        for (size_t i = 0; i < r->n_tensors; i++)
            if (r->tensors[i].short_rows) {
                putchar(' ');
                cli_print_safe(r->tensors[i].name);
            }
        putchar('\n');
    }
    putchar('\n');
    cli_print_safe(out);
    printf(": %zu weights as %s, %s (before: %s)\n", r->n_weights - r->n_short_rows, o->type, after, before);
}

static int print_json(const char *in, const char *out, const struct opts *o, const struct jb_quantize_report *r)
{
    cJSON *root = cJSON_CreateObject();
    jb_json_put_str(root, "input", in);
    jb_json_put_str(root, "output", out);
    jb_json_put_str(root, "type", o->type);
    jb_json_put_u64(root, "input_bytes", r->bytes_from);
    jb_json_put_u64(root, "output_bytes", r->bytes_to);
    jb_json_put_u64(root, "weights", r->n_weights);
    jb_json_put_u64(root, "changed", r->n_changed);
    jb_json_put_u64(root, "requantized", r->n_requantized);
    jb_json_put_u64(root, "short_rows", r->n_short_rows);
    cJSON *list = jb_json_put_array(root, "tensors");
    for (size_t i = 0; i < r->n_tensors; i++) {
        const struct jb_quantized_tensor *t = &r->tensors[i];
        cJSON *x = jb_json_put_object(list, NULL);
        jb_json_put_str(x, "name", t->name);
        jb_json_put_str(x, "from", type_name(t->from));
        jb_json_put_str(x, "to", type_name(t->to));
        jb_json_put_u64(x, "bytes_from", t->bytes_from);
        jb_json_put_u64(x, "bytes_to", t->bytes_to);
        jb_json_put_bool(x, "requantized", t->requantized);
        jb_json_put_bool(x, "short_rows", t->short_rows);
    }
    return cli_print_json(root);
}

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    struct jb_quantize_report report;
    char path[4096];
    int exit_code = JB_EXIT_OK;
    if (jb_paths_resolve(&c->paths, args->item[0], path, sizeof path, &err) < 0)
        return cli_fail(&err);
    if (jb_quantize_file(path, args->item[1], o->type, cli_signals_catch_quietly(), &report, &err) < 0)
        return cli_measure_fail(&err);
    if (o->json)
        exit_code = print_json(path, args->item[1], o, &report);
    else
        print_text(args->item[1], o, &report);
    jb_quantize_report_free(&report);
    return exit_code;
}

const struct cli_command cli_quantize = {
    .name = "quantize",
    .arguments = "IN OUT",
    .summary = "write a GGUF model with its weights in another type",
    .about = "Writes OUT with the weights of IN as q8_0, q4_0 or f16, and everything else as it was: keys, norms, one-dimensional tensors. What is a weight, and its bits, are those of "
             "llama.cpp's `llama-quantize --pure`. The same IN gives the same OUT, byte for byte. OUT appears whole or not at all; it may not be IN.\n"
             "Weights whose rows are no multiple of 32 values become f16. IN may hold any type that joulebench reads (f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_K, q5_K, q6_K).",
    .options = options,
    .examples = examples,
    .min_args = 2,
    .max_args = 2,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
