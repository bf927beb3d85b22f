#include "workloads/text/text_set.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"

int jb_text_set_add(struct jb_text_set *t, enum jb_split s, const struct jb_text_query *q)
{
    struct jb_text_split *p = &t->split[s];
    if (p->n == p->room) {
        uint32_t room = p->room ? p->room * 2 : 64;
        struct jb_text_query *queries = realloc(p->queries, room * sizeof *queries);
        if (queries) p->queries = queries;
        char **owned = queries ? realloc(p->owned, room * sizeof *owned) : NULL;
        if (owned) p->owned = owned;
        if (!owned) return JB_E_NOMEM;
        p->room = room;
    }
    char *copy = malloc(q->n_bytes + 1);
    if (!copy) return JB_E_NOMEM;
    memcpy(copy, q->text, q->n_bytes);
    copy[q->n_bytes] = 0;
    p->owned[p->n_owned++] = copy;
    p->queries[p->n] = *q;
    p->queries[p->n++].text = copy;
    return JB_OK;
}

void jb_text_set_close(struct jb_text_set *t)
{
    if (!t) return;
    for (int s = 0; s < JB_SPLIT_COUNT; s++) {
        for (uint32_t i = 0; i < t->split[s].n_owned; i++) free(t->split[s].owned[i]);
        free(t->split[s].owned);
        free(t->split[s].queries);
    }
    free(t);
}

static void hash_split(const struct jb_text_split *p, char hex[JB_HASH_HEX])
{
    struct jb_hash *h;
    char line[128];
    if (jb_hash_open(&h)) return; // no memory: the hash stays empty, which matches nothing
    jb_hash_update(h, line, (size_t)snprintf(line, sizeof line, "joulebench.text/1 %" PRIu32 "\n", p->n));
    for (uint32_t i = 0; i < p->n; i++) {
        const struct jb_text_query *q = &p->queries[i];
        jb_hash_update(h, line, (size_t)snprintf(line, sizeof line, "%zu %zu %d %" PRIu32 " %d\n", q->n_bytes, q->prompt_bytes, q->forced, q->n_new, q->chat));
        jb_hash_update(h, q->text, q->n_bytes);
    }
    jb_hash_finish(h, hex);
    jb_hash_close(h);
}

void jb_text_set_describe(const struct jb_text_set *t, struct jb_workload_info *info)
{
    info->unit = "token";
    for (int s = 0; s < JB_SPLIT_COUNT; s++) {
        info->n[s] = t->split[s].n;
        if (t->split[s].n) hash_split(&t->split[s], info->sha256[s]);
    }
}

void jb_text_set_close_impl(void *impl)
{
    jb_text_set_close(impl);
}

int jb_text_set_text(const void *impl, enum jb_split s, uint32_t i, struct jb_text_query *out)
{
    const struct jb_text_set *t = impl;
    if ((unsigned)s >= JB_SPLIT_COUNT || i >= t->split[s].n) return JB_E_RANGE;
    *out = t->split[s].queries[i];
    return JB_OK;
}
