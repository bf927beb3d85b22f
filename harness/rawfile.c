// Raw figures as they lie on the disk. Every column is little-endian whatever the machine.
#include "harness/rawfile.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MAGIC "JBBLOCK1"
#define SAMPLES_MAGIC "JBSAMPL1"
#define BLOCK_HEADER 32u
#define SAMPLES_HEADER 16u
#define SAMPLES_TEXT 1u // flag in the header: the columns of a text workload follow

jb_pattern jb_pattern_of(const uint8_t *precision, uint32_t n_stages)
{
    jb_pattern p = 0;
    for (uint32_t s = 0; s < JB_MAX_STAGES; s++) p |= (jb_pattern)(s < n_stages ? precision[s] & 3u : 3u) << (2 * s);
    return p;
}

static uint8_t *put32(uint8_t *at, uint32_t v)
{
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(v >> (8 * i));
    return at + 4;
}

static uint8_t *put64(uint8_t *at, uint64_t v) { return put32(put32(at, (uint32_t)v), (uint32_t)(v >> 32)); }
static uint32_t get32(const uint8_t *at) { return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24; }
static uint64_t get64(const uint8_t *at) { return get32(at) | (uint64_t)get32(at + 4) << 32; }

static uint8_t *put_column32(uint8_t *at, const uint32_t *v, size_t n)
{
    for (size_t i = 0; i < n; i++) at = put32(at, v[i]);
    return at;
}

static const uint8_t *get_column32(const uint8_t *at, uint32_t *v, size_t n)
{
    for (size_t i = 0; i < n; i++, at += 4) v[i] = get32(at);
    return at;
}

// ---- blocks ----

void jb_raw_block_free(struct jb_raw_block *b)
{
    free(b->stream_queries);
    free(b->latency_ns);
    free(b->sample);
    free(b->prediction);
    free(b->exit);
    free(b->pattern);
    free(b->ttft_ns);
    free(b->prompt_tokens);
    free(b->first_query);
    *b = (struct jb_raw_block){ 0 };
}

int jb_raw_block_sequences(struct jb_raw_block *b, uint32_t n)
{
    b->ttft_ns = calloc((size_t)n + 1, sizeof *b->ttft_ns);
    b->prompt_tokens = calloc((size_t)n + 1, sizeof *b->prompt_tokens);
    b->first_query = calloc((size_t)n + 1, sizeof *b->first_query);
    b->n_sequences = n;
    return b->ttft_ns && b->prompt_tokens && b->first_query ? 0 : JB_E_NOMEM;
}

int jb_raw_block_alloc(struct jb_raw_block *b, uint32_t n_streams, uint32_t n_queries, uint32_t rows_per_query)
{
    *b = (struct jb_raw_block){ .n_streams = n_streams, .rows_per_query = rows_per_query, .n_queries = n_queries };
    uint64_t rows = (uint64_t)n_queries * rows_per_query;
    if (rows > JB_RAW_MAX_ROWS) return JB_E_RANGE;
    b->n_rows = (uint32_t)rows;
    b->stream_queries = calloc((size_t)n_streams + 1, sizeof *b->stream_queries);
    b->latency_ns = calloc((size_t)n_queries + 1, sizeof *b->latency_ns);
    b->sample = calloc((size_t)rows + 1, sizeof *b->sample);
    b->prediction = calloc((size_t)rows + 1, sizeof *b->prediction);
    b->exit = calloc((size_t)rows + 1, 1);
    b->pattern = calloc((size_t)rows + 1, 1);
    if (b->stream_queries && b->latency_ns && b->sample && b->prediction && b->exit && b->pattern) return 0;
    jb_raw_block_free(b);
    return JB_E_NOMEM;
}

uint32_t jb_raw_pattern_index(struct jb_raw_block *b, jb_pattern p)
{
    for (uint32_t i = 0; i < b->n_patterns; i++)
        if (b->patterns[i] == p) return i;
    if (b->n_patterns == JB_RAW_MAX_PATTERNS) return UINT32_MAX;
    b->patterns[b->n_patterns] = p;
    return b->n_patterns++;
}

static uint8_t *put_floats(uint8_t *at, const float *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &v[i], 4);
        at = put32(at, bits);
    }
    return at;
}

static const uint8_t *get_floats(const uint8_t *at, float *v, size_t n)
{
    for (size_t i = 0; i < n; i++, at += 4) {
        uint32_t bits = get32(at);
        memcpy(&v[i], &bits, 4);
    }
    return at;
}

static size_t block_bytes(uint64_t n_streams, uint64_t n_queries, uint64_t n_rows, uint64_t n_patterns, uint64_t n_sequences)
{
    return (size_t)(BLOCK_HEADER + 4 * n_streams + 4 * n_patterns + 8 * n_queries + (4 + 4 + 1 + 1) * n_rows + (8 + 4 + 4) * n_sequences);
}

int jb_raw_block_encode(const struct jb_raw_block *b, uint8_t **out, size_t *n_bytes)
{
    size_t n = block_bytes(b->n_streams, b->n_queries, b->n_rows, b->n_patterns, b->n_sequences);
    uint8_t *data = malloc(n), *at = data;
    if (!data) return JB_E_NOMEM;
    memcpy(at, BLOCK_MAGIC, 8);
    at = put32(at + 8, b->n_streams);
    at = put32(at, b->rows_per_query);
    at = put32(at, b->n_queries);
    at = put32(at, b->n_rows);
    at = put32(at, b->n_patterns);
    at = put32(at, b->n_sequences);
    at = put_column32(at, b->stream_queries, b->n_streams);
    at = put_column32(at, b->patterns, b->n_patterns);
    for (uint32_t i = 0; i < b->n_queries; i++) at = put64(at, b->latency_ns[i]);
    at = put_column32(at, b->sample, b->n_rows);
    at = put_column32(at, b->prediction, b->n_rows);
    memcpy(at, b->exit, b->n_rows);
    memcpy(at + b->n_rows, b->pattern, b->n_rows);
    at += 2 * (size_t)b->n_rows;
    for (uint32_t i = 0; i < b->n_sequences; i++) at = put64(at, b->ttft_ns[i]);
    at = put_column32(at, b->prompt_tokens, b->n_sequences);
    put_column32(at, b->first_query, b->n_sequences);
    *out = data;
    *n_bytes = n;
    return 0;
}

static int read_columns(struct jb_raw_block *b, const uint8_t *at, struct jb_err *err)
{
    uint64_t sum = 0;
    at = get_column32(at, b->stream_queries, b->n_streams);
    at = get_column32(at, b->patterns, b->n_patterns);
    for (uint32_t i = 0; i < b->n_streams; i++) sum += b->stream_queries[i];
    for (uint32_t i = 0; i < b->n_queries; i++, at += 8) b->latency_ns[i] = get64(at);
    at = get_column32(at, b->sample, b->n_rows);
    at = get_column32(at, b->prediction, b->n_rows);
    memcpy(b->exit, at, b->n_rows);
    memcpy(b->pattern, at + b->n_rows, b->n_rows);
    at += 2 * (size_t)b->n_rows;
    for (uint32_t i = 0; i < b->n_sequences; i++, at += 8) b->ttft_ns[i] = get64(at);
    at = get_column32(at, b->prompt_tokens, b->n_sequences);
    get_column32(at, b->first_query, b->n_sequences);
    if (sum != b->n_queries) return jb_fail(err, JB_E_INVALID, "raw block: the streams' queries do not add up");
    for (uint32_t i = 0; i < b->n_rows; i++)
        if (b->pattern[i] >= b->n_patterns || b->exit[i] >= JB_MAX_STAGES) return jb_fail(err, JB_E_INVALID, "raw block: row %u has an exit or pattern that does not exist", i);
    for (uint32_t i = 0; i < b->n_sequences; i++)
        if (b->first_query[i] >= b->n_queries || (i ? b->first_query[i] <= b->first_query[i - 1] : b->first_query[i] != 0)) return jb_fail(err, JB_E_INVALID, "raw block: sequence %u begins at a query that cannot be its first", i);
    return 0;
}

int jb_raw_block_decode(struct jb_raw_block *b, const uint8_t *data, size_t n_bytes, struct jb_err *err)
{
    if (n_bytes < BLOCK_HEADER || memcmp(data, BLOCK_MAGIC, 8)) return jb_fail(err, JB_E_INVALID, "raw block: does not start with " BLOCK_MAGIC);
    uint32_t n_streams = get32(data + 8), per_query = get32(data + 12), n_queries = get32(data + 16), n_rows = get32(data + 20), n_patterns = get32(data + 24), n_sequences = get32(data + 28);
    if (n_streams > 65536 || n_patterns > JB_RAW_MAX_PATTERNS || n_rows > JB_RAW_MAX_ROWS || (uint64_t)n_queries * per_query != n_rows || !per_query ||
        n_sequences > n_queries || block_bytes(n_streams, n_queries, n_rows, n_patterns, n_sequences) != n_bytes)
        return jb_fail(err, JB_E_INVALID, "raw block: its counts do not fit its %zu bytes", n_bytes);
    int rc = jb_raw_block_alloc(b, n_streams, n_queries, per_query);
    if (!rc && n_sequences && (rc = jb_raw_block_sequences(b, n_sequences))) jb_raw_block_free(b);
    if (rc) return jb_fail(err, rc, "raw block");
    b->n_patterns = n_patterns;
    rc = read_columns(b, data + BLOCK_HEADER, err);
    if (rc) jb_raw_block_free(b);
    return rc;
}

// ---- samples ----

void jb_raw_samples_free(struct jb_raw_samples *s)
{
    free(s->index);
    free(s->label);
    free(s->prediction);
    free(s->score);
    free(s->pattern);
    free(s->exit);
    free(s->query);
    free(s->full);
    free(s->logprob);
    *s = (struct jb_raw_samples){ 0 };
}

int jb_raw_samples_alloc(struct jb_raw_samples *s, uint32_t n)
{
    size_t room = (size_t)n + 1;
    *s = (struct jb_raw_samples){ .n = n };
    s->index = calloc(room, sizeof *s->index);
    s->label = calloc(room, sizeof *s->label);
    s->prediction = calloc(room, sizeof *s->prediction);
    s->score = calloc(room, sizeof *s->score);
    s->pattern = calloc(room, sizeof *s->pattern);
    s->exit = calloc(room, 1);
    if (s->index && s->label && s->prediction && s->score && s->pattern && s->exit) return 0;
    jb_raw_samples_free(s);
    return JB_E_NOMEM;
}

int jb_raw_samples_text(struct jb_raw_samples *s)
{
    size_t room = (size_t)s->n + 1;
    s->query = calloc(room, sizeof *s->query);
    s->full = calloc(room, sizeof *s->full);
    s->logprob = calloc(room, sizeof *s->logprob);
    return s->query && s->full && s->logprob ? 0 : JB_E_NOMEM;
}

static size_t samples_bytes(uint64_t n, bool text) { return (size_t)(SAMPLES_HEADER + n * (4 + 4 + 4 + 4 + 4 + 1 + (text ? 4 + 4 + 4 : 0))); }

int jb_raw_samples_encode(const struct jb_raw_samples *s, uint8_t **out, size_t *n_bytes)
{
    bool text = s->query != NULL;
    size_t n = samples_bytes(s->n, text);
    uint8_t *data = malloc(n), *at = data;
    if (!data) return JB_E_NOMEM;
    memcpy(at, SAMPLES_MAGIC, 8);
    at = put32(at + 8, s->n);
    at = put32(at, text ? SAMPLES_TEXT : 0);
    at = put_column32(at, s->index, s->n);
    at = put_column32(at, s->label, s->n);
    at = put_column32(at, s->prediction, s->n);
    at = put_floats(at, s->score, s->n);
    at = put_column32(at, s->pattern, s->n);
    memcpy(at, s->exit, s->n);
    at += s->n;
    if (text) put_floats(put_column32(put_column32(at, s->query, s->n), s->full, s->n), s->logprob, s->n);
    *out = data;
    *n_bytes = n;
    return 0;
}

int jb_raw_samples_decode(struct jb_raw_samples *s, const uint8_t *data, size_t n_bytes, struct jb_err *err)
{
    if (n_bytes < SAMPLES_HEADER || memcmp(data, SAMPLES_MAGIC, 8)) return jb_fail(err, JB_E_INVALID, "raw samples: do not start with " SAMPLES_MAGIC);
    uint32_t n = get32(data + 8), flags = get32(data + 12);
    bool text = flags & SAMPLES_TEXT;
    if (flags & ~SAMPLES_TEXT) return jb_fail(err, JB_E_INVALID, "raw samples: unknown columns (flags %#x): written by a newer version?", flags);
    if (samples_bytes(n, text) != n_bytes) return jb_fail(err, JB_E_INVALID, "raw samples: %u samples do not fit %zu bytes", n, n_bytes);
    int rc = jb_raw_samples_alloc(s, n);
    if (!rc && text && (rc = jb_raw_samples_text(s))) jb_raw_samples_free(s);
    if (rc) return jb_fail(err, rc, "raw samples");
    const uint8_t *at = get_column32(data + SAMPLES_HEADER, s->index, n);
    at = get_column32(at, s->label, n);
    at = get_column32(at, s->prediction, n);
    at = get_floats(at, s->score, n);
    at = get_column32(at, s->pattern, n);
    memcpy(s->exit, at, n);
    if (text) get_floats(get_column32(get_column32(at + n, s->query, n), s->full, n), s->logprob, n);
    for (uint32_t i = 0; i < n; i++) {
        if (s->exit[i] < JB_MAX_STAGES) continue;
        jb_raw_samples_free(s);
        return jb_fail(err, JB_E_INVALID, "raw samples: sample %u has an exit that does not exist", i);
    }
    return 0;
}
