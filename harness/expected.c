// Comparing a block with the accuracy pass: all queries, after the block.
#include "harness/expected.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void jb_expected_close(struct jb_expected *e)
{
    free(e->prediction);
    free(e->pattern);
    free(e->exit);
    *e = (struct jb_expected){ 0 };
}

int jb_expected_open(struct jb_expected *e, const struct jb_store *store, const struct jb_facts *f, uint32_t n_split, struct jb_err *err)
{
    uint8_t *bytes = NULL;
    struct jb_raw_samples s = { 0 };
    bool given = n_split > 0;
    int rc = jb_store_get(store, f->id, JB_RAW_SAMPLES, &f->samples, &bytes, err);
    if (!rc) rc = jb_raw_samples_decode(&s, bytes, f->samples.n_bytes, err);
    free(bytes);
    if (rc) return rc;
    for (uint32_t i = 0; i < s.n && !given; i++) // of the samples that there are
        if (s.index[i] >= n_split && s.index[i] < JB_RAW_MAX_ROWS) n_split = s.index[i] + 1;
    *e = (struct jb_expected){ .n = n_split, .prediction = calloc((size_t)n_split + 1, 4), .pattern = calloc((size_t)n_split + 1, 4), .exit = malloc((size_t)n_split + 1) };
    if (!e->prediction || !e->pattern || !e->exit) {
        rc = jb_fail(err, JB_E_NOMEM, "samples of %s", f->label);
    } else {
        memset(e->exit, 255, (size_t)n_split + 1);
        for (uint32_t i = 0; i < s.n; i++) {
            if (s.index[i] >= n_split) continue;
            e->prediction[s.index[i]] = s.prediction[i];
            e->pattern[s.index[i]] = s.pattern[i];
            e->exit[s.index[i]] = s.exit[i];
        }
    }
    jb_raw_samples_free(&s);
    if (rc) jb_expected_close(e);
    return rc;
}

bool jb_expected_equal(const struct jb_expected *e, const struct jb_raw_block *b, char *reason, size_t n_reason)
{
    uint32_t differ = 0, first = 0;
    for (uint32_t i = 0; i < b->n_rows; i++) {
        uint32_t s = b->sample[i];
        if (s < e->n && e->exit[s] == b->exit[i] && e->prediction[s] == b->prediction[i] && e->pattern[s] == b->patterns[b->pattern[i]]) continue;
        if (!differ++) first = i;
    }
    if (!differ) return true;
    uint32_t s = b->sample[first];
    bool known = s < e->n && e->exit[s] != 255;
    snprintf(reason, n_reason,
             "the performance pass differs from the accuracy pass in %u of %u answers of a block; first: sample %u gave exit %u, prediction %u, but exit %d, prediction %d before: "
             "results must not depend on what runs beside; check memory and threads, and report it",
             differ, b->n_rows, s, b->exit[first], b->prediction[first], known ? (int)e->exit[s] : -1, known ? (int)e->prediction[s] : -1);
    return false;
}
