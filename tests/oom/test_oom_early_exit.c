// early_exit, with every allocation failing in turn.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cpu.h"
#include "early_exit/calibrate.h"
#include "early_exit/score.h"
#include "early_exit/sequence.h"
#include "runtime/synth.h"
#include "tests/oom/countdown.h"

static struct jb_model *model;
static struct jb_session *session;
static struct jb_recording recording;
static struct jb_policy policy;
static struct jb_schedule schedule;
static uint8_t *image;
static char model_path[64], thresholds_path[64];

static int open_loop(void *user)
{
    (void)user;
    struct jb_adaptive *a = NULL;
    int rc = jb_adaptive_open(&a, session, &policy, &schedule, 8, NULL);
    struct jb_row_input row = {.data = image};
    struct jb_query_result q;
    if (rc == JB_OK) rc = jb_adaptive_run(a, &row, 1, &q);
    jb_adaptive_close(a);
    return rc;
}

static int open_recording(void *user)
{
    (void)user;
    struct jb_recording r = {0};
    int rc = jb_recording_open(&r, model, &schedule, 3, NULL);
    if (rc == JB_OK) rc = jb_recording_add(&r, session, 0, image, 0);
    jb_recording_close(&r);
    return rc;
}

// A model of sequences beside the images' one.
static struct jb_model *words;
static struct jb_session *talk;
static void *words_file;
static struct jb_policy gate;
static const uint32_t tokens[6] = {1, 2, 3, 4, 5, 6};

static int one_query(void *user)
{
    (void)user;
    struct jb_sequence *s = NULL;
    struct jb_sequence_result out;
    struct jb_clock clock = jb_clock_monotonic();
    int rc = jb_sequence_open(&s, talk, &gate, &schedule, 4, &clock, NULL);
    if (rc == JB_OK) rc = jb_sequence_run(s, &(struct jb_sequence_query){.prompt = tokens, .n_prompt = 5, .n_steps = 4}, &out, NULL);
    jb_sequence_close(s);
    return rc;
}

static int recorded_query(void *user)
{
    (void)user;
    struct jb_recording r = {0};
    int rc = jb_recording_open(&r, words, &schedule, 4, NULL);
    if (rc == JB_OK) rc = jb_recording_price(&r, talk, NULL);
    if (rc == JB_OK) rc = jb_recording_add_sequence(&r, talk, &(struct jb_sequence_query){.prompt = tokens, .n_prompt = 2, .n_steps = 4, .target = tokens + 2}, 0, 0, NULL);
    struct jb_calibrated c;
    if (rc == JB_OK) jb_recording_label_by_agreement(&r);
    if (rc == JB_OK) rc = jb_calibrate(&c, &r, "gate", 0.1, true, NULL);
    jb_recording_close(&r);
    return rc;
}

static int open_words(void)
{
    struct jb_synth_opts o;
    struct jb_kernels k;
    size_t n;
    double threshold = 0.5;
    jb_synth_defaults(&o);
    o.kind = "state", o.stages = 4, o.width = 4, o.classes = 12, o.positions = 16;
    jb_kernels_init(&k, 0);
    if (jb_synth_make(&words_file, &n, &o, NULL) || jb_model_open_memory(&words, "words", words_file, n, NULL, 0, &k, &(struct jb_model_opts){0}, NULL)) return -1;
    if (jb_session_open(&talk, words, &(struct jb_session_opts){.max_rows = 3}, NULL)) return -1;
    return jb_policy_make(&gate, "gate", NULL, 0, &threshold, 1, 4, NULL);
}

static int calibrate(void *user)
{
    struct jb_calibrated c;
    return jb_calibrate(&c, &recording, user, 0.1, true, NULL);
}

static int thresholds_file(void *user)
{
    (void)user;
    struct jb_calibrated c = {.policy = "maxprob", .precision = "f32", .target_loss = 0.1, .threshold = {0.5}, .n_exits = 2, .accuracy = 0.5, .macs_mean = 1};
    struct jb_thresholds t = {.split = "calibration", .n = 3, .entries = &c, .n_entries = 1}, back;
    memset(t.model_sha256, 'a', 64);
    memset(t.split_sha256, 'b', 64);
    int rc = jb_thresholds_write(&t, thresholds_path, NULL);
    if (rc == JB_OK) rc = jb_thresholds_read(&back, thresholds_path, NULL);
    if (rc == JB_OK) jb_thresholds_close(&back);
    return rc;
}

static void countdowns(void **state)
{
    (void)state;
    oom_countdown("loop", open_loop, NULL);
    oom_countdown("recording", open_recording, NULL);
    oom_countdown("query", one_query, NULL);
    oom_countdown("recorded query", recorded_query, NULL);
    oom_countdown("calibrate maxprob", calibrate, "maxprob");
    oom_countdown("thresholds file", thresholds_file, NULL);
}

static int setup(void **state)
{
    (void)state;
    struct jb_synth_opts o;
    struct jb_kernels k;
    double threshold = 0.5;
    snprintf(model_path, sizeof model_path, "/tmp/jb_oom_%d.gguf", (int)getpid());
    snprintf(thresholds_path, sizeof thresholds_path, "/tmp/jb_oom_%d.json", (int)getpid());
    jb_synth_defaults(&o);
    o.kind = "cnn";
    jb_kernels_init(&k, jb_cpu_detect());
    if (jb_synth_write(model_path, &o, NULL) || jb_model_open(&model, model_path, &k, &(struct jb_model_opts){0}, NULL) ||
        jb_session_open(&session, model, &(struct jb_session_opts){.max_rows = 8, .threads = 1}, NULL))
        return -1;
    const struct jb_model_info *info = jb_model_info(model);
    image = calloc(1, (size_t)(info->input.h * info->input.w * info->input.c));
    int rc = jb_schedule_parse(&schedule, "f32", info->n_stages, NULL) || jb_policy_make(&policy, "maxprob", NULL, 0, &threshold, 1, info->n_exits, NULL) ||
             jb_recording_open(&recording, model, &schedule, 20, NULL);
    for (uint32_t i = 0; !rc && i < 20; i++) rc = jb_recording_add(&recording, session, i, image, i % 3);
    return rc || !image || open_words() ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    jb_recording_close(&recording);
    jb_session_close(session);
    jb_model_close(model);
    free(image);
    jb_session_close(talk);
    jb_model_close(words);
    free(words_file);
    unlink(model_path);
    unlink(thresholds_path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(countdowns)};
    return cmocka_run_group_tests_name("oom_early_exit", tests, setup, teardown);
}
