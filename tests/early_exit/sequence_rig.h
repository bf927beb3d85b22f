// A tiny sequence model of the stateful test family, and sessions of it.
#ifndef JB_TESTS_SEQUENCE_RIG_H
#define JB_TESTS_SEQUENCE_RIG_H

#include "tests/early_exit/unit.h"

#include "base/cpu.h"
#include <unistd.h>
#include "early_exit/score.h"
#include "early_exit/sequence.h"
#include "runtime/synth.h"

#define RIG_STAGES 5
#define RIG_VOCAB 24
#define RIG_POSITIONS 160

struct seq_rig {
    void *file;
    struct jb_model *model;
    const struct jb_model_info *info;
    struct jb_schedule schedule;
    struct jb_fake_clock time;
    struct jb_clock clock;
    uint32_t text[RIG_POSITIONS]; // random tokens
};

static inline void seq_rig_open(struct seq_rig *r, uint64_t seed)
{
    struct jb_synth_opts o;
    struct jb_kernels k;
    struct jb_err err = {0};
    size_t n;
    memset(r, 0, sizeof *r);
    jb_synth_defaults(&o);
    o.kind = "state", o.stages = RIG_STAGES, o.width = 6, o.classes = RIG_VOCAB, o.positions = RIG_POSITIONS, o.encoder = 0, o.seed = seed;
    jb_kernels_init(&k, 0);
    if (jb_synth_make(&r->file, &n, &o, &err) || jb_model_open_memory(&r->model, "rig", r->file, n, NULL, 0, &k, &(struct jb_model_opts){0}, &err)) fail_msg("%s", err.detail);
    r->info = jb_model_info(r->model);
    assert_int_equal(jb_schedule_parse(&r->schedule, "f32", RIG_STAGES, NULL), 0);
    r->time.step_ns = 10;
    r->clock = jb_clock_fake(&r->time);
    struct jb_rng rng;
    jb_rng_seed(&rng, seed);
    for (uint32_t i = 0; i < RIG_POSITIONS; i++) r->text[i] = (uint32_t)jb_rng_below(&rng, RIG_VOCAB);
}

static inline void seq_rig_close(struct seq_rig *r)
{
    jb_model_close(r->model);
    free(r->file);
}

static inline struct jb_session *seq_rig_session(struct seq_rig *r, uint32_t rows, uint32_t positions)
{
    struct jb_session *s = NULL;
    struct jb_err err = {0};
    if (jb_session_open(&s, r->model, &(struct jb_session_opts){.max_rows = rows, .max_positions = positions}, &err)) fail_msg("%s", err.detail);
    return s;
}

#endif
