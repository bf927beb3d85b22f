// One block of measuring as plain data: a worker process that gets this text measures exactly the same block.
#ifndef JB_HARNESS_REQUEST_H
#define JB_HARNESS_REQUEST_H

#include "base/hash.h"
#include "harness/facts.h"

#define JB_REQUEST_SCHEMA "joulebench.block/1"
#define JB_REQUEST_MAX_PARAMS 16

struct jb_request_param { char name[64], value[1024]; };

struct jb_block_request {
    char cell[JB_HASH_HEX];              // id of the cell; for names in messages
    uint32_t repetition;
    // What is run
    char workload[64];                   // row of the workload table
    struct jb_request_param workload_params[JB_REQUEST_MAX_PARAMS]; uint32_t n_workload_params;
    uint32_t split;                      // enum jb_split
    uint32_t n_samples;                  // 0: the whole split; else the first n of a seeded order
    char model_path[1024], exits_path[1024]; // empty: none
    char model_sha256[JB_HASH_HEX];      // checked when not empty: MISMATCH
    char precision[96], policy[32];
    struct jb_request_number params[JB_PLAN_MAX_PARAMS]; uint32_t n_params;
    double threshold[JB_MAX_STAGES]; uint32_t n_thresholds;
    uint32_t kv, fill;                   // of language models: enum jb_kv_kind, enum jb_fill
    // How it is run
    uint32_t scenario, batch, threads, streams; // batch: rows of a query
    uint64_t seed;                       // order of the samples; `repetition` chooses where in it the block starts
    uint32_t repetitions;                // blocks planned: their starts are spread over the samples
    uint64_t block_ns, lead_in_ns, max_ns; // ends at block_ns once min_queries are done, at max_ns in any case
    uint32_t min_queries;                // of each stream
    uint64_t query_ns;                   // no query is expected to take less: sizes the room of a long block; 0: not known
};

// Text owned by the caller (free), NULL on out of memory.
char *jb_request_to_json(const struct jb_block_request *r);
int jb_request_from_json(struct jb_block_request *out, const char *name, const char *text, size_t n_bytes, struct jb_err *err);

#endif
