// A whole model from any bytes: refused with a reason that names the file, or opened, run through all stages and heads at every precision, closed.
// The first byte says how long a side file with exits stands at the end (in 64ths of the rest; 0: none).
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "runtime/inspect.h"

#define MAX_MACS ((uint64_t)4 << 20)
#define MAX_INPUT 65536

// Too much work for a fuzzer, not a fault.
static int too_large(const struct jb_model_info *info)
{
    uint64_t macs = 0, values = 0;
    for (uint32_t k = 0; k < info->n_stages; k++) {
        macs += jb_cost_macs(&info->stages[k].cost[JB_PREC_F32]) + jb_cost_macs(&info->stages[k].head_cost[JB_PREC_F32]);
        values += (uint64_t)info->stages[k].output.h * (uint64_t)info->stages[k].output.w * (uint64_t)info->stages[k].output.c;
    }
    return macs > MAX_MACS || values > MAX_MACS || (uint64_t)info->input.h * (uint64_t)info->input.w * (uint64_t)info->input.c > MAX_INPUT || info->max_positions > 256;
}

static void run(struct jb_session *s, const struct jb_model_info *info, int precision)
{
    static const uint8_t image[MAX_INPUT] = { 1, 200, 3, 255, 90, 17 };
    uint32_t rows[2] = { 0, 1 };
    struct jb_head_row head[2];
    struct jb_cost cost[2] = { 0 };
    struct jb_row_input in[2] = { { .data = image, .token = 0 }, { .data = image, .token = 1 } };
    struct jb_err err;
    for (uint32_t part = 0; part < info->n_parts; part++) {
        if (jb_session_begin(s, part, in, 2, &err))
            return;
        for (uint32_t k = info->part_stage[part]; k < info->part_stage[part + 1]; k++) {
            if (jb_session_run_stage(s, k, (enum jb_precision)precision, rows, 2, cost))
                return;
            (void)jb_session_run_head(s, k, rows, 2, JB_WANT_TOP | JB_WANT_LOGITS | JB_WANT_HIDDEN | JB_WANT_GATE, head, cost);
        }
        (void)jb_session_commit(s, 0, 1);
        (void)jb_session_rollback(s, 0, 1);
        (void)jb_session_settle(s, cost);
    }
}

static void use(struct jb_model *m)
{
    const struct jb_model_info *info = jb_model_info(m);
    struct jb_session *s;
    struct jb_op_info op;
    struct jb_err err;
    for (uint32_t k = 0; k < info->n_stages; k++)
        for (uint32_t i = 0; i < info->stages[k].n_ops; i++)
            if (jb_model_op(m, k, false, i, &op) || !op.text)
                abort();
    if (too_large(info) || jb_session_open(&s, m, &(struct jb_session_opts){ .max_rows = 2 }, &err))
        return;
    for (int p = 0; p < JB_PREC_COUNT; p++)
        if (info->precisions & 1u << p)
            run(s, info, p);
    jb_session_close(s);
}

// Writes the base's true hash into the side file, or no side file would ever get past its first check.
static void bind(uint8_t *exits, size_t n, const uint8_t *base, size_t base_n)
{
    static const char key[] = "jb.base.sha256";
    char hex[JB_HASH_HEX];
    uint8_t *at = n ? memmem(exits, n, key, sizeof key - 1) : NULL;
    size_t skip = sizeof key - 1 + 4 + 8; // type and length
    if (!at || (size_t)(exits + n - at) < skip + JB_HASH_HEX - 1)
        return;
    jb_hash_bytes(base, base_n, hex);
    memcpy(at + skip, hex, JB_HASH_HEX - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct jb_kernels k;
    struct jb_model *m;
    struct jb_err err = { 0 };
    if (n < 1)
        return 0;
    jb_kernels_init(&k, data[0] & 64 ? jb_cpu_detect() : 0);
    size_t exits_n = (n - 1) * (data[0] & 63) / 64, base_n = n - 1 - exits_n;
    uint8_t *base = malloc(base_n + 1), *exits = malloc(exits_n + 1);
    if (base && exits) {
        memcpy(base, data + 1, base_n);
        memcpy(exits, data + 1 + base_n, exits_n);
        bind(exits, exits_n, base, base_n);
        int rc = jb_model_open_memory(&m, "fuzz", base, base_n, exits_n ? exits : NULL, exits_n, &k, NULL, &err);
        if (rc == 0) {
            use(m);
            jb_model_close(m);
        } else if (!strstr(err.detail, "fuzz") && !strstr(err.detail, "exits") && rc != JB_E_NOMEM) {
            abort();
        }
    }
    free(base);
    free(exits);
    return 0;
}
