// Full-depth recordings of images and what all recordings share. Sequences are added in recording_sequence.c, policies replayed in replay.c.
#include "early_exit/recording.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "early_exit/recorded.h"

// Precision of `stage` on the path of a row that looks at every exit and never stops.
enum jb_precision jb_recorded_precision(const struct jb_recording *r, uint32_t stage)
{
    uint32_t looked_at = 0;
    for (uint32_t k = 0; k < r->n_exits; k++) looked_at += r->exit_stage[k] < stage;
    return jb_schedule_at(&r->schedule, stage, looked_at);
}

static int fill_description(struct jb_recording *r, const struct jb_model_info *info, struct jb_err *err)
{
    r->n_exits = info->n_exits;
    r->n_classes = info->n_classes;
    r->n_stages = info->n_stages;
    memcpy(r->model_sha256, info->sha256, sizeof r->model_sha256);
    for (uint32_t k = 0; k < info->n_exits; k++) {
        r->exit_stage[k] = info->exit_stage[k];
        r->inverse_temperature[k] = (float)(1.0 / info->stages[info->exit_stage[k]].temperature);
    }
    for (uint32_t s = 0; s < info->n_stages; s++) {
        enum jb_precision p = jb_recorded_precision(r, s);
        if (!(info->precisions & 1u << p)) return jb_fail(err, JB_E_UNSUPPORTED, "%s: precision %s cannot run", info->path, jb_precision_name(p));
        r->stage_cost[s] = info->stages[s].cost[p];
        if (info->stages[s].exit < 0) continue;
        r->head_cost[info->stages[s].exit] = info->stages[s].head_cost[p];
        r->has_gate[info->stages[s].exit] = info->stages[s].has_gate;
    }
    return JB_OK;
}

// The arrays of the form that the model's rows and classes ask for. Products fit: at most 2^32 samples of 16 exits and 4096 classes, four bytes each.
static bool take(struct jb_recording *r, const struct jb_model_info *info)
{
    size_t n = r->n, at_exits = n * r->n_exits;
    bool positions = info->row_kind == JB_ROW_POSITION, compact = positions || r->n_classes > JB_MAX_CLASSES, ok = true;
    ok &= (r->label = calloc(n, sizeof *r->label)) != NULL;
    if (!compact) return ok && (r->logits = calloc(at_exits, r->n_classes * sizeof *r->logits)) != NULL;
    ok &= (r->answer = calloc(at_exits, sizeof *r->answer)) != NULL;
    ok &= (r->confidence = calloc(at_exits, JB_MEASURE_COUNT * sizeof *r->confidence)) != NULL;
    if (!positions) return ok;
    ok &= (r->logprob = calloc(at_exits, sizeof *r->logprob)) != NULL;
    ok &= (r->group = calloc(n, sizeof *r->group)) != NULL;
    return ok && (r->position = calloc(n, sizeof *r->position)) != NULL;
}

int jb_recording_open(struct jb_recording *out, const struct jb_model *m, const struct jb_schedule *s, uint32_t n, struct jb_err *err)
{
    const struct jb_model_info *info = jb_model_info(m);
    struct jb_recording r = {.n = n, .schedule = *s};
    if (n < 1) return jb_fail(err, JB_E_RANGE, "%s: a recording needs at least one sample", info->path);
    if (info->n_exits < 1 || info->n_classes < 1 || info->stages[info->n_stages - 1].exit != (int32_t)info->n_exits - 1)
        return jb_fail(err, JB_E_INVALID, "%s: no exit head behind the last stage", info->path);
    int rc = fill_description(&r, info, err);
    if (rc) return rc;
    if (!take(&r, info)) {
        jb_recording_close(&r);
        return jb_fail(err, JB_E_NOMEM, "%s: out of memory for a recording of %u samples", info->path, n);
    }
    for (uint32_t i = 0; i < n; i++) r.label[i] = UINT32_MAX;
    *out = r;
    return JB_OK;
}

void jb_recording_close(struct jb_recording *r)
{
    if (!r) return;
    free(r->logits);
    free(r->label);
    free(r->answer);
    free(r->confidence);
    free(r->logprob);
    free(r->group);
    free(r->position);
    r->logits = r->confidence = r->logprob = NULL;
    r->label = r->answer = r->group = r->position = NULL;
    r->n = 0;
}

static size_t slot(const struct jb_recording *r, uint32_t i, uint32_t exit)
{
    return (size_t)i * r->n_exits + exit;
}

const float *jb_recording_logits(const struct jb_recording *r, uint32_t i, uint32_t exit)
{
    return r->logits ? r->logits + slot(r, i, exit) * r->n_classes : NULL;
}

uint32_t jb_recording_prediction(const struct jb_recording *r, uint32_t i, uint32_t exit)
{
    return r->logits ? jb_argmax(jb_recording_logits(r, i, exit), r->n_classes) : r->answer[slot(r, i, exit)];
}

float jb_recording_confidence(const struct jb_recording *r, uint32_t i, uint32_t exit, enum jb_measure m)
{
    if (m >= JB_MEASURE_COUNT) return NAN;
    if (!r->logits) return r->confidence[slot(r, i, exit) * JB_MEASURE_COUNT + m];
    struct jb_head_row head = {.gate = NAN, .logits = jb_recording_logits(r, i, exit), .n_logits = r->n_classes};
    return jb_measure(m, &head, r->inverse_temperature[exit]);
}

float jb_recording_logprob(const struct jb_recording *r, uint32_t i, uint32_t exit)
{
    return r->logprob ? r->logprob[slot(r, i, exit)] : NAN;
}

void jb_recording_keep(struct jb_recording *r, uint32_t i, uint32_t exit, const struct jb_head_row *head)
{
    if (r->logits) {
        memcpy(r->logits + slot(r, i, exit) * r->n_classes, head->logits, r->n_classes * sizeof(float));
        return;
    }
    r->answer[slot(r, i, exit)] = jb_head_prediction(head);
    for (int m = 0; m < JB_MEASURE_COUNT; m++)
        r->confidence[slot(r, i, exit) * JB_MEASURE_COUNT + (size_t)m] = jb_measure((enum jb_measure)m, head, r->inverse_temperature[exit]);
}

void jb_recording_label_by_agreement(struct jb_recording *r)
{
    for (uint32_t i = 0; i < r->n; i++) r->label[i] = jb_recording_prediction(r, i, r->n_exits - 1);
    r->agreement = true;
}

int jb_recording_add(struct jb_recording *r, struct jb_session *s, uint32_t i, const void *data, uint32_t label)
{
    const struct jb_model_info *info = jb_model_info(jb_session_model(s));
    if (i >= r->n) return JB_E_RANGE;
    if (info->n_exits != r->n_exits || info->n_stages != r->n_stages || info->n_classes != r->n_classes) return JB_E_MISMATCH;
    if (r->group) return JB_E_UNSUPPORTED; // positions come as whole sequences
    const struct jb_row_input row = {.data = data};
    const uint32_t only = 0;
    int rc = jb_session_begin(s, 0, &row, 1, NULL);
    for (uint32_t stage = 0; rc == JB_OK && stage < r->n_stages; stage++) {
        rc = jb_session_run_stage(s, stage, jb_recorded_precision(r, stage), &only, 1, NULL);
        int32_t exit = info->stages[stage].exit;
        if (rc || exit < 0) continue;
        struct jb_head_row head;
        rc = jb_session_run_head(s, stage, &only, 1, JB_WANT_LOGITS | (r->has_gate[exit] ? JB_WANT_GATE : 0), &head, NULL);
        if (rc) break;
        if (head.n_logits != r->n_classes) return JB_E_MISMATCH;
        jb_recording_keep(r, i, (uint32_t)exit, &head);
    }
    if (rc == JB_OK) r->label[i] = label;
    return rc;
}
