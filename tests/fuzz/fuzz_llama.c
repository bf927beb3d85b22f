// A language model from any bytes, with a side file or without: refused with a reason, or opened and then used in any order of calls, some of them wrong.
// Input: one byte that says how long the side file at the end is (in 64ths of the rest; 0: none) and which kernels run; one that seeds the calls; the model; the side file.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/rng.h"
#include "runtime/llama.h"

#define MAX_MACS ((uint64_t)1 << 20)
#define N_CALLS 24
#define MAX_ROWS 3

// Too much work for a fuzzer, not a fault.
static int too_large(const struct jb_model_info *info)
{
    uint64_t macs = 0;
    for (uint32_t k = 0; k < info->n_stages; k++)
        macs += jb_cost_macs(&info->stages[k].cost[0]) + jb_cost_macs(&info->stages[k].head_cost[0]);
    return macs > MAX_MACS || info->max_positions > 4096;
}

static void begin(struct jb_session *s, struct jb_rng *r, const struct jb_model_info *info)
{
    struct jb_row_input in[MAX_ROWS];
    struct jb_err err;
    for (int i = 0; i < MAX_ROWS; i++)
        in[i] = (struct jb_row_input){ .token = (uint32_t)jb_rng_below(r, (uint64_t)info->n_classes + 1), .sequence = (uint32_t)jb_rng_below(r, 9) / 4 };
    (void)jb_session_begin(s, 0, in, (uint32_t)jb_rng_below(r, MAX_ROWS) + 1, &err);
}

static void call(struct jb_session *s, struct jb_rng *r, const struct jb_model_info *info, enum jb_precision p)
{
    static const uint32_t lists[][MAX_ROWS] = { { 0 }, { 1 }, { 2 }, { 0, 1 }, { 0, 2 }, { 1, 2 }, { 0, 1, 2 } };
    size_t pick = jb_rng_below(r, 7);
    uint32_t n = pick < 3 ? 1 : pick < 6 ? 2 : 3, stage = (uint32_t)jb_rng_below(r, info->n_stages), few = (uint32_t)jb_rng_below(r, 3);
    struct jb_cost cost[MAX_ROWS] = { 0 };
    struct jb_head_row head[MAX_ROWS];
    switch (jb_rng_below(r, 10)) {
    case 0: case 1: begin(s, r, info); return;
    case 2: case 3: case 4: case 5:
        for (uint32_t k = 0; k <= stage; k++)
            (void)jb_session_run_stage(s, k, p, lists[pick], n, few ? cost : NULL);
        (void)jb_session_run_head(s, stage, lists[pick], n, (uint32_t)jb_rng_below(r, 16), head, few ? cost : NULL);
        return;
    case 6: (void)jb_session_commit(s, few, (uint32_t)jb_rng_below(r, 5)); return;
    case 7: (void)jb_session_rollback(s, few, (uint32_t)jb_rng_below(r, 5)); return;
    case 8: (void)jb_session_settle(s, few ? cost : NULL); return;
    default:
        (void)jb_session_deferred(s, few, JB_ALL_POSITIONS, cost);
        if (few == 0)
            (void)jb_session_reset(s, (uint32_t)jb_rng_below(r, 3));
    }
}

static void use(struct jb_model *m, uint8_t seed)
{
    const struct jb_model_info *info = jb_model_info(m);
    struct jb_session *s;
    struct jb_err err;
    struct jb_rng r;
    enum jb_precision p = JB_PREC_F32;
    jb_rng_seed(&r, seed);
    struct jb_session_opts o = { .max_rows = MAX_ROWS, .max_positions = info->max_positions < 8 ? 0 : 8, .max_sequences = 2, .kv = (enum jb_kv_kind)(seed & 1), .fill = (enum jb_fill)(seed >> 1 & 1) };
    if (too_large(info) || jb_session_open(&s, m, &o, &err))
        return;
    while (!(info->precisions & 1u << p))
        p++;
    for (int i = 0; i < N_CALLS; i++)
        call(s, &r, info, p);
    jb_session_close(s);
}

// Writes the base's true hash into the side file, or no side file would ever get past its first check.
static void bind(uint8_t *exits, size_t n, const uint8_t *base, size_t base_n)
{
    static const char key[] = "jb.base.norms_sha256";
    char hex[JB_HASH_HEX];
    struct jb_gguf *g;
    uint8_t *at = n ? memmem(exits, n, key, sizeof key - 1) : NULL;
    size_t skip = sizeof key - 1 + 4 + 8; // type and length
    if (!at || (size_t)(exits + n - at) < skip + JB_HASH_HEX - 1 || jb_gguf_open_memory(&g, "fuzz", base, base_n, NULL))
        return;
    if (llama_base_hash(g, hex, NULL) == JB_OK)
        memcpy(at + skip, hex, JB_HASH_HEX - 1);
    jb_gguf_close(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct jb_kernels k;
    struct jb_model *m;
    struct jb_err err = { 0 };
    if (n < 2)
        return 0;
    jb_kernels_init(&k, data[0] & 64 ? jb_cpu_detect() : 0);
    size_t exits_n = (n - 2) * (data[0] & 63) / 64, base_n = n - 2 - exits_n;
    uint8_t *base = malloc(base_n + 1), *exits = malloc(exits_n + 1);
    if (base && exits) {
        memcpy(base, data + 2, base_n);
        memcpy(exits, data + 2 + base_n, exits_n);
        bind(exits, exits_n, base, base_n);
        int rc = jb_model_open_memory(&m, "fuzz", base, base_n, exits_n ? exits : NULL, exits_n, &k, NULL, &err);
        if (rc == 0) {
            if (strcmp(jb_model_info(m)->architecture, "llama") == 0)
                use(m, data[1]);
            jb_model_close(m);
        } else if (!strstr(err.detail, "fuzz") && !strstr(err.detail, "exits") && !strstr(err.detail, "packed weights") && rc != JB_E_NOMEM) {
            abort();
        }
    }
    free(base);
    free(exits);
    return 0;
}
