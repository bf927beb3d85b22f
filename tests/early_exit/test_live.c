// The loop on real sessions of a synthetic network: live equals replayed bit for bit, at every precision and in batches, and it allocates nothing.
#include "tests/early_exit/unit.h"

#include <malloc.h>
#include <unistd.h>
#include "base/cpu.h"
#include "early_exit/adaptive.h"
#include "runtime/synth.h"

#define N_IMAGES 32
#define ROWS 8

struct rig {
    char path[64];
    struct jb_model *model;
    const struct jb_model_info *info;
    struct jb_session *session;
    uint8_t *images;
    size_t image_bytes;
};

static int rig_open(void **state)
{
    static struct rig r;
    struct jb_synth_opts o;
    struct jb_kernels k;
    struct jb_err err = {0};
    jb_synth_defaults(&o);
    o.kind = "cnn";
    o.stages = 4;
    o.seed = 9;
    snprintf(r.path, sizeof r.path, "/tmp/jb_live_%d.gguf", (int)getpid());
    jb_kernels_init(&k, jb_cpu_detect());
    if (jb_synth_write(r.path, &o, &err) || jb_model_open(&r.model, r.path, &k, &(struct jb_model_opts){0}, &err) ||
        jb_session_open(&r.session, r.model, &(struct jb_session_opts){.max_rows = ROWS, .threads = 1}, &err)) {
        print_message("%s\n", err.detail);
        return -1;
    }
    r.info = jb_model_info(r.model);
    r.image_bytes = (size_t)(r.info->input.h * r.info->input.w * r.info->input.c);
    r.images = malloc(N_IMAGES * r.image_bytes);
    struct jb_rng rng;
    jb_rng_seed(&rng, 5);
    for (size_t i = 0; r.images && i < N_IMAGES * r.image_bytes; i++) r.images[i] = (uint8_t)jb_rng_below(&rng, 256);
    *state = &r;
    return r.images ? 0 : -1;
}

static int rig_close(void **state)
{
    struct rig *r = *state;
    jb_session_close(r->session);
    jb_model_close(r->model);
    free(r->images);
    unlink(r->path);
    return 0;
}

static void record(struct rig *r, struct jb_recording *rec, const char *schedule)
{
    struct jb_schedule s;
    struct jb_err err = {0};
    assert_int_equal(jb_schedule_parse(&s, schedule, r->info->n_stages, NULL), 0);
    if (jb_recording_open(rec, r->model, &s, N_IMAGES, &err)) fail_msg("%s: %s", schedule, err.detail);
    for (uint32_t i = 0; i < N_IMAGES; i++) assert_int_equal(jb_recording_add(rec, r->session, i, r->images + i * r->image_bytes, i % rec->n_classes), 0);
}

// A threshold that splits the images: the median confidence at exit 0.
static double median_confidence(const struct jb_recording *rec, const char *name)
{
    struct jb_policy never = unit_threshold_policy(name, JB_THRESHOLD_NEVER, rec->n_exits);
    double c[N_IMAGES];
    for (uint32_t i = 0; i < N_IMAGES; i++) {
        struct jb_query_result q;
        assert_int_equal(jb_recording_replay(rec, &never, i, &q), 0);
        c[i] = q.confidence[0];
    }
    for (int i = 0; i < N_IMAGES; i++)
        for (int j = i + 1; j < N_IMAGES; j++)
            if (c[j] < c[i]) { double t = c[i]; c[i] = c[j]; c[j] = t; }
    return c[N_IMAGES / 2];
}

static uint32_t compare(struct rig *r, const struct jb_recording *rec, const struct jb_policy *p, uint32_t batch)
{
    struct jb_adaptive *a;
    struct jb_query_result live[ROWS], replayed;
    uint32_t early = 0;
    assert_int_equal(jb_adaptive_open(&a, r->session, p, &rec->schedule, ROWS, NULL), 0);
    for (uint32_t i = 0; i < N_IMAGES; i += batch) {
        struct jb_row_input rows[ROWS] = {0};
        for (uint32_t k = 0; k < batch; k++) rows[k].data = r->images + (i + k) * r->image_bytes;
        assert_int_equal(jb_adaptive_run(a, rows, batch, live), 0);
        for (uint32_t k = 0; k < batch; k++) {
            int rc = jb_recording_replay(rec, p, i + k, &replayed);
            if (rc == JB_E_UNSUPPORTED && rec->schedule.escalate && !p->ops->needs) continue;
            assert_int_equal(rc, 0);
            if (memcmp(&live[k], &replayed, sizeof replayed) != 0)
                fail_msg("%s at %s, batch %u, image %u: exit %u against %u", p->ops->name, rec->schedule.text, batch, i + k, live[k].exit, replayed.exit);
            early += replayed.exit + 1 < rec->n_exits;
        }
    }
    jb_adaptive_close(a);
    return early;
}

static void live_equals_replay(void **state)
{
    struct rig *r = *state;
    const char *const schedules[] = {"f32", "int8", "int4", "int8,int8,f32", "escalate:int4>int8", "escalate:int8>f32"};
    const char *const measures[] = {"maxprob", "margin", "entropy"};
    for (size_t s = 0; s < N_ELEMENTS(schedules); s++) {
        struct jb_recording rec;
        record(r, &rec, schedules[s]);
        for (uint32_t batch = 1; batch <= ROWS; batch *= ROWS) {
            for (size_t m = 0; m < N_ELEMENTS(measures); m++) {
                struct jb_policy p = unit_threshold_policy(measures[m], median_confidence(&rec, measures[m]), rec.n_exits);
                uint32_t early = compare(r, &rec, &p, batch);
                assert_true(early >= N_IMAGES / 2 && early <= N_IMAGES);
            }
            struct jb_policy others[] = {unit_param_policy("final", NULL, 0, rec.n_exits), unit_param_policy("fixed", "k", 1, rec.n_exits),
                                         unit_param_policy("patience", "t", 1, rec.n_exits)};
            for (size_t k = 0; k < N_ELEMENTS(others); k++) compare(r, &rec, &others[k], batch);
        }
        jb_recording_close(&rec);
    }
}

static void queries_allocate_nothing(void **state)
{
    struct rig *r = *state;
    struct jb_adaptive *a;
    struct jb_schedule s;
    struct jb_query_result out[ROWS];
    struct jb_row_input rows[ROWS] = {0};
    struct jb_policy p = unit_threshold_policy("entropy", 0.1, r->info->n_exits);
    assert_int_equal(jb_schedule_parse(&s, "escalate:int4>int8", r->info->n_stages, NULL), 0);
    assert_int_equal(jb_adaptive_open(&a, r->session, &p, &s, ROWS, NULL), 0);
    for (uint32_t k = 0; k < ROWS; k++) rows[k].data = r->images + k * r->image_bytes;
    struct mallinfo2 before = mallinfo2();
    for (int i = 0; i < 20; i++) assert_int_equal(jb_adaptive_run(a, rows, ROWS, out), 0);
    struct mallinfo2 after = mallinfo2();
    assert_true(before.uordblks == after.uordblks && before.hblkhd == after.hblkhd);
    jb_adaptive_close(a);
}

static void costs_are_the_models(void **state)
{
    struct rig *r = *state;
    struct jb_recording rec;
    record(r, &rec, "int8");
    for (uint32_t k = 0; k < rec.n_exits; k++) {
        struct jb_policy fixed = unit_param_policy("fixed", "k", k, rec.n_exits);
        struct jb_query_result q;
        struct jb_cost want = jb_recording_cost(&rec, k, false);
        assert_int_equal(jb_recording_replay(&rec, &fixed, 0, &q), 0);
        assert_memory_equal(&q.cost, &want, sizeof want);
        assert_true(jb_cost_macs(&want) > 0 && jb_cost_bytes(&want) > 0);
    }
    jb_recording_close(&rec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(live_equals_replay), cmocka_unit_test(queries_allocate_nothing), cmocka_unit_test(costs_are_the_models)};
    return cmocka_run_group_tests_name("live", tests, rig_open, rig_close);
}
