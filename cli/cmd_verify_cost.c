#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "cli/language.h"
#include "cli/measure.h"
#include "cli/output.h"
#include "cli/table.h"
#include "early_exit/verify.h"
#include "reports/report.h"

struct opts {
    int64_t context, most, rounds, seed;
    bool json;
    struct cli_language_opts language;
};

static const struct cli_option options[] = {
    { "context", 0, CLI_I64, offsetof(struct opts, context), "N", "128", 1, 1e6, "positions in front of those that are verified" },
    { "most", 'm', CLI_I64, offsetof(struct opts, most), "N", "16", 1, JB_VERIFY_MOST, "positions in the largest pass" },
    { "rounds", 'r', CLI_I64, offsetof(struct opts, rounds), "N", "21", 1, 1e6, "passes of each size; the median counts" },
    { "seed", 0, CLI_I64, offsetof(struct opts, seed), "N", "1", 0, 9007199254740992.0, "of the tokens, which are made up" },
    CLI_LANGUAGE_ROWS(struct opts, language),
    { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "print JSON" },
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench verify-cost model.gguf --threads 2", "v(1) to v(16)" },
    { NULL, NULL },
};

static void print_table(const struct opts *o, const struct jb_verify_point *v)
{
    struct cli_table table;
    cli_table_open(&table, ">positions|>median|>least|>v|>bytes|same bits as single steps");
    for (int64_t i = 0; i < o->most; i++) {
        char median[24], least[24], bytes[24];
        jb_fmt_ns(median, (double)v[i].median_ns);
        jb_fmt_ns(least, (double)v[i].least_ns);
        jb_fmt_bytes(bytes, (double)jb_cost_bytes(&v[i].cost));
        cli_table_addf(&table, "%u", v[i].m);
        cli_table_addf(&table, "%s", median);
        cli_table_addf(&table, "%s", least);
        cli_table_addf(&table, "%.3f", v[i].v);
        cli_table_addf(&table, "%s", bytes);
        cli_table_addf(&table, "%s", v[i].identical ? "yes" : "NO");
    }
    cli_table_close(&table);
    printf("v: time of a pass over that many positions, the vocabulary head on each included, over that of one; behind %lld positions\n", (long long)o->context);
}

static int print_json(const struct cli_language *l, const struct opts *o, const struct jb_verify_point *v)
{
    cJSON *root = cJSON_CreateObject();
    cli_put_language(root, l, &o->language);
    jb_json_put_u64(root, "context", (uint64_t)o->context);
    jb_json_put_u64(root, "rounds", (uint64_t)o->rounds);
    cJSON *list = jb_json_put_array(root, "passes");
    for (int64_t i = 0; i < o->most; i++) {
        cJSON *row = jb_json_put_object(list, NULL);
        jb_json_put_u64(row, "positions", v[i].m);
        jb_json_put_u64(row, "median_ns", v[i].median_ns);
        jb_json_put_u64(row, "least_ns", v[i].least_ns);
        jb_json_put_f64(row, "v", v[i].v);
        jb_json_put_bool(row, "identical", v[i].identical);
        jb_json_put_u64(row, "macs", jb_cost_macs(&v[i].cost));
        jb_json_put_u64(row, "bytes", jb_cost_bytes(&v[i].cost));
    }
    return cli_print_json(root);
}

static uint32_t *make_tokens(const struct opts *o, const struct cli_language *l, struct jb_err *err)
{
    size_t n = (size_t)(o->context + o->most);
    uint32_t *token = malloc(n * sizeof *token);
    struct jb_rng rng;
    if (!token) {
        jb_fail(err, JB_E_NOMEM, "out of memory for %zu tokens", n);
        return NULL;
    }
    jb_rng_seed_named(&rng, (uint64_t)o->seed, "verify");
    for (size_t i = 0; i < n; i++)
        token[i] = (uint32_t)jb_rng_below(&rng, l->info->n_classes);
    return token;
}

static int verify(struct cli *c, const struct opts *o, const char *name, bool *same, struct jb_err *err)
{
    struct cli_language l;
    struct jb_session *session = NULL;
    struct jb_verify_point v[JB_VERIFY_MOST];
    int rc = cli_language_open(&l, c, name, &o->language, false, err);
    if (rc)
        return rc;
    uint32_t *token = make_tokens(o, &l, err);
    rc = token ? JB_OK : JB_E_NOMEM;
    if (!rc && (uint64_t)(o->context + o->most) > l.info->max_positions)
        rc = jb_fail(err, JB_E_RANGE, "%s: %lld positions behind %lld; the model was made for %u in all", l.path, (long long)o->most, (long long)o->context, l.info->max_positions);
    if (!rc)
        rc = cli_language_session(&session, &l, &o->language, (uint32_t)(o->most > o->language.batch ? o->most : o->language.batch), (uint32_t)(o->context + o->most), err);
    struct jb_verify_opts how = { .token = token, .n_context = (uint32_t)o->context, .max_m = (uint32_t)o->most, .rounds = (uint32_t)o->rounds, .clock = &l.clock, .cancel = l.cancel };
    if (!rc)
        rc = jb_verify_measure(session, &l.schedule, &how, v, err);
    for (int64_t i = 0; i < o->most && !rc; i++)
        *same &= v[i].identical;
    if (!rc && o->json)
        rc = print_json(&l, o, v) == JB_EXIT_OK ? JB_OK : jb_fail(err, JB_E_NOMEM, "out of memory");
    else if (!rc)
        print_table(o, v);
    jb_session_close(session);
    free(token);
    cli_language_close(&l);
    return rc;
}

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    struct jb_err err = { 0 };
    bool same = true;
    if (verify(c, opts, args->item[0], &same, &err))
        return cli_measure_fail(&err);
    if (!same)
        fprintf(stderr, "joulebench: the logits of a pass are not those of single steps: speculation would not be lossless\n");
    return same ? JB_EXIT_OK : JB_EXIT_CELL;
}

const struct cli_command cli_verify_cost = {
    .name = "verify-cost",
    .arguments = "MODEL",
    .summary = "what a pass over several tokens costs beside a step of one",
    .about = "Times passes of 1 to 16 positions through a whole language model, its vocabulary head on each of them included, and prints v(m), the time over that of one "
             "position. Before, the logits of every pass are compared with those of single steps, bit by bit: exit code 3 when one differs. Speculative decoding pays "
             "where the tokens kept of a pass outnumber v; the tokens here are made up, which no time depends on.",
    .options = options,
    .examples = examples,
    .min_args = 1,
    .max_args = 1,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
