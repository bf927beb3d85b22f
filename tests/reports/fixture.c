#include "tests/reports/fixture.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_EXITS 5

// Figures like those of a first try: cumulative MACs (heads included) and accuracy of each exit.
static const double EXIT_MACS[N_EXITS] = {1.04e6, 4.81e6, 8.97e6, 12.6e6, 23.8e6};
static const double EXIT_ACC[N_EXITS] = {0.8998, 0.9227, 0.9282, 0.9312, 0.9352};
static const struct { const char *name; double macs, acc, bytes; } STATIC[] = {
    {"static-s", 1.53e6, 0.9027, 21e3}, {"static-m", 5.79e6, 0.9239, 84e3}, {"static-l", 10.4e6, 0.9318, 190e3}, {"static-xl", 21.0e6, 0.9349, 420e3}};
// Of ten thousand samples, how many leave at each exit, and what it costs in points, by threshold.
static const struct { double threshold, share[N_EXITS], loss; } MAXPROB[] = {
    {0.5, {0.842, 0.112, 0.026, 0.011, 0.009}, 0.0172}, {0.6, {0.752, 0.158, 0.048, 0.023, 0.019}, 0.0094}, {0.7, {0.668, 0.186, 0.071, 0.038, 0.037}, 0.0041},
    {0.8, {0.571, 0.205, 0.094, 0.056, 0.074}, 0.0012}, {0.9, {0.442, 0.212, 0.118, 0.082, 0.146}, 0.0003}, {0.95, {0.331, 0.208, 0.132, 0.105, 0.224}, -0.0002}};
#define N_MAXPROB (sizeof MAXPROB / sizeof *MAXPROB)

struct device { double speed, p99; const char *cpu, *name; };

static double ns_per_mac(const char *precision)
{
    if (strcmp(precision, "f32") == 0) return 0.0215;
    if (strcmp(precision, "int8") == 0) return 0.0072;
    if (strcmp(precision, "int4") == 0) return 0.0069;
    return 0.0078;
}

static double precision_loss(const char *precision)
{
    if (strcmp(precision, "f32") == 0) return 0;
    if (strcmp(precision, "int8") == 0) return 0.0006;
    if (strcmp(precision, "int4") == 0) return 0.0094;
    return 0.0021;
}

static void percentile(struct jb_result *r, struct jb_result_cell *c, double p, double ns)
{
    if (!c->percentiles)
        c->percentiles = jb_result_array(r, 3, sizeof *c->percentiles);
    c->percentiles[c->n_percentiles++] = (struct jb_percentile){p, ns, NULL};
}

// Peaks at the latency of each exit, each with a tail to the right.
static void histogram(struct jb_result *r, struct jb_result_cell *c, const double *at, const double *share, size_t n)
{
    c->n_hist = 90;
    c->hist_edges_ns = jb_result_array(r, c->n_hist + 1, sizeof(double));
    c->hist_counts = jb_result_array(r, c->n_hist, sizeof(uint64_t));
    for (size_t i = 0; i <= c->n_hist; i++)
        c->hist_edges_ns[i] = 4000 * pow(1.066, (double)i);
    for (size_t i = 0; i < c->n_hist; i++) {
        double mid = sqrt(c->hist_edges_ns[i] * c->hist_edges_ns[i + 1]), d = 0;
        for (size_t k = 0; k < n; k++) {
            double z = log(mid / at[k]);
            d += share[k] * (exp(-z * z / (2 * 0.03 * 0.03)) + (z > 0 ? 0.12 * exp(-z / 0.12) : 0));
        }
        c->hist_counts[i] = (uint64_t)(d * 9000);
    }
}

static struct jb_result_cell *add(struct jb_result *r, const char *model, const char *precision, const char *policy, const char *setting, const char *role)
{
    struct jb_result_cell *c = &r->cells[r->n_cells++];
    jb_result_cell_init(c);
    c->workload = "fashion";
    c->model = model;
    c->precision = precision;
    c->policy = policy;
    c->scenario = "single-stream";
    c->unit = "query";
    c->role = role;
    c->label = jb_result_strf(r, "%s %s %s%s%s", model, precision, policy, *setting ? " " : "", setting);
    c->key = jb_result_strf(r, "%016zx", r->n_cells * (size_t)2654435761u);
    c->id = jb_result_strf(r, "%s-%s", c->key, r->name);
    c->threads = c->streams = 1;
    return c;
}

static void measure(struct jb_result *r, struct jb_result_cell *c, const struct device *d, const double *macs, const double *share, size_t n_exits, double accuracy)
{
    double at[N_EXITS], sum = 0, mean = 0, m = 0;
    for (size_t i = 0; i < n_exits; i++) {
        at[i] = (2600 + 600 * (double)i + macs[i] * ns_per_mac(c->precision)) * d->speed;
        mean += share[i] * at[i] * 1.03;
        m += share[i] * macs[i];
    }
    double p[3] = {0.5, 0.9, 0.99};
    for (size_t k = 0; k < 3; k++) {
        sum = 0;
        for (size_t i = 0; i < n_exits; i++) {
            sum += share[i];
            if (sum >= p[k] - 1e-12 || i + 1 == n_exits) {
                percentile(r, c, p[k], at[i] * (k == 2 ? d->p99 : 1.01));
                break;
            }
        }
    }
    c->accuracy = (struct jb_value){accuracy, accuracy - 0.0049, accuracy + 0.0047, 10000};
    c->latency_mean_ns = mean;
    c->latency_mean_ci = (struct jb_value){mean, mean * 0.991, mean * 1.009, 8};
    c->n_queries = (uint64_t)(320e6 / mean);
    c->n_blocks = 8;
    c->throughput_per_s = 1e9 / mean;
    c->macs_mean = m;
    c->bytes_mean = m / 9;
    c->macs_by_precision = jb_result_array(r, 1, sizeof(struct jb_kd));
    c->macs_by_precision[0] = (struct jb_kd){strchr(c->precision, '>') ? "int8" : c->precision, m};
    c->n_macs_by_precision = 1;
    c->n_exits = (uint32_t)n_exits;
    for (size_t i = 0; i < n_exits; i++) {
        c->exit_histogram[i] = (uint64_t)(share[i] * 10000 + 0.5);
        c->exits[i] = (struct jb_result_exit){c->exit_histogram[i], share[i] > 0 ? accuracy + 0.03 - 0.02 * (double)i : NAN, macs[i], share[i] > 0 ? at[i] : NAN};
    }
    c->model_bytes = strcmp(c->precision, "f32") == 0 ? 2.4e6 : 0.64e6;
    c->session_bytes = 412e3;
    c->peak_rss_bytes = 61e6;
    c->load_ns = 2.9e6;
    histogram(r, c, at, share, n_exits);
    c->modelled = jb_result_array(r, 1, sizeof *c->modelled);
    c->modelled[0] = (struct jb_result_modelled){"macs-bytes", "no coefficients fitted for this CPU", "query", NAN, NAN, NAN,
        m / EXIT_MACS[N_EXITS - 1] * (strcmp(c->precision, "f32") == 0 ? 1 : 0.31)};
    c->n_modelled = 1;
}

static void final_and_fixed(struct jb_result *r, const struct device *d, const char *precision)
{
    for (size_t k = 0; k < N_EXITS; k++) {
        double share[N_EXITS] = {0};
        share[k] = 1;
        char setting[24] = "";
        if (k + 1 < N_EXITS)
            snprintf(setting, sizeof setting, "%zu", k);
        struct jb_result_cell *c = add(r, "fashion-ee", precision, k + 1 < N_EXITS ? "fixed" : "final", setting, "fixed");
        measure(r, c, d, EXIT_MACS, share, N_EXITS, EXIT_ACC[k] - precision_loss(precision));
        c->accuracy_loss = EXIT_ACC[N_EXITS - 1] - EXIT_ACC[k];
        if (k + 1 == N_EXITS)
            continue;
        c->policy_params = jb_result_array(r, 1, sizeof(struct jb_kd));
        c->policy_params[0] = (struct jb_kd){"k", (double)k};
        c->n_policy_params = 1;
    }
}

static void adaptive(struct jb_result *r, const struct device *d, const char *precision, const char *policy, double worse)
{
    for (size_t i = 0; i < N_MAXPROB; i++) {
        char setting[24];
        double t = strcmp(policy, "margin") == 0 ? MAXPROB[i].threshold - 0.2 : strcmp(policy, "entropy") == 0 ? 1 - MAXPROB[i].threshold : MAXPROB[i].threshold;
        snprintf(setting, sizeof setting, "%.2f", t);
        struct jb_result_cell *c = add(r, "fashion-ee", precision, policy, setting, "adaptive");
        measure(r, c, d, EXIT_MACS, MAXPROB[i].share, N_EXITS, EXIT_ACC[N_EXITS - 1] - precision_loss(precision) - MAXPROB[i].loss * (1 + worse) - worse * 0.004);
        c->threshold = t;
        c->threshold_source = "given";
        c->accuracy_loss = MAXPROB[i].loss * (1 + worse) + worse * 0.004;
        c->regret_macs = c->macs_mean - 1.9e6;
        c->overthinking_wasteful = 0.905;
        c->overthinking_destructive = 0.021;
    }
}

static void calibrated(struct jb_result *r, const struct device *d, const char *precision)
{
    static const double LOSS[] = {0.001, 0.005};
    static const double SHARE[2][N_EXITS] = {{0.552, 0.231, 0.098, 0.052, 0.067}, {0.690, 0.191, 0.062, 0.031, 0.026}};
    for (size_t i = 0; i < 2; i++) {
        char setting[32];
        snprintf(setting, sizeof setting, "loss<=%.1f %%", LOSS[i] * 100);
        struct jb_result_cell *c = add(r, "fashion-ee", precision, "maxprob", setting, "adaptive");
        measure(r, c, d, EXIT_MACS, SHARE[i], N_EXITS, EXIT_ACC[N_EXITS - 1] - precision_loss(precision) - LOSS[i] * 0.8);
        c->n_thresholds = N_EXITS - 1;
        for (uint32_t k = 0; k < c->n_thresholds; k++)
            c->thresholds[k] = 0.85 - 0.05 * k - 0.1 * (double)i;
        c->threshold_source = "calibrated";
        c->target_loss = LOSS[i];
        c->calibration_id = "cal-5b1c";
        c->accuracy_loss = LOSS[i] * 0.8;
    }
}

static void patience(struct jb_result *r, const struct device *d, const char *precision)
{
    static const double SHARE[2][N_EXITS] = {{0, 0.917, 0.043, 0.024, 0.016}, {0, 0, 0.883, 0.066, 0.051}};
    for (size_t i = 0; i < 2; i++) {
        struct jb_result_cell *c = add(r, "fashion-ee", precision, "patience", i ? "t=2" : "t=1", "adaptive");
        measure(r, c, d, EXIT_MACS, SHARE[i], N_EXITS, EXIT_ACC[N_EXITS - 1] - precision_loss(precision) - (i ? 0.0048 : 0.0098));
        c->policy_params = jb_result_array(r, 1, sizeof(struct jb_kd));
        c->policy_params[0] = (struct jb_kd){"t", (double)(i + 1)};
        c->n_policy_params = 1;
        c->accuracy_loss = i ? 0.0048 : 0.0098;
    }
}

static void troubled(struct jb_result *r)
{
    struct jb_result_cell *c = add(r, "fashion-ee", "int4", "maxprob", "0.80", "adaptive");
    c->status = JB_CELL_INVALID;
    c->reason = "3 of 8,112 queries of the performance pass chose another exit than the accuracy pass (first: sample 417): run `joulebench kernels --check`";
    c = add(r, "fashion-big", "f32", "final", "", "static");
    c->status = JB_CELL_FAILED;
    c->reason = "fashion-big.gguf: tensor \"stage3.conv.weight\" ends 1,024 bytes past the end of the file";
    c = add(r, "fashion-ee", "bf16", "final", "", "fixed");
    c->status = JB_CELL_UNAVAILABLE;
    c->reason = "bf16 needs AMX, and this CPU has none";
    c->percentiles = jb_result_array(r, 1, sizeof *c->percentiles);
    c->percentiles[c->n_percentiles++] = (struct jb_percentile){0.99, NAN, "512 queries, 662 are needed"};
}

static void energies(struct jb_result *r)
{
    for (size_t i = 0; i < r->n_cells; i++) {
        struct jb_result_cell *c = &r->cells[i];
        if (c->status != JB_CELL_VALID)
            continue;
        double uj = c->latency_mean_ns * 0.0105;
        c->energy = (struct jb_result_energy){.cls = JB_ENERGY_REPLAYED, .source = "replay", .root = "traces/laptop.jsonl", .per = "query", .domains = "package-0",
            .gross_uj = uj, .gross_lower_uj = uj * 0.97, .gross_upper_uj = uj * 1.04, .net_uj = uj * 0.7, .net_lower_uj = uj * 0.64, .net_upper_uj = uj * 0.77,
            .per_correct_uj = uj / c->accuracy.value, .per_correct_lower_uj = uj * 0.97 / c->accuracy.value, .per_correct_upper_uj = uj * 1.04 / c->accuracy.value,
            .power_w = 10.5, .idle_w = 3.15, .idle_lower_w = 2.8, .idle_upper_w = 3.5, .edp_uj_ms = uj * c->latency_mean_ns * 1e-6, .half_width = 0.035,
            .half_width_target = 0.01, .stopped = "max_seconds: another window of 1.2 s would have been needed", .windows = 8};
        c->others = (struct jb_result_others){.share = 0.012, .share_most_least = 0.004, .limit = 0.1};
    }
    struct jb_result_cell *c = &r->cells[0]; // one of its windows failed
    c->energy.windows_failed = 1;
    c->energy.remark = "1 of 8 windows failed: package-0: EIO";
    c = &r->cells[1]; // idle power was another one afterwards
    c->energy.drift_windows = 2;
    c->energy.remark = "idle drifted beyond its bounds around 2 of 8 windows";
    c = &r->cells[2]; // somebody else was at work, again and again
    c->others = (struct jb_result_others){.share = 0.31, .share_most_least = 0.27, .limit = 0.1, .contaminated = 1, .repeated = 4};
    c->energy.remark = "contaminated: in 1 of 8 windows others had more than 10 % of the machine";
    c = &r->cells[3]; // reached, and no idle window
    c->energy.half_width = 0.008;
    c->energy.stopped = "target reached";
    c->energy.net_uj = c->energy.net_lower_uj = c->energy.net_upper_uj = c->energy.idle_w = c->energy.idle_lower_w = c->energy.idle_upper_w = NAN;
    c->energy.reason = "no net figure: no idle window was asked for (idle_ms)";
    r->power = (struct jb_result_power){.known = true, .cls = JB_ENERGY_REPLAYED, .source = "replay", .root = "traces/laptop.jsonl", .domains = "package-0",
        .left_out = "core-0 (within its package)", .ceiling_w = 112, .ceiling_from = "4x the largest constraint", .update_ns = 1050000, .read_ns = 333, .idle_ns = 5000000,
        .sampler = {.there = true, .period_ns = 10000000000, .reads = 12, .cpu_ns = 270000, .share = 2.25e-6, .cpu = -1}};
}

// Under a hypervisor: what RAPL says there is modelled.
void jb_fixture_make_guest(struct jb_result *r)
{
    for (size_t i = 0; i < r->n_cells; i++) {
        struct jb_result_cell *c = &r->cells[i];
        if (c->status != JB_CELL_VALID)
            continue;
        struct jb_result_modelled *m = jb_result_array(r, 2, sizeof *m);
        double uj = c->latency_mean_ns * 0.0105;
        m[0] = c->modelled[0];
        m[1] = (struct jb_result_modelled){"guest-rapl", "gross; not measured: see energy.reason", "query", uj, uj * 0.97, uj * 1.04, NAN};
        c->modelled = m;
        c->n_modelled = 2;
        c->energy.reason = "under a hypervisor RAPL is synthetic";
    }
}

static void no_energies(struct jb_result *r)
{
    for (size_t i = 0; i < r->n_cells; i++)
        if (r->cells[i].status == JB_CELL_VALID)
            r->cells[i].energy.reason = "no readable energy counter: /sys/class/powercap is empty in this virtual machine";
}

static void hulls(struct jb_result *r)
{
    r->hull = jb_result_array(r, r->n_cells * 4, sizeof *r->hull);
    for (size_t i = 0; i < r->n_cells; i++) {
        struct jb_result_cell *c = &r->cells[i];
        if (c->status != JB_CELL_VALID || strcmp(c->role, "adaptive"))
            continue;
        double full = EXIT_MACS[N_EXITS - 1] / c->macs_mean, hull = full * 0.42;
        const char *none = c->accuracy_loss < 0 ? "no static network is as accurate" : NULL;
        r->hull[r->n_hull++] = (struct jb_result_hull){c->id, "macs_mean", "static+fixed", none ? NAN : hull, none ? NAN : hull * 0.9, none ? NAN : hull * 1.11, none};
        r->hull[r->n_hull++] = (struct jb_result_hull){c->id, "latency_mean_ns", "static+fixed", none ? NAN : hull * 0.93, none ? NAN : hull * 0.84, none ? NAN : hull * 1.03, none};
        r->hull[r->n_hull++] = (struct jb_result_hull){c->id, "macs_mean", "full", full, full * 0.98, full * 1.02, NULL};
    }
}

static void oracles(struct jb_result *r)
{
    static const char *const PRECISIONS[] = {"f32", "int8"};
    r->oracles = jb_result_array(r, 4, sizeof *r->oracles);
    for (size_t i = 0; i < 2; i++) {
        r->oracles[r->n_oracles++] = (struct jb_result_oracle){"fashion-ee", PRECISIONS[i], "earliest-correct", 0.9617 - 0.0005 * (double)i, 1.92e6};
        r->oracles[r->n_oracles++] = (struct jb_result_oracle){"fashion-ee", PRECISIONS[i], "earliest-consistent", 0.9352 - 0.0006 * (double)i, 2.61e6};
    }
}

#define PAIRS(r, member, counter, ...) do { \
        const struct jb_kv list_[] = {__VA_ARGS__}; \
        (r)->member = jb_result_array((r), sizeof list_ / sizeof *list_, sizeof *list_); \
        memcpy((r)->member, list_, sizeof list_); \
        (r)->counter = sizeof list_ / sizeof *list_; \
    } while (0)

static void provenance(struct jb_result *r, const struct device *d)
{
    r->started = "2026-11-22T15:04:05Z";
    r->finished = "2026-11-22T15:06:02Z";
    r->joulebench_version = "0.1.0";
    r->git = "1a2b3c4d5e6f";
    r->compiler = "gcc 12.2.0";
    r->complete = true;
    PAIRS(r, environment, n_environment, {"cpu", d->cpu}, {"tiers", "avx2 avx512 vnni"}, {"cores", "2"}, {"governor", NULL}, {"turbo", NULL}, {"hypervisor", "yes"},
        {"kernel", "6.1.0"}, {"memory_bytes", "8589934592"}, {"clock_cost_ns", "21.5"}, {"clock_resolution_ns", "1"}, {"harness_ns_per_query", "96"}, {"power_source", "none"});
    PAIRS(r, kernels, n_kernels, {"conv_u8", "jb_conv_u8_vnni"}, {"conv_f32", "jb_conv_f32_avx512"}, {"pool_max_u8", "jb_pool_max_u8_avx2"});
    PAIRS(r, libraries, n_libraries, {"cJSON", "1.7.15"}, {"zlib", "1.2.13"}, {"libsodium", "1.0.18"});
    PAIRS(r, hashes, n_hashes, {"model fashion-ee", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
        {"data fashion test", "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"});
    PAIRS(r, seeds, n_seeds, {"plan", "1"}, {"split", "20261122"});
    PAIRS(r, notes, n_notes, {"fashion", "own split"});
}

struct jb_result *jb_fixture_open(enum jb_fixture kind)
{
    const struct device d = kind == JB_FIXTURE_OTHER_DEVICE ? (struct device){2.3, 1.5, "Cortex-A76", "default"} :
        (struct device){1, 1.12, "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz", "default"};
    struct jb_result *r = NULL;
    if (jb_result_open(&r))
        return NULL;
    r->name = d.name;
    r->cells = jb_result_array(r, 96, sizeof *r->cells);
    for (size_t p = 0; p < 2; p++) {
        for (size_t i = 0; i < sizeof STATIC / sizeof *STATIC; i++) {
            const double one = 1;
            struct jb_result_cell *c = add(r, STATIC[i].name, p ? "int8" : "f32", "final", "", "static");
            measure(r, c, &d, &STATIC[i].macs, &one, 1, STATIC[i].acc - precision_loss(c->precision));
            c->model_bytes = STATIC[i].bytes * (p ? 1 : 4);
            c->accuracy_loss = 0;
        }
    }
    final_and_fixed(r, &d, "f32");
    final_and_fixed(r, &d, "int8");
    final_and_fixed(r, &d, "int4");
    adaptive(r, &d, "f32", "maxprob", 0);
    adaptive(r, &d, "int8", "maxprob", 0);
    adaptive(r, &d, "int8", "margin", 0.15);
    adaptive(r, &d, "int8", "entropy", 0.3);
    adaptive(r, &d, "escalate:int4>int8", "maxprob", 0.1);
    calibrated(r, &d, "int8");
    patience(r, &d, "int8");
    troubled(r);
    provenance(r, &d);
    hulls(r);
    oracles(r);
    if (kind == JB_FIXTURE_REPLAYED)
        energies(r);
    else
        no_energies(r);
    return r;
}

const char *const jb_hostile_text = "a\"b<script>alert(1)</script>&'c\n\r\t\x1b[31mred\x1b]0;t\x07 `touch /tmp/jb-owned` $(id) @x ^2 _3 {/:Bold y} | * \\ JBT0Z %s ]]> =1+1, \xc2\x9b"
                                    "31m \xe2\x80\xae txt \xff\xc3";

struct jb_result *jb_fixture_hostile(void)
{
    struct jb_result *r = jb_fixture_open(JB_FIXTURE_NO_ENERGY);
    const char *x = jb_hostile_text;
    if (!r)
        return NULL;
    r->name = r->started = r->finished = r->joulebench_version = r->git = r->compiler = x;
    for (size_t i = 0; i < r->n_environment; i++)
        r->environment[i].value = x;
    r->environment[0].name = r->kernels[0].name = r->libraries[0].name = r->hashes[0].name = r->seeds[0].name = x;
    r->kernels[0].value = r->libraries[0].value = r->hashes[0].value = r->seeds[0].value = x;
    r->notes[0] = (struct jb_kv){x, x};
    for (size_t i = 0; i < r->n_cells; i++) {
        struct jb_result_cell *c = &r->cells[i];
        c->label = jb_result_strf(r, "%zu %s", i, x);
        c->workload = c->scenario = x;
        c->model = strcmp(c->role, "static") ? x : jb_result_strf(r, "%s %zu", x, i % 4);
        c->precision = i % 2 ? x : c->precision;
        c->policy = strcmp(c->policy, "maxprob") ? c->policy : x;
        c->calibration_id = x;
        c->energy.reason = c->energy.remark = c->energy.root = c->energy.domains = c->energy.stopped = c->energy.source = x;
        c->reason = c->status == JB_CELL_VALID ? NULL : x;
        for (size_t k = 0; k < c->n_modelled; k++)
            c->modelled[k].source = c->modelled[k].reason = x;
        for (size_t k = 0; k < c->n_policy_params; k++)
            c->policy_params[k].name = x;
        for (size_t k = 0; k < c->n_macs_by_precision; k++)
            c->macs_by_precision[k].name = x;
    }
    for (size_t i = 0; i < r->n_oracles; i++)
        r->oracles[i].model = r->oracles[i].precision = r->oracles[i].kind = x;
    r->power = (struct jb_result_power){.known = true, .source = x, .root = x, .domains = x, .left_out = x, .remark = x, .reason = x, .cross_check = x, .ceiling_from = x,
        .ceiling_w = 1, .read_ns = NAN};
    r->sentences = jb_result_array(r, 3, sizeof *r->sentences);
    r->sentences[0] = (struct jb_result_sentence){"answer", x};
    r->sentences[1] = (struct jb_result_sentence){"warning", x};
    r->sentences[2] = (struct jb_result_sentence){x, x};
    r->n_sentences = 3;
    return r;
}

void jb_temp_dir(char out[256])
{
    const char *base = getenv("TMPDIR");
    snprintf(out, 256, "%.200s/jb-reports-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(out))
        abort();
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

void jb_temp_remove(const char *dir) { nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

char *jb_slurp(const char *dir, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    fseek(f, 0, SEEK_END);
    long n = ftell(f);
    rewind(f);
    char *s = calloc(1, (size_t)n + 1);
    if (s && fread(s, 1, (size_t)n, f) != (size_t)n) {
        free(s);
        s = NULL;
    }
    fclose(f);
    return s;
}
