// The host: what is open and how long. Running blocks is in block.c.
#include "harness/host_data.h"

#include "base/rng.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SEQUENCES 65536u // of one stream in one block

int jb_host_open(struct jb_host **out, const struct jb_host_opts *o, struct jb_err *err)
{
    struct jb_host *h = calloc(1, sizeof *h);
    if (!h) return jb_fail(err, JB_E_NOMEM, "host");
    h->o = *o;
    if (jb_machine_open(&h->machine, o->machine_root) || jb_reference_open(&h->reference)) {
        jb_host_close(h);
        return jb_fail(err, JB_E_NOMEM, "host");
    }
    *out = h;
    return 0;
}

static void free_room(struct jb_host_stream *s)
{
    free(s->latency_ns);
    free(s->sample);
    free(s->prediction);
    free(s->pattern);
    free(s->exit);
    free(s->ttft_ns);
    free(s->prompt_tokens);
    free(s->first_query);
    s->ttft_ns = NULL;
    s->prompt_tokens = s->first_query = NULL;
    s->sequence_room = 0;
    s->latency_ns = NULL;
    s->sample = s->prediction = NULL;
    s->pattern = NULL;
    s->exit = NULL;
    s->capacity = 0;
}

static void close_lane(struct jb_host_lane *lane)
{
    for (uint32_t i = 0; lane->streams && i < lane->n_streams; i++) {
        struct jb_host_stream *s = &lane->streams[i];
        jb_adaptive_close(s->adaptive);
        jb_sequence_close(s->sequence);
        jb_session_close(s->session);
        free(s->rows);
        free(s->results);
        free_room(s);
    }
    free(lane->streams);
    free(lane);
}

void jb_host_drop_models(struct jb_host *h)
{
    while (h->lanes) {
        struct jb_host_lane *lane = h->lanes;
        h->lanes = lane->next;
        close_lane(lane);
    }
    jb_host_close_texts(h);
    while (h->nets) {
        struct jb_host_net *net = h->nets;
        h->nets = net->next;
        jb_model_close(net->model);
        free(net);
    }
}

static void close_work(struct jb_host_work *k)
{
    jb_workload_close(k->w);
    free(k->params);
    free(k->order);
    free(k);
}

void jb_host_close(struct jb_host *h)
{
    if (!h) return;
    jb_host_drop_models(h);
    while (h->works) {
        struct jb_host_work *k = h->works;
        h->works = k->next;
        close_work(k);
    }
    jb_machine_close(h->machine);
    jb_reference_close(h->reference);
    free(h);
}

// ---- workloads ----

static bool same_params(const struct jb_request_param *a, uint32_t n_a, const struct jb_request_param *b, uint32_t n_b)
{
    if (n_a != n_b) return false;
    for (uint32_t i = 0; i < n_a; i++)
        if (strcmp(a[i].name, b[i].name) || strcmp(a[i].value, b[i].value)) return false;
    return true;
}

static int open_work(struct jb_host *h, struct jb_host_work *k, struct jb_err *err)
{
    struct jb_workload_param list[JB_REQUEST_MAX_PARAMS];
    for (uint32_t i = 0; i < k->n_params; i++) list[i] = (struct jb_workload_param){ k->params[i].name, k->params[i].value };
    struct jb_workload_opts o = { .paths = h->o.paths, .params = list, .n_params = k->n_params };
    return jb_workload_open(&k->w, k->preset, &o, err);
}

static int find_work(struct jb_host *h, const char *preset, const struct jb_request_param *params, uint32_t n_params, struct jb_host_work **out, struct jb_err *err)
{
    for (struct jb_host_work *k = h->works; k; k = k->next)
        if (!strcmp(k->preset, preset) && same_params(k->params, k->n_params, params, n_params)) {
            *out = k;
            return 0;
        }
    if (n_params > JB_REQUEST_MAX_PARAMS) return jb_fail(err, JB_E_RANGE, "workload %s: more than %d parameters", preset, JB_REQUEST_MAX_PARAMS);
    struct jb_host_work *k = calloc(1, sizeof *k);
    if (!k || !(k->params = calloc((size_t)n_params + 1, sizeof *k->params))) {
        free(k);
        return jb_fail(err, JB_E_NOMEM, "workload %s", preset);
    }
    snprintf(k->preset, sizeof k->preset, "%s", preset);
    if (n_params) memcpy(k->params, params, n_params * sizeof *params);
    k->n_params = n_params;
    int rc = open_work(h, k, err);
    if (rc) {
        close_work(k);
        return rc;
    }
    k->next = h->works;
    h->works = k;
    *out = k;
    return 0;
}

int jb_host_workload(struct jb_host *h, const char *preset, const struct jb_request_param *params, uint32_t n_params, struct jb_workload **out, struct jb_err *err)
{
    struct jb_host_work *k = NULL;
    int rc = find_work(h, preset, params, n_params, &k, err);
    if (!rc) *out = k->w;
    return rc;
}

int jb_sample_order(const struct jb_workload_info *info, enum jb_split split, uint32_t n_samples, uint64_t seed, uint32_t **out, uint32_t *n)
{
    uint32_t all = info->n[split];
    struct jb_rng rng;
    uint32_t *order = malloc(((size_t)all + 1) * sizeof *order);
    if (!order) return JB_E_NOMEM;
    for (uint32_t i = 0; i < all; i++) order[i] = i;
    jb_rng_seed_named(&rng, seed, "samples");
    jb_rng_shuffle_u32(&rng, order, all);
    *n = n_samples && n_samples < all ? n_samples : all;
    *out = order;
    return 0;
}

static int order_for(struct jb_host_work *k, const struct jb_block_request *r, struct jb_err *err)
{
    if (k->order && k->order_split == r->split && k->order_samples == r->n_samples && k->order_seed == r->seed) return 0;
    uint32_t *order, n;
    if (jb_sample_order(jb_workload_info(k->w), (enum jb_split)r->split, r->n_samples, r->seed, &order, &n)) return jb_fail(err, JB_E_NOMEM, "order of samples");
    free(k->order);
    k->order = order;
    k->n_order = n;
    k->order_split = r->split;
    k->order_samples = r->n_samples;
    k->order_seed = r->seed;
    return n ? 0 : jb_fail(err, JB_E_INVALID, "workload %s: split %s has no samples", r->workload, jb_split_name((enum jb_split)r->split));
}

// ---- models ----

int jb_host_model(struct jb_host *h, const char *path, const char *exits_path, const struct jb_model **out, struct jb_err *err)
{
    const char *exits = exits_path ? exits_path : "";
    for (struct jb_host_net *net = h->nets; net; net = net->next)
        if (!strcmp(net->path, path) && !strcmp(net->exits, exits)) {
            *out = net->model;
            return 0;
        }
    struct jb_host_net *net = calloc(1, sizeof *net);
    if (!net) return jb_fail(err, JB_E_NOMEM, "model");
    int rc = 0;
    if ((size_t)snprintf(net->path, sizeof net->path, "%s", path) >= sizeof net->path || (size_t)snprintf(net->exits, sizeof net->exits, "%s", exits) >= sizeof net->exits)
        rc = jb_fail(err, JB_E_RANGE, "%.200s...: the path is too long", path);
    struct jb_model_opts o = { .exits_path = *exits ? exits : NULL };
    if (!rc) rc = jb_model_open(&net->model, path, h->o.kernels, &o, err);
    if (rc) {
        free(net);
        return rc;
    }
    net->next = h->nets;
    h->nets = net;
    *out = net->model;
    return 0;
}

// ---- lanes ----

static int open_stream(const struct jb_host *h, struct jb_host_stream *s, struct jb_host_lane *lane, struct jb_err *err)
{
    s->rows = calloc(lane->batch, sizeof *s->rows);
    s->results = calloc(lane->batch, sizeof *s->results);
    if (!s->rows || !s->results) return jb_fail(err, JB_E_NOMEM, "stream");
    if (!lane->model) return 0;
    if (lane->queries) return jb_host_open_sequence(s, lane, h, err);
    struct jb_session_opts o = { .max_rows = lane->batch, .threads = lane->threads };
    int rc = jb_session_open(&s->session, lane->model, &o, err);
    return rc ? rc : jb_adaptive_open(&s->adaptive, s->session, &lane->policy, &lane->schedule, lane->batch, err);
}

static int new_lane(struct jb_host *h, const struct jb_model *model, struct jb_host_work *work, const struct jb_queries *queries, const struct jb_block_request *r, const struct jb_policy *policy,
                    const struct jb_schedule *schedule, struct jb_host_lane **out, struct jb_err *err)
{
    struct jb_host_lane *lane = calloc(1, sizeof *lane);
    if (!lane || !(lane->streams = calloc(r->streams, sizeof *lane->streams))) {
        free(lane);
        return jb_fail(err, JB_E_NOMEM, "streams");
    }
    lane->model = model;
    lane->work = work;
    lane->batch = r->batch;
    lane->n_streams = r->streams;
    lane->queries = queries;
    lane->threads = r->threads;
    lane->kv = r->kv;
    lane->fill = r->fill;
    lane->policy = *policy;
    lane->schedule = *schedule;
    int rc = 0;
    for (uint32_t i = 0; i < r->streams && !rc; i++) rc = open_stream(h, &lane->streams[i], lane, err);
    if (rc) {
        close_lane(lane);
        return rc;
    }
    lane->next = h->lanes;
    h->lanes = lane;
    *out = lane;
    return 0;
}

static bool same_shape(struct jb_shape a, struct jb_shape b) { return a.h == b.h && a.w == b.w && a.c == b.c; }

int jb_host_fits(const struct jb_model_info *info, const char *path, const struct jb_workload_info *work, const char *workload, struct jb_err *err)
{
    bool text = !strcmp(work->unit, "token");
    if (info->row_kind != JB_ROW_IMAGE) return text ? 0 : jb_fail(err, JB_E_MISMATCH, "%s: takes token sequences; workload %s gives images", path, workload);
    if (text) return jb_fail(err, JB_E_MISMATCH, "%s: takes images; workload %s gives text", path, workload);
    if (!same_shape(info->input, work->shape) || info->n_classes < work->n_classes)
        return jb_fail(err, JB_E_MISMATCH, "%s: takes %dx%dx%d and knows %u classes; workload %s gives %dx%dx%d and %u", path, info->input.h, info->input.w,
                       info->input.c, info->n_classes, workload, work->shape.h, work->shape.w, work->shape.c, work->n_classes);
    return 0;
}

static int check_model(const struct jb_model *m, const struct jb_block_request *r, const struct jb_workload_info *work, struct jb_err *err)
{
    const struct jb_model_info *info = jb_model_info(m);
    if (r->model_sha256[0] && strcmp(r->model_sha256, info->sha256)) return jb_fail(err, JB_E_MISMATCH, "%s: is not the file that was asked for (another SHA-256)", r->model_path);
    return jb_host_fits(info, r->model_path, work, r->workload, err);
}

static int policy_for(const struct jb_block_request *r, uint32_t n_exits, struct jb_policy *out, struct jb_err *err)
{
    struct jb_param params[JB_PLAN_MAX_PARAMS];
    for (uint32_t i = 0; i < r->n_params; i++) params[i] = (struct jb_param){ r->params[i].name, r->params[i].value };
    return jb_policy_make(out, r->policy, params, r->n_params, r->n_thresholds ? r->threshold : NULL, r->n_thresholds, n_exits, err);
}

int jb_host_lane_for(struct jb_host *h, const struct jb_block_request *r, struct jb_host_lane **out, struct jb_err *err)
{
    struct jb_host_work *work = NULL;
    const struct jb_model *model = NULL;
    struct jb_policy policy = { 0 };
    struct jb_schedule schedule = { 0 };
    int rc = find_work(h, r->workload, r->workload_params, r->n_workload_params, &work, err);
    if (!rc) rc = order_for(work, r, err);
    if (!rc && r->model_path[0]) {
        rc = jb_host_model(h, r->model_path, r->exits_path, &model, err);
        if (!rc) rc = check_model(model, r, jb_workload_info(work->w), err);
        if (!rc) rc = policy_for(r, jb_model_info(model)->n_exits, &policy, err);
        if (!rc) rc = jb_schedule_parse(&schedule, r->precision, jb_model_info(model)->n_stages, err);
    } else if (!rc && jb_workload_needs_model(work->w)) {
        rc = jb_fail(err, JB_E_INVALID, "workload %s needs a model", r->workload);
    }
    const struct jb_queries *queries = NULL;
    bool text = !rc && jb_workload_is_text(work->w);
    if (!rc && text) rc = jb_host_queries(h, model, work->w, (enum jb_split)r->split, &queries, err);
    if (!rc && text && r->batch != 1) rc = jb_fail(err, JB_E_UNSUPPORTED, "workload %s: a batch of %u queries (sequences run one by one; use streams)", r->workload, r->batch);
    if (!rc && !text && r->threads > 1) rc = jb_fail(err, JB_E_UNAVAILABLE, "threads > 1 inside one session: image networks have none; use streams");
    if (rc) return rc;
    struct jb_host_lane *lane = h->lanes;
    while (lane && !(lane->model == model && lane->work == work && lane->queries == queries && lane->batch == r->batch && lane->n_streams == r->streams && lane->threads == r->threads &&
                     lane->kv == r->kv && lane->fill == r->fill)) lane = lane->next;
    if (!lane && (rc = new_lane(h, model, work, queries, r, &policy, &schedule, &lane, err))) return rc;
    lane->policy = policy;
    lane->schedule = schedule;
    for (uint32_t i = 0; model && i < lane->n_streams; i++) {
        if (queries) jb_sequence_set(lane->streams[i].sequence, &lane->policy, &lane->schedule);
        else jb_adaptive_set(lane->streams[i].adaptive, &lane->policy, &lane->schedule);
    }
    *out = lane;
    return 0;
}

int jb_host_room(struct jb_host_lane *lane, uint32_t queries, struct jb_err *err)
{
    for (uint32_t i = 0; i < lane->n_streams; i++) {
        struct jb_host_stream *s = &lane->streams[i];
        if (s->capacity >= queries) continue;
        size_t rows = (size_t)queries * lane->batch;
        free_room(s);
        s->latency_ns = malloc(queries * sizeof *s->latency_ns);
        s->sample = malloc(rows * sizeof *s->sample);
        s->prediction = malloc(rows * sizeof *s->prediction);
        s->pattern = malloc(rows * sizeof *s->pattern);
        s->exit = malloc(rows);
        if (!s->latency_ns || !s->sample || !s->prediction || !s->pattern || !s->exit) return jb_fail(err, JB_E_NOMEM, "room for %u queries", queries);
        if (lane->queries) {
            s->sequence_room = queries < MAX_SEQUENCES ? queries : MAX_SEQUENCES;
            s->ttft_ns = calloc(s->sequence_room, sizeof *s->ttft_ns);
            s->prompt_tokens = calloc(s->sequence_room, sizeof *s->prompt_tokens);
            s->first_query = calloc(s->sequence_room, sizeof *s->first_query);
            if (!s->ttft_ns || !s->prompt_tokens || !s->first_query) return jb_fail(err, JB_E_NOMEM, "room for %u sequences", s->sequence_room);
        }
        memset(s->latency_ns, 1, queries * sizeof *s->latency_ns); // 1: a compiler must not turn malloc and zeros into untouched pages
        memset(s->sample, 1, rows * sizeof *s->sample);
        memset(s->prediction, 1, rows * sizeof *s->prediction);
        memset(s->pattern, 1, rows * sizeof *s->pattern);
        memset(s->exit, 1, rows);
        s->capacity = queries;
    }
    return 0;
}

size_t jb_host_session_bytes(const struct jb_host *h, const struct jb_block_request *r)
{
    for (const struct jb_host_net *net = h->nets; net; net = net->next) {
        if (strcmp(net->path, r->model_path) || strcmp(net->exits, r->exits_path)) continue;
        for (const struct jb_host_lane *lane = h->lanes; lane; lane = lane->next) {
            if (lane->model != net->model || lane->batch != r->batch || lane->n_streams != r->streams || lane->threads != r->threads || lane->kv != r->kv || lane->fill != r->fill) continue;
            size_t sum = 0;
            for (uint32_t i = 0; i < lane->n_streams; i++)
                sum += jb_session_bytes(lane->streams[i].session) + (lane->queries ? jb_sequence_bytes(lane->streams[i].sequence) : jb_adaptive_bytes(lane->streams[i].adaptive));
            return sum;
        }
    }
    return 0;
}
