#include "runtime/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

// FNV-1a (Fowler, Noll, Vo), folded so that the low bits depend on all of them. A hostile file may force collisions; the limits on counts
// (docs/model-format.md section 6) keep that slow, not unbounded.
static uint32_t hash_name(const char *name)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        h = (h ^ *p) * 0x100000001b3u;
    return (uint32_t)(h ^ h >> 32);
}

// The slot that holds the name, or the empty one where it belongs. There is always an empty slot.
static struct jb_name_slot *slot_of(const struct jb_names *s, const char *name)
{
    uint32_t i = hash_name(name) & (s->n_slots - 1);
    while (s->slots[i].name && strcmp(s->slots[i].name, name) != 0)
        i = (i + 1) & (s->n_slots - 1);
    return &s->slots[i];
}

static int grow(struct jb_names *s)
{
    struct jb_names bigger = { .n = s->n, .n_slots = s->n_slots ? s->n_slots * 2 : 64 };
    bigger.slots = calloc(bigger.n_slots, sizeof *bigger.slots);
    if (!bigger.slots)
        return JB_E_NOMEM;
    for (uint32_t i = 0; i < s->n_slots; i++)
        if (s->slots[i].name)
            *slot_of(&bigger, s->slots[i].name) = s->slots[i];
    free(s->slots);
    *s = bigger;
    return JB_OK;
}

int jb_names_add(struct jb_names *s, const char *name, uint32_t index)
{
    if (s->n >= s->n_slots / 2) {
        int rc = grow(s);
        if (rc)
            return rc;
    }
    struct jb_name_slot *slot = slot_of(s, name);
    if (slot->name)
        return JB_E_EXISTS;
    *slot = (struct jb_name_slot){ .name = name, .index = index };
    s->n++;
    return JB_OK;
}

uint32_t jb_names_find(const struct jb_names *s, const char *name)
{
    if (!s->n_slots)
        return JB_NO_INDEX;
    const struct jb_name_slot *slot = slot_of(s, name);
    return slot->name ? slot->index : JB_NO_INDEX;
}

void jb_names_free(struct jb_names *s)
{
    free(s->slots);
    *s = (struct jb_names){ 0 };
}
