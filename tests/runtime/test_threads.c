// One model, many sessions at once, each in a thread of its own: the model is read-only, so every result equals that of one session alone.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "base/rng.h"
#include "runtime/session.h"
#include "runtime/synth.h"

#define N_THREADS 4
#define N_IMAGES 12
#define SIDE 12

struct job { const struct jb_model *model; uint8_t (*images)[SIDE * SIDE]; float logits[N_IMAGES][JB_PREC_COUNT][10]; int rc; };

static void *work(void *arg)
{
    struct job *j = arg;
    struct jb_session *s;
    uint32_t row = 0;
    j->rc = jb_session_open(&s, j->model, &(struct jb_session_opts){ .max_rows = 1 }, NULL);
    if (j->rc)
        return NULL;
    for (int i = 0; i < N_IMAGES && !j->rc; i++)
        for (int p = 0; p < JB_PREC_COUNT && !j->rc; p++) {
            struct jb_head_row head = { 0 };
            j->rc = jb_session_begin(s, 0, &(struct jb_row_input){ .data = j->images[i] }, 1, NULL);
            for (uint32_t k = 0; k < jb_model_info(j->model)->n_stages && !j->rc; k++)
                j->rc = jb_session_run_stage(s, k, (enum jb_precision)p, &row, 1, NULL);
            if (!j->rc)
                j->rc = jb_session_run_head(s, jb_model_info(j->model)->n_stages - 1, &row, 1, JB_WANT_LOGITS, &head, NULL);
            if (!j->rc)
                memcpy(j->logits[i][p], head.logits, sizeof j->logits[i][p]);
        }
    jb_session_close(s);
    return NULL;
}

static void test_shared_model(void **state)
{
    static struct job jobs[N_THREADS], alone;
    static uint8_t images[N_IMAGES][SIDE * SIDE];
    struct jb_synth_opts o;
    struct jb_kernels k;
    struct jb_model *m;
    struct jb_rng rng;
    pthread_t threads[N_THREADS];
    void *data;
    size_t n;
    (void)state;
    jb_synth_defaults(&o);
    o.stages = 3;
    o.size = SIDE;
    jb_rng_seed(&rng, 11);
    for (int i = 0; i < N_IMAGES; i++)
        for (int b = 0; b < SIDE * SIDE; b++)
            images[i][b] = (uint8_t)jb_rng_below(&rng, 256);
    jb_kernels_init(&k, jb_cpu_detect());
    assert_int_equal(jb_synth_make(&data, &n, &o, NULL), 0);
    assert_int_equal(jb_model_open_memory(&m, "shared", data, n, NULL, 0, &k, NULL, NULL), 0);
    alone = (struct job){ .model = m, .images = images };
    work(&alone);
    assert_int_equal(alone.rc, 0);
    for (int t = 0; t < N_THREADS; t++) {
        jobs[t] = (struct job){ .model = m, .images = images };
        assert_int_equal(pthread_create(&threads[t], NULL, work, &jobs[t]), 0);
    }
    for (int t = 0; t < N_THREADS; t++) {
        assert_int_equal(pthread_join(threads[t], NULL), 0);
        assert_int_equal(jobs[t].rc, 0);
        assert_memory_equal(jobs[t].logits, alone.logits, sizeof alone.logits);
    }
    jb_model_close(m);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_shared_model) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
