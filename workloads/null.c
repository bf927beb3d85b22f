// null: needs no model and answers at once, or after a known time. It shows what the harness itself costs, and that it measures time rightly.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/hash.h"
#include "workloads/params.h"
#include "workloads/score.h"

struct null_work {
    uint64_t spin_ns;
    struct jb_clock clock;
    uint32_t n;
    uint32_t *label; // all 0, as are the answers
};

static const struct jb_option options[] = {
    { "ns", JB_OPT_I64, "0", 0, 1e9, "each query spins this many nanoseconds" },
    { "n", JB_OPT_I64, "1000", 1, 1e7, "samples in each split" },
    { .type = JB_OPT_END },
};

static void null_close(void *impl)
{
    struct null_work *w = impl;
    if (w)
        free(w->label);
    free(w);
}

static int null_open(void **impl, struct jb_workload_info *info, const struct jb_workload_opts *o, struct jb_err *err)
{
    struct null_work *w = calloc(1, sizeof *w);
    if (w) {
        w->n = (uint32_t)jb_params_i64(options, o, "n");
        w->label = calloc(w->n, sizeof *w->label);
    }
    if (!w || !w->label) {
        null_close(w);
        return jb_fail(err, JB_E_NOMEM, "workload null: out of memory");
    }
    w->spin_ns = (uint64_t)jb_params_i64(options, o, "ns");
    w->clock = jb_clock_monotonic();
    snprintf(info->name, sizeof info->name, "null");
    snprintf(info->license, sizeof info->license, "none");
    snprintf(info->provenance, sizeof info->provenance, "nothing is computed: each query spins %llu ns", (unsigned long long)w->spin_ns);
    info->unit = "query";
    info->shape = (struct jb_shape){ 1, 1, 1 };
    info->n_classes = 1;
    char text[64];
    int n = snprintf(text, sizeof text, "joulebench.null/1 %u", w->n);
    for (int s = 0; s < JB_SPLIT_COUNT; s++) {
        info->n[s] = w->n;
        jb_hash_bytes(text, (size_t)n, info->sha256[s]);
    }
    *impl = w;
    return JB_OK;
}

static int null_sample(const void *impl, enum jb_split s, uint32_t i, struct jb_row_input *row, uint32_t *label)
{
    static const uint8_t byte;
    const struct null_work *w = impl;
    if ((unsigned)s >= JB_SPLIT_COUNT || i >= w->n)
        return JB_E_RANGE;
    *row = (struct jb_row_input){ .data = &byte };
    *label = 0;
    return JB_OK;
}

static int null_score(const void *impl, enum jb_split s, const uint32_t *index, const uint32_t *prediction, uint32_t n, struct jb_quality *out, size_t room,
                      size_t *n_out)
{
    const struct null_work *w = impl;
    if ((unsigned)s >= JB_SPLIT_COUNT)
        return JB_E_RANGE;
    return jb_score_classes(w->label, w->n, 1, index, prediction, n, out, room, n_out);
}

static int null_run(void *impl, uint32_t i, struct jb_query_result *out)
{
    const struct null_work *w = impl;
    (void)i;
    if (w->spin_ns) {
        uint64_t until = w->clock.now_ns(w->clock.self) + w->spin_ns;
        while (w->clock.now_ns(w->clock.self) < until)
            ;
    }
    memset(out, 0, sizeof *out);
    return JB_OK;
}

const struct jb_workload_ops jb_workload_null = {
    .name = "null",
    .summary = "no model: answers at once or after a known time, to test the harness",
    .options = options,
    .open = null_open,
    .close = null_close,
    .sample = null_sample,
    .score = null_score,
    .run_without_model = null_run,
};
