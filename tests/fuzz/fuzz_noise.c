// Fuzz target: a noise file of any bytes. What passes has only series of its own loads, shares that are shares, and comes back the same from the writer.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "harness/noise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must_hold(const struct jb_noise *n)
{
    if (!n->n_loads || n->n_loads > JB_NOISE_LOADS || !n->n_series || n->n_series > JB_NOISE_SERIES || n->n_tuning > JB_TUNING_MAX || !(n->seconds > 0)) abort();
    if (n->others < 0 || n->others > 1 || n->steal < 0 || n->steal > 1) abort();
    for (uint32_t i = 0; i < n->n_series; i++) {
        const struct jb_noise_series *s = &n->series[i];
        if (s->load >= n->n_loads || !s->pairs || s->disturbed > 2 * s->pairs || s->mean.sd_log < 0 || isinf(s->mean.sd_log) || isinf(s->mean.sight[0].least)) abort();
        if (jb_noise_find(n, s->load, s->block_ms, s->pinned) != s) abort();
    }
}

static char *text_of(const struct jb_noise *n)
{
    cJSON *root = jb_noise_to_json(n);
    char *text = root ? jb_json_pretty(root) : NULL;
    cJSON_Delete(root);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct jb_noise first, second;
    struct jb_err err = {0};
    int rc = jb_noise_parse(&first, "noise.json", (const char *)data, n, &err);
    if (rc) {
        if (err.code != rc || !err.detail[0]) abort();
        return 0;
    }
    must_hold(&first);
    char *text = text_of(&first);
    if (!text || jb_noise_parse(&second, "again", text, strlen(text), &err) != 0) abort();
    char *again = text_of(&second);
    if (!again || strcmp(text, again) != 0) abort();
    free(text);
    free(again);
    return 0;
}
