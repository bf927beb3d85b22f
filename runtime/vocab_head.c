// The head "full": every logit. Each thread computes a share of the vocabulary for all rows, and looks for the best of its share while they are in its cache.
#include <string.h>

#include "runtime/vocab_head.h"

struct jb_vocab_part { int32_t index[JB_TOP_N]; float value[JB_TOP_N]; int32_t n_found, n_nan; };

static size_t logits_bytes(const struct jb_matrix *w, uint32_t max_rows)
{
    return jb_align_up((size_t)max_rows * (size_t)w->n_out * sizeof(float), JB_ALIGN);
}

static size_t full_bytes(const struct jb_matrix *w, uint32_t max_rows, uint32_t n_threads)
{
    return logits_bytes(w, max_rows) + (size_t)n_threads * max_rows * sizeof(struct jb_vocab_part);
}

static void full_place(struct jb_vocab_head *h, void *memory)
{
    h->logits = memory;
    h->parts = (struct jb_vocab_part *)((char *)memory + logits_bytes(h->w, h->max_rows));
}

static void find_part(const struct jb_vocab_head *h, const float *logits, int32_t begin, int32_t end, struct jb_vocab_part *out)
{
    struct jb_best best = { .x = logits + begin, .n = end - begin, .k = JB_TOP_N, .index = out->index, .value = out->value };
    if (begin < end)
        h->k->best(&best);
    out->n_found = best.n_found;
    out->n_nan = best.n_nan;
    for (int32_t i = 0; i < out->n_found; i++)
        out->index[i] += begin;
}

// Parts come in the order of their indices: a later one goes before an earlier one only if it is greater.
static void merge(const struct jb_vocab_head *h, const struct jb_vocab_job *job, uint32_t row)
{
    struct jb_top *top = job->top + (size_t)row * JB_TOP_N;
    uint32_t n = 0, n_nan = 0;
    for (uint32_t t = 0; t < jb_team_size(h->team); t++) {
        const struct jb_vocab_part *part = &h->parts[(size_t)t * h->max_rows + row];
        n_nan += (uint32_t)part->n_nan;
        for (int32_t i = 0; i < part->n_found; i++) {
            uint32_t at = n;
            while (at > 0 && part->value[i] > top[at - 1].logit)
                at--;
            if (at == JB_TOP_N)
                break;
            n += n < JB_TOP_N;
            memmove(top + at + 1, top + at, (n - 1 - at) * sizeof *top);
            top[at] = (struct jb_top){ .index = part->index[i], .logit = part->value[i] };
        }
    }
    job->n_top[row] = n;
    job->n_nan[row] = n_nan;
}

static void run_rows(const struct jb_vocab_head *h, const struct jb_vocab_job *job, float *logits, uint32_t thread)
{
    uint32_t n_threads = jb_team_size(h->team), begin, end, m = (uint32_t)job->in.m;
    int32_t vocab = h->w->n_out, first, last;
    jb_team_share((uint32_t)jb_matrix_blocks(h->w), thread, n_threads, &begin, &end);
    first = (int32_t)begin * JB_PACK;
    last = (int32_t)end * JB_PACK < vocab ? (int32_t)end * JB_PACK : vocab;
    jb_matrix_multiply(h->k, h->w, &job->in, logits, vocab, false, (int32_t)begin, (int32_t)end, job->scratch[thread]);
    for (uint32_t r = 0; r < m; r++)
        find_part(h, logits + (size_t)r * (size_t)vocab, first, last, &h->parts[(size_t)thread * h->max_rows + r]);
    jb_team_barrier(h->team);
    jb_team_share(m, thread, n_threads, &begin, &end);
    for (uint32_t r = begin; r < end; r++) {
        merge(h, job, r);
        if (job->log_sum) {
            struct jb_log_sum sum = { .x = logits + (size_t)r * (size_t)vocab, .n = vocab };
            h->k->log_sum(&sum);
            job->log_sum[r] = sum.out;
        }
    }
    jb_team_barrier(h->team);
}

static void full_run(const struct jb_vocab_head *h, const struct jb_vocab_job *job, uint32_t thread)
{
    run_rows(h, job, job->logits ? job->logits : h->logits, thread);
}

static const struct jb_vocab_head_ops full = { .name = "full", .bytes = full_bytes, .place = full_place, .run = full_run, .cost = jb_matrix_cost };

const struct jb_vocab_head_ops *const jb_vocab_heads[] = { &full, NULL };
