#include "cli/language.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/measure.h"
#include "cli/signals.h"
#include "reports/report.h"

// The precision at which such a model runs is that of its file: the only one it offers, or the first of them.
static int own_precision(struct cli_language *l, struct jb_err *err)
{
    for (int p = 0; p < JB_PREC_COUNT; p++)
        if (l->info->precisions & 1u << p)
            return jb_schedule_parse(&l->schedule, jb_precision_name(p), l->info->n_stages, err);
    return jb_fail(err, JB_E_UNSUPPORTED, "%s: no precision can run", l->info->path);
}

int cli_language_open(struct cli_language *l, struct cli *c, const char *name, const struct cli_language_opts *o, bool tokenizer, struct jb_err *err)
{
    struct jb_kernels kernels;
    char exits[4096];
    memset(l, 0, sizeof *l);
    int rc = jb_paths_resolve(&c->paths, name, l->path, sizeof l->path, err);
    if (!rc && o->exits)
        rc = jb_paths_resolve(&c->paths, o->exits, exits, sizeof exits, err);
    if (!rc)
        rc = cli_kernels(c, &kernels, err);
    if (!rc)
        rc = jb_model_open(&l->model, l->path, &kernels, &(struct jb_model_opts){ .exits_path = o->exits ? exits : NULL, .no_hash = true }, err);
    if (rc)
        return rc;
    l->info = jb_model_info(l->model);
    if (l->info->row_kind != JB_ROW_POSITION || l->info->n_parts != 1)
        rc = jb_fail(err, JB_E_UNSUPPORTED, "%s: a network of architecture %s is no language model", l->path, l->info->architecture);
    if (!rc)
        rc = own_precision(l, err);
    if (!rc && tokenizer)
        rc = l->info->file ? jb_tokenizer_open(&l->tokenizer, l->info->file, err) : jb_fail(err, JB_E_NOT_FOUND, "%s: no tokenizer", l->path);
    if (!rc && tokenizer && jb_tokenizer_n_vocab(l->tokenizer) > l->info->n_classes)
        rc = jb_fail(err, JB_E_MISMATCH, "%s: the tokenizer has %zu tokens, the network answers with one of %u", l->path, jb_tokenizer_n_vocab(l->tokenizer), l->info->n_classes);
    l->clock = jb_clock_monotonic();
    if (rc)
        cli_language_close(l);
    else
        l->cancel = cli_signals_catch();
    return rc;
}

void cli_language_close(struct cli_language *l)
{
    jb_tokenizer_close(l->tokenizer);
    jb_model_close(l->model);
    l->tokenizer = NULL;
    l->model = NULL;
}

int cli_language_session(struct jb_session **out, const struct cli_language *l, const struct cli_language_opts *o, uint32_t rows, uint32_t positions, struct jb_err *err)
{
    struct jb_session_opts s = {
        .max_rows = rows, .max_positions = positions, .threads = (uint32_t)o->threads, .max_sequences = 1,
        .kv = (enum jb_kv_kind)jb_kv_parse(o->kv), .fill = (enum jb_fill)jb_fill_parse(o->fill),
    };
    return jb_session_open(out, l->model, &s, err);
}

int cli_policy_make(struct jb_policy *out, const struct cli_policy_opts *o, const struct jb_model_info *info, struct jb_err *err)
{
    struct cli_params text = { 0 };
    int rc = cli_params_parse(&text, &o->params, err);
    struct jb_param *params = rc ? NULL : calloc(text.n ? text.n : 1, sizeof *params);
    if (!rc && !params)
        rc = jb_fail(err, JB_E_NOMEM, "out of memory");
    for (size_t i = 0; !rc && i < text.n; i++) {
        char *end;
        params[i] = (struct jb_param){ text.item[i].name, strtod(text.item[i].value, &end) };
        if (end == text.item[i].value || *end || !isfinite(params[i].value))
            rc = jb_fail(err, JB_E_USAGE, "--set %s: \"%s\" is no number", text.item[i].name, text.item[i].value);
    }
    if (!rc)
        rc = jb_policy_make(out, o->name, params, text.n, o->threshold.n ? o->threshold.item : NULL, o->threshold.n, info->n_exits, err);
    if (!rc && info->n_exits < 2 && strcmp(o->name, "final") != 0)
        rc = jb_fail(err, JB_E_UNSUPPORTED, "%s: policy %s has nothing to choose: the model has one exit, its end; a side file brings more (--exits FILE)", info->path, o->name);
    if (!rc)
        rc = jb_policy_fits(out->ops, info, err);
    free(params);
    cli_params_free(&text);
    return rc;
}

int cli_language_encode(const struct cli_language *l, const char *what, const char *text, size_t n_bytes, unsigned flags, uint32_t **out, uint32_t *n, struct jb_err *err)
{
    struct jb_tokens tokens = { 0 };
    struct jb_encode_facts facts;
    int rc = jb_tokenizer_encode(l->tokenizer, text, n_bytes, flags, &tokens, &facts, err);
    uint32_t *id = rc ? NULL : malloc((tokens.n ? tokens.n : 1) * sizeof *id);
    if (!rc && !id)
        rc = jb_fail(err, JB_E_NOMEM, "out of memory for %zu tokens", tokens.n);
    for (size_t i = 0; !rc && i < tokens.n; i++)
        id[i] = (uint32_t)tokens.id[i];
    if (!rc && facts.n_invalid)
        fprintf(stderr, "joulebench: warning: %s: byte %zu is not UTF-8 (of %zu such bytes the first)\n", what, facts.first_invalid, facts.n_invalid);
    if (!rc && facts.n_lost)
        fprintf(stderr, "joulebench: warning: %s: for %zu bytes the vocabulary has no token; none stands for them\n", what, facts.n_lost);
    if (!rc)
        *out = id, *n = (uint32_t)tokens.n;
    jb_tokens_free(&tokens);
    return rc;
}

void cli_say_cost(const char *name, const struct jb_cost *c)
{
    char macs[24], bytes[24];
    jb_fmt_count(macs, (double)jb_cost_macs(c));
    jb_fmt_bytes(bytes, (double)jb_cost_bytes(c));
    fprintf(stderr, "%-18s %s MACs, %s read\n", name, macs, bytes);
}

void cli_put_cost(cJSON *o, const char *key, const struct jb_cost *c)
{
    cJSON *cost = jb_json_put_object(o, key);
    jb_json_put_u64(cost, "macs", jb_cost_macs(c));
    jb_json_put_u64(cost, "bytes", jb_cost_bytes(c));
}

void cli_put_language(cJSON *root, const struct cli_language *l, const struct cli_language_opts *o)
{
    jb_json_put_str(root, "model", l->info->path);
    jb_json_put_str(root, "weights", l->info->weights && l->info->weights[0] ? l->info->weights : l->schedule.text);
    jb_json_put_u64(root, "threads", (uint64_t)o->threads);
    jb_json_put_str(root, "kv", o->kv);
    jb_json_put_str(root, "fill", o->fill);
}

void cli_put_exits(cJSON *root, const struct jb_model_info *info, const uint32_t *by_exit)
{
    cJSON *list = jb_json_put_array(root, "exits");
    for (uint32_t k = 0; k < info->n_exits; k++) {
        cJSON *row = jb_json_put_object(list, NULL);
        jb_json_put_str(row, "stage", info->stages[info->exit_stage[k]].name);
        jb_json_put_u64(row, "n", by_exit[k]);
    }
}

void cli_say_exits(const struct jb_model_info *info, const uint32_t *by_exit)
{
    uint64_t n = 0;
    for (uint32_t k = 0; k < info->n_exits; k++)
        n += by_exit[k];
    for (uint32_t k = 0; k < info->n_exits && n; k++) {
        char share[24];
        jb_fmt_percent(share, (double)by_exit[k] / (double)n);
        fprintf(stderr, "exit %-13u %u tokens, %s, behind stage %s\n", k, by_exit[k], share, info->stages[info->exit_stage[k]].name);
    }
}
