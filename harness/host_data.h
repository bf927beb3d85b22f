// Inside the host: what it keeps open.
#ifndef JB_HARNESS_HOST_DATA_H
#define JB_HARNESS_HOST_DATA_H

#include "harness/host.h"
#include "early_exit/sequence.h"
#include "harness/reference.h"
#include "workloads/text/queries.h"

struct jb_host_work {               // an open workload
    char preset[64];
    struct jb_request_param *params; uint32_t n_params; // owned
    struct jb_workload *w;
    uint32_t *order, n_order;       // of the last request, see jb_sample_order
    uint32_t order_split, order_samples;
    uint64_t order_seed;
    struct jb_host_work *next;
};

// A split of a text workload as a model's tokens.
struct jb_host_text {
    const struct jb_model *model;
    const struct jb_host_work *work;
    uint32_t split;
    struct jb_queries *queries;     // owned
    struct jb_host_text *next;
};

struct jb_host_net { char path[1024], exits[1024]; struct jb_model *model; struct jb_host_net *next; };

// One stream of queries: a session and room for what a block records.
struct jb_host_stream {
    struct jb_session *session;     // NULL: the workload runs without a model
    struct jb_adaptive *adaptive;
    struct jb_sequence *sequence;   // text workloads, instead of adaptive
    uint64_t *ttft_ns;              // (n_room) of the sequences that the block ran
    uint32_t *prompt_tokens, *first_query, n_sequences, sequence_room;
    struct jb_row_input *rows;      // (batch)
    struct jb_query_result *results; // (batch)
    uint64_t *latency_ns;           // (capacity)
    uint32_t *sample, *prediction;  // (capacity * batch)
    jb_pattern *pattern;
    uint8_t *exit;
    uint32_t capacity, n_queries;
    uint32_t at;                    // next place in the order of samples
    int rc;
};

// The streams for one model, batch and number of streams; policy and schedule are exchanged from block to block.
struct jb_host_lane {
    const struct jb_model *model;
    struct jb_host_work *work;
    const struct jb_queries *queries; // of a text workload, borrowed from the host; NULL: images. A query of the block is then a token, a place in the order a sequence
    uint32_t batch, n_streams, threads, kv, fill;
    struct jb_host_stream *streams;
    struct jb_policy policy;
    struct jb_schedule schedule;
    struct jb_host_lane *next;
};

struct jb_host {
    struct jb_host_opts o;
    struct jb_machine_files *machine;
    struct jb_machine first, last; bool any_block; // around all blocks
    struct jb_reference *reference;
    struct jb_host_work *works;
    struct jb_host_net *nets;
    struct jb_host_text *texts;
    struct jb_host_lane *lanes;
};

// The lane of a request, ready to run: opened if need be, with its policy and schedule set.
int jb_host_lane_for(struct jb_host *h, const struct jb_block_request *r, struct jb_host_lane **out, struct jb_err *err);
// Text workloads (host_text.c): sequences until the limits are met, as run_queries does for images. *n_tokens: how many were answered.
struct jb_host_limits { uint64_t min_ns, max_ns; uint32_t min_queries, max_queries; };
int jb_host_run_sequences(const struct jb_host *h, const struct jb_host_lane *lane, struct jb_host_stream *s, const struct jb_host_limits *l);
int jb_host_open_sequence(struct jb_host_stream *s, const struct jb_host_lane *lane, const struct jb_host *h, struct jb_err *err);
void jb_host_close_texts(struct jb_host *h);
// Room for so many queries in every stream, touched, so that a block meets no page fault.
int jb_host_room(struct jb_host_lane *lane, uint32_t queries, struct jb_err *err);

#endif
