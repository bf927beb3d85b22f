// The file that the Python exporter wrote, and what it computed: both sides of docs/model-format.md must agree.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "base/json.h"
#include "runtime/session.h"

static double number(const cJSON *array, int i)
{
    const cJSON *x = cJSON_GetArrayItem(array, i);
    assert_non_null(x);
    return x->valuedouble;
}

// logits[exit][image][class]
static void check_precision(const struct jb_model *m, const cJSON *inputs, const cJSON *logits, enum jb_precision p)
{
    const struct jb_model_info *info = jb_model_info(m);
    struct jb_session *s;
    uint8_t image[4096];
    uint32_t row = 0;
    assert_int_equal(jb_session_open(&s, m, &(struct jb_session_opts){ .max_rows = 1 }, NULL), 0);
    for (int i = 0; i < cJSON_GetArraySize(inputs); i++) {
        const cJSON *bytes = cJSON_GetArrayItem(inputs, i);
        assert_int_equal(cJSON_GetArraySize(bytes), info->input.h * info->input.w * info->input.c);
        for (int b = 0; b < cJSON_GetArraySize(bytes); b++)
            image[b] = (uint8_t)number(bytes, b);
        assert_int_equal(jb_session_begin(s, 0, &(struct jb_row_input){ .data = image }, 1, NULL), 0);
        for (uint32_t k = 0; k < info->n_stages; k++) {
            struct jb_head_row head;
            assert_int_equal(jb_session_run_stage(s, k, p, &row, 1, NULL), 0);
            if (info->stages[k].exit < 0)
                continue;
            assert_int_equal(jb_session_run_head(s, k, &row, 1, JB_WANT_LOGITS, &head, NULL), 0);
            const cJSON *want = cJSON_GetArrayItem(cJSON_GetArrayItem(logits, info->stages[k].exit), i);
            for (uint32_t c = 0; c < info->n_classes; c++) // the text has six digits
                if (!(fabs((double)head.logits[c] - number(want, (int)c)) <= 2e-5 * (1.0 + fabs(number(want, (int)c)))))
                    fail_msg("%s, exit %d, image %d, class %u: %.7g, the exporter has %.7g", jb_precision_name(p), info->stages[k].exit, i, c, (double)head.logits[c], number(want, (int)c));
        }
    }
    jb_session_close(s);
}

static void test_golden(void **state)
{
    struct jb_json_doc doc;
    struct jb_err err = { 0 };
    struct jb_kernels k;
    struct jb_model *m;
    (void)state;
    jb_kernels_init(&k, jb_cpu_detect());
    if (jb_json_read(&doc, "tests/golden/export-tiny.json", 1 << 20, &err) || jb_model_open(&m, "tests/golden/export-tiny.gguf", &k, NULL, &err))
        fail_msg("%s", err.detail);
    const struct jb_model_info *info = jb_model_info(m);
    assert_int_equal(info->n_exits, (int)cJSON_GetObjectItem(doc.root, "exits")->valuedouble);
    assert_int_equal(info->precisions, 7);
    check_precision(m, cJSON_GetObjectItem(doc.root, "inputs"), cJSON_GetObjectItem(doc.root, "logits_f32"), JB_PREC_F32);
    check_precision(m, cJSON_GetObjectItem(doc.root, "inputs"), cJSON_GetObjectItem(doc.root, "logits_int8"), JB_PREC_INT8);
    check_precision(m, cJSON_GetObjectItem(doc.root, "inputs"), cJSON_GetObjectItem(doc.root, "logits_int4"), JB_PREC_INT4);
    uint64_t spent = 0;
    for (uint32_t x = 0; x < info->n_exits; x++) {
        uint32_t first = x ? info->exit_stage[x - 1] + 1 : 0;
        for (uint32_t s = first; s <= info->exit_stage[x]; s++)
            spent += jb_cost_macs(&info->stages[s].cost[JB_PREC_F32]);
        uint64_t heads = 0;
        for (uint32_t y = 0; y <= x; y++)
            heads += jb_cost_macs(&info->stages[info->exit_stage[y]].head_cost[JB_PREC_F32]);
        assert_int_equal(spent + heads, (uint64_t)number(cJSON_GetObjectItem(doc.root, "macs"), (int)x)); // cumulative, all heads on the way included
        assert_true(fabs(info->stages[info->exit_stage[x]].temperature - number(cJSON_GetObjectItem(doc.root, "temperature"), (int)x)) < 1e-4);
    }
    jb_model_close(m);
    jb_json_close(&doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_golden) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
