#include <stdio.h>
#include "base/cpu.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/table.h"
#include "kernels/check.h"
#include "reports/report.h"

struct opts {
    bool check, bench, json;
    const char *require;
    int64_t seed;
    double seconds;
};

static const struct cli_option options[] = {
    { "check", 0, CLI_FLAG, offsetof(struct opts, check), NULL, NULL, 0, 0, "test every kernel of this CPU against the reference" },
    { "bench", 0, CLI_FLAG, offsetof(struct opts, bench), NULL, NULL, 0, 0, "measure them, and their share of this core's peak" },
    { "require", 0, CLI_CHOICE, offsetof(struct opts, require), "avx2|avx512|vnni", NULL, 0, 0, "check: fail when this tier has nothing under test here" },
    { "seed", 0, CLI_I64, offsetof(struct opts, seed), "N", "1", 0, 9007199254740992.0, "check: seed of shapes and values" },
    { "seconds", 0, CLI_F64, offsetof(struct opts, seconds), "S", "0.1", 0.001, 60, "bench: time for each shape" },
    { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "print JSON" },
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench kernels --check", "every kernel against the reference, a line each" },
    { "joulebench kernels --check --require avx2", "for CI: no AVX2 kernel tested is a failure" },
    { "JB_CPU=avx2 joulebench kernels --bench", "speed of the AVX2 tier on a machine that has more" },
    { NULL, NULL },
};

struct sink { struct cli_table table; cJSON *array; uint64_t failures; };

static void check_row(void *user, const struct jb_kernel_check_row *r)
{
    struct sink *s = user;
    s->failures += r->failures;
    if (!s->array) {
        cli_table_addf(&s->table, "%s", r->failures ? "FAIL" : "ok");
        cli_table_addf(&s->table, "%s", r->symbol);
        cli_table_addf(&s->table, "%llu", (unsigned long long)r->cases);
        cli_table_addf(&s->table, "%llu", (unsigned long long)r->failures);
        cli_table_addf(&s->table, "%.3g", r->worst_error);
        cli_table_addf(&s->table, "%s", r->detail);
        return;
    }
    cJSON *o = jb_json_put_object(s->array, NULL);
    jb_json_put_str(o, "op", r->op);
    jb_json_put_str(o, "symbol", r->symbol);
    jb_json_put_str(o, "tier", r->tier);
    jb_json_put_u64(o, "cases", r->cases);
    jb_json_put_u64(o, "failures", r->failures);
    jb_json_put_f64(o, "worst_error", r->worst_error);
    jb_json_put_str(o, "detail", r->detail);
}

static int check(const struct opts *o, uint32_t mask, struct sink *s, cJSON *root, uint64_t *n_cases, struct jb_err *err)
{
    uint32_t require = 0;
    int rc = jb_kernels_check_self(err);
    if (rc < 0)
        return jb_err_prefix(err, "the checker's own test");
    if (o->require && (rc = jb_cpu_tier_mask(o->require, ~0u, &require, err)) < 0)
        return rc;
    if (o->json)
        s->array = jb_json_put_array(root, "check");
    else
        cli_table_open(&s->table, "result|kernel|>cases|>failures|>worst error|first failure");
    *n_cases = 0;
    rc = jb_kernels_check(mask, require, (uint64_t)o->seed, 1, check_row, s, n_cases, err);
    if (o->json)
        jb_json_put_u64(root, "cases", *n_cases);
    else
        cli_table_close(&s->table);
    if (rc == JB_OK && *n_cases == 0)
        rc = jb_fail(err, JB_E_UNAVAILABLE, "no kernel was tested: this CPU, or JB_CPU, offers nothing above the reference");
    return rc;
}

static void bench_row(void *user, const struct jb_kernel_bench_row *r)
{
    struct sink *s = user;
    if (!s->array) {
        char ns[24];
        jb_fmt_ns(ns, r->ns_per_call);
        cli_table_addf(&s->table, "%s", r->symbol);
        cli_table_addf(&s->table, "%s", r->shape);
        cli_table_addf(&s->table, "%s", ns);
        cli_table_addf(&s->table, "%.1f", r->ops_per_s * 1e-9);
        if (r->peak_ops_per_s > 0)
            cli_table_addf(&s->table, "%.0f %%", 100 * r->ops_per_s / r->peak_ops_per_s);
        else
            cli_table_addf(&s->table, "-");
        cli_table_addf(&s->table, "%.1f", r->gb_per_s);
        return;
    }
    cJSON *o = jb_json_put_object(s->array, NULL);
    jb_json_put_str(o, "op", r->op);
    jb_json_put_str(o, "symbol", r->symbol);
    jb_json_put_str(o, "tier", r->tier);
    jb_json_put_str(o, "shape", r->shape);
    jb_json_put_f64(o, "ops_per_s", r->ops_per_s);
    jb_json_put_f64(o, "peak_ops_per_s", r->peak_ops_per_s);
    jb_json_put_f64(o, "ns_per_call", r->ns_per_call);
    jb_json_put_f64(o, "gb_per_s", r->gb_per_s);
}

static int bench(const struct opts *o, uint32_t mask, struct sink *s, cJSON *root, struct jb_err *err)
{
    if (o->json)
        s->array = jb_json_put_array(root, "bench");
    else
        cli_table_open(&s->table, "kernel|shape|>a call|>Gop/s|>of peak|>GB/s");
    int rc = jb_kernels_bench(mask, o->seconds, bench_row, s, err);
    if (!o->json)
        cli_table_close(&s->table);
    return rc;
}

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    struct sink sink = { .array = NULL };
    uint64_t n_cases = 0;
    uint32_t mask;
    (void)args;
    if (!o->check && !o->bench) {
        jb_fail(&err, JB_E_USAGE, "say --check or --bench (joulebench list kernels lists them)");
        return cli_usage("kernels", &err);
    }
    if (cli_mask(c, &mask, &err) < 0)
        return cli_fail(&err);
    cJSON *root = o->json ? cJSON_CreateObject() : NULL;
    jb_json_put_str(root, "tier", jb_cpu_tier_name(mask));
    int rc = o->check ? check(o, mask, &sink, root, &n_cases, &err) : JB_OK;
    if (rc == JB_OK && o->bench)
        rc = bench(o, mask, &sink, root, &err);
    if (o->json)
        cli_print_json(root);
    else if (o->check && rc == JB_OK)
        printf("%llu cases, 0 failures, tier %s\n", (unsigned long long)n_cases, jb_cpu_tier_name(mask));
    if (rc == JB_OK)
        return JB_EXIT_OK;
    int exit_code = cli_fail(&err);
    return rc == JB_E_MISMATCH ? JB_EXIT_CELL : exit_code;
}

const struct cli_command cli_kernels_command = {
    .name = "kernels",
    .arguments = "",
    .summary = "check or measure the kernels of this CPU",
    .about = "Tests every kernel above the reference against it: integer results bit for bit, f32 within a tolerance derived from the length of the sum. "
             "Or measures them beside the peak of this core. JB_CPU limits the tier.\n\n"
             "Exit code 3: a kernel is wrong. 4: nothing could be tested, or the required tier is not there.",
    .options = options,
    .examples = examples,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
