// Inside the runtime: checked sizes, aligned memory, and a pool of small pieces that live as long as their owner.
#ifndef JB_RUNTIME_MEM_H
#define JB_RUNTIME_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// *out = a * b (a + b); false when it does not fit. *out is written only on success.
static inline bool jb_mul_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t v;
    if (__builtin_mul_overflow(a, b, &v))
        return false;
    *out = v;
    return true;
}

static inline bool jb_add_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t v;
    if (__builtin_add_overflow(a, b, &v))
        return false;
    *out = v;
    return true;
}

static inline size_t jb_align_up(size_t n, size_t alignment) // alignment: a power of two
{
    return (n + alignment - 1) & ~(alignment - 1);
}

// Zeroed memory aligned to JB_ALIGN bytes, released by free(). NULL: out of memory.
void *jb_aligned_zeroed(size_t n_bytes);

// A large piece straight from the kernel: zeroed, not resident before it is touched. huge: backed by huge pages where the kernel has them. False: none to be had.
struct jb_big { void *data; size_t n_bytes; void *mapping; size_t mapping_bytes; }; // zero: none
bool jb_big_get(struct jb_big *out, size_t n_bytes, bool huge); // aligned to a page, at the least
void jb_big_free(struct jb_big *b);

// Pieces of memory that are released all at once. Zero is an empty pool.
struct jb_pool_chunk;
struct jb_mem_pool { struct jb_pool_chunk *chunks; size_t total_bytes; };
void *jb_pool_get(struct jb_mem_pool *p, size_t n_bytes); // aligned to 8, zeroed; NULL: out of memory
char *jb_pool_text(struct jb_mem_pool *p, const void *bytes, size_t n_bytes); // copy with a NUL behind it
void jb_pool_free(struct jb_mem_pool *p);

#endif
