#include "runtime/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernels/kernels.h"

#define HUGE_BYTES ((size_t)2 << 20)
#define CHUNK_BYTES ((size_t)32 * 1024)

struct jb_pool_chunk {
    struct jb_pool_chunk *next;
    size_t used, room;
    uint64_t bytes[]; // aligned to 8
};

void *jb_aligned_zeroed(size_t n_bytes)
{
    if (n_bytes > SIZE_MAX - JB_ALIGN)
        return NULL;
    size_t room = jb_align_up(n_bytes ? n_bytes : 1, JB_ALIGN);
    void *p = aligned_alloc(JB_ALIGN, room);
    if (p)
        memset(p, 0, room);
    return p;
}

bool jb_big_get(struct jb_big *out, size_t n_bytes, bool huge)
{
    size_t alignment = huge ? HUGE_BYTES : 4096;
    if (n_bytes > SIZE_MAX / 2)
        return false;
    size_t bytes = jb_align_up(n_bytes ? n_bytes : 1, 4096) + (huge ? alignment : 0);
    void *mapping = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED)
        return false;
    *out = (struct jb_big){ .data = (void *)jb_align_up((uintptr_t)mapping, alignment), .n_bytes = n_bytes, .mapping = mapping, .mapping_bytes = bytes };
    if (huge)
        (void)madvise(out->data, jb_align_up(n_bytes ? n_bytes : 1, 4096), MADV_HUGEPAGE); // a wish
    return true;
}

void jb_big_free(struct jb_big *b)
{
    if (b->mapping)
        munmap(b->mapping, b->mapping_bytes);
    *b = (struct jb_big){ 0 };
}

void *jb_pool_get(struct jb_mem_pool *p, size_t n_bytes)
{
    if (n_bytes > SIZE_MAX / 2)
        return NULL;
    size_t need = jb_align_up(n_bytes ? n_bytes : 1, sizeof(uint64_t));
    struct jb_pool_chunk *c = p->chunks;
    if (!c || c->room - c->used < need) {
        size_t room = need > CHUNK_BYTES ? need : CHUNK_BYTES;
        c = calloc(1, sizeof *c + room);
        if (!c)
            return NULL;
        c->room = room;
        c->next = p->chunks;
        p->chunks = c;
        p->total_bytes += sizeof *c + room;
    }
    void *out = (char *)c->bytes + c->used;
    c->used += need;
    return out;
}

char *jb_pool_text(struct jb_mem_pool *p, const void *bytes, size_t n_bytes)
{
    if (n_bytes > SIZE_MAX / 4)
        return NULL;
    char *out = jb_pool_get(p, n_bytes + 1);
    if (out && n_bytes)
        memcpy(out, bytes, n_bytes);
    return out;
}

void jb_pool_free(struct jb_mem_pool *p)
{
    while (p->chunks) {
        struct jb_pool_chunk *next = p->chunks->next;
        free(p->chunks);
        p->chunks = next;
    }
    p->total_bytes = 0;
}
