// Raw figures as they lie on the disk: little-endian, described in docs/run-directory.md. Encoding and decoding only; no files here.
#ifndef JB_HARNESS_RAWFILE_H
#define JB_HARNESS_RAWFILE_H

#include "base/err.h"
#include "runtime/tensor.h"
#include <stddef.h>
#include <stdint.h>

#define JB_RAW_MAX_PATTERNS 256
#define JB_RAW_MAX_ROWS (1u << 26)

// The precisions of a row's executed stages, two bits a stage from the lowest; 3: not executed.
typedef uint32_t jb_pattern;
jb_pattern jb_pattern_of(const uint8_t *precision, uint32_t n_stages);
// Precision of a stage, or 3.
static inline uint32_t jb_pattern_at(jb_pattern p, uint32_t stage) { return p >> (2 * stage) & 3u; }

// One block: every query's latency; of every row (an image of a query) its sample, prediction, exit and pattern. Queries stand stream by stream.
struct jb_raw_block {
    uint32_t n_streams, rows_per_query;
    uint32_t *stream_queries;    // (n_streams)
    uint32_t n_queries, n_rows;  // n_rows = n_queries * rows_per_query
    uint64_t *latency_ns;        // (n_queries)
    uint32_t *sample, *prediction; // (n_rows); sample: index into the split
    uint8_t *exit, *pattern;     // (n_rows); pattern: index into patterns
    jb_pattern patterns[JB_RAW_MAX_PATTERNS]; uint32_t n_patterns;
    // Text workloads (a query is a token): the sequences that the block ran. Theirs, and theirs alone, are the queries first_query[i] to first_query[i + 1] - 1.
    uint32_t n_sequences;        // 0: no text workload
    uint64_t *ttft_ns;           // (n_sequences) from the begin of the prompt to the first answer
    uint32_t *prompt_tokens;     // (n_sequences)
    uint32_t *first_query;       // (n_sequences) rising
};
void jb_raw_block_free(struct jb_raw_block *b); // the arrays, not b
int jb_raw_block_alloc(struct jb_raw_block *b, uint32_t n_streams, uint32_t n_queries, uint32_t rows_per_query);
int jb_raw_block_sequences(struct jb_raw_block *b, uint32_t n); // room for so many; NOMEM
// Index of a pattern, added if new; UINT32_MAX when the table is full.
uint32_t jb_raw_pattern_index(struct jb_raw_block *b, jb_pattern p);
// Owned bytes (free).
int jb_raw_block_encode(const struct jb_raw_block *b, uint8_t **out, size_t *n_bytes);
int jb_raw_block_decode(struct jb_raw_block *b, const uint8_t *data, size_t n_bytes, struct jb_err *err); // checks every count and index

// What the accuracy pass found for every sample of a cell.
struct jb_raw_samples {
    uint32_t n;
    uint32_t *index, *label, *prediction; // label UINT32_MAX: none
    float *score;                         // confidence at the exit; NAN: the policy has none
    jb_pattern *pattern;
    uint8_t *exit;
    // Text workloads (a sample is an answered token); all three or none
    uint32_t *query;                      // of the split, which the answer belongs to: answers of one query depend on each other
    uint32_t *full;                       // what the full model answers there; UINT32_MAX: not known
    float *logprob;                       // of the label, natural; NAN: not known
};
void jb_raw_samples_free(struct jb_raw_samples *s);
int jb_raw_samples_alloc(struct jb_raw_samples *s, uint32_t n);
int jb_raw_samples_text(struct jb_raw_samples *s); // room for the columns of a text workload, n as allocated; NOMEM: free as usual
int jb_raw_samples_encode(const struct jb_raw_samples *s, uint8_t **out, size_t *n_bytes);
int jb_raw_samples_decode(struct jb_raw_samples *s, const uint8_t *data, size_t n_bytes, struct jb_err *err);

#endif
