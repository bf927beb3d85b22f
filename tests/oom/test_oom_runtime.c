// runtime, with every allocation failing in turn: writing a model, opening it, a session, all stages and heads.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cpu.h"
#include "runtime/session.h"
#include "runtime/synth.h"
#include "tests/oom/countdown.h"

static struct jb_synth_opts options(const char *kind)
{
    struct jb_synth_opts o;
    jb_synth_defaults(&o);
    o.kind = kind;
    o.stages = 2;
    o.width = 3;
    o.size = 6;
    o.classes = 3;
    o.positions = 8;
    return o;
}

static int run(struct jb_session *s, const struct jb_model_info *info)
{
    static const uint8_t image[36];
    struct jb_head_row head;
    uint32_t row = 0;
    int rc = jb_session_begin(s, 0, &(struct jb_row_input){ .data = image }, 1, NULL);
    for (uint32_t k = 0; k < info->n_stages && !rc; k++) {
        rc = jb_session_run_stage(s, k, JB_PREC_INT8, &row, 1, NULL);
        if (!rc)
            rc = jb_session_run_head(s, k, &row, 1, JB_WANT_TOP, &head, NULL);
    }
    return rc;
}

static int whole_life(void *user)
{
    const struct jb_synth_opts *o = user;
    void *data = NULL;
    size_t n = 0;
    struct jb_model *m = NULL;
    struct jb_session *s = NULL;
    struct jb_kernels k;
    struct jb_err err;
    jb_kernels_init(&k, jb_cpu_detect());
    int rc = jb_synth_make(&data, &n, o, &err);
    if (!rc)
        rc = jb_model_open_memory(&m, "oom", data, n, NULL, 0, &k, NULL, &err);
    if (!rc)
        rc = jb_session_open(&s, m, &(struct jb_session_opts){ .max_rows = 2, .threads = strcmp(o->kind, "llama") == 0 ? 2 : 1 }, &err);
    if (!rc)
        rc = run(s, jb_model_info(m));
    jb_session_close(s);
    jb_model_close(m);
    free(data);
    return rc;
}

static void test_cnn(void **state)
{
    (void)state;
    struct jb_synth_opts o = options("cnn");
    oom_countdown("cnn", whole_life, &o);
}

static void test_state(void **state)
{
    (void)state;
    struct jb_synth_opts o = options("state");
    oom_countdown("state", whole_life, &o);
}

static void test_llama(void **state)
{
    (void)state;
    struct jb_synth_opts o = options("llama");
    o.type = "q8_0";
    o.width = 64;
    o.layers = 2;
    o.vocab = 259;
    o.context = 16;
    oom_countdown("llama", whole_life, &o);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_cnn), cmocka_unit_test(test_state), cmocka_unit_test(test_llama) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
