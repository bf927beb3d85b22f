// Memory and data for the checker and the benchmark.
#include "kernels/check_cases.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernels/plane.h"

#define STREAM_BYTES ((size_t)96 << 20) // a multiple of any page size

static size_t area_size(const struct jb_fixture *f, enum jb_area area)
{
    return area == JB_AREA_STREAM ? STREAM_BYTES : f->area_bytes;
}

static uintptr_t area_end(const struct jb_fixture *f, enum jb_area area)
{
    return (uintptr_t)f->map + (size_t)area * (f->area_bytes + f->page) + area_size(f, area);
}

int jb_fixture_open(struct jb_fixture *f, uint64_t seed, struct jb_err *err)
{
    memset(f, 0, sizeof *f);
    f->page = (size_t)sysconf(_SC_PAGESIZE);
    f->area_bytes = jb_round_up((size_t)16 << 20, f->page); // touched only as far as used
    f->map_bytes = (JB_AREA_COUNT - 1) * (f->area_bytes + f->page) + STREAM_BYTES + f->page;
    f->map = mmap(NULL, f->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (f->map == MAP_FAILED) {
        int e = errno;
        f->map = NULL;
        return jb_fail_errno(err, JB_E_NOMEM, e, "no memory for the kernel check");
    }
    for (size_t i = 0; i < JB_AREA_COUNT; i++)
        if (mprotect((void *)area_end(f, (enum jb_area)i), f->page, PROT_NONE) != 0) {
            int e = errno;
            jb_fixture_close(f);
            return jb_fail_errno(err, JB_E_IO, e, "no guard page for the kernel check");
        }
    madvise((void *)(area_end(f, JB_AREA_STREAM) - STREAM_BYTES), STREAM_BYTES, MADV_HUGEPAGE); // as a session does; where refused, figures are lower
    jb_rng_seed_named(&f->rng, seed, "kernels/check");
    jb_kernels_init(&f->ref, 0);
    return JB_OK;
}

void jb_fixture_close(struct jb_fixture *f)
{
    if (f->map)
        munmap(f->map, f->map_bytes);
    f->map = NULL;
}

void *jb_area_place(struct jb_fixture *f, enum jb_area area, size_t bytes, size_t slack, size_t align)
{
    if (bytes + slack + 256 > area_size(f, area)) {
        f->overflow = true;
        return NULL;
    }
    return (void *)((area_end(f, area) - slack - bytes) / align * align);
}

struct jb_plane jb_area_plane(struct jb_fixture *f, enum jb_area area, int32_t h, int32_t w, int32_t c, int32_t pad, size_t element_bytes)
{
    struct jb_plane p = { NULL, h, w, c, pad, (ptrdiff_t)(w + 2 * pad) * c };
    size_t bytes = (size_t)(h + 2 * pad) * (size_t)p.row_stride * element_bytes;
    char *start = jb_area_place(f, area, bytes + element_bytes * jb_rng_below(&f->rng, 16), JB_PLANE_SLACK, element_bytes);
    if (start)
        p.data = start + (pad * p.row_stride + (ptrdiff_t)pad * c) * (ptrdiff_t)element_bytes;
    return p;
}

size_t jb_plane_values(const struct jb_plane *p)
{
    return (size_t)(p->h + 2 * p->pad) * (size_t)p->row_stride;
}

void *jb_plane_start(const struct jb_plane *p, size_t element_bytes)
{
    return (char *)p->data - (p->pad * p->row_stride + (ptrdiff_t)p->pad * p->c) * (ptrdiff_t)element_bytes;
}

int32_t jb_pick(struct jb_fixture *f, const int32_t *list, size_t n)
{
    return list[jb_rng_below(&f->rng, n)];
}

int32_t jb_between(struct jb_fixture *f, int32_t lo, int32_t hi)
{
    return lo + (int32_t)jb_rng_below(&f->rng, (uint64_t)(hi - lo + 1));
}

void jb_fill_f32(struct jb_fixture *f, float *x, size_t n, enum jb_fill how)
{
    static const float special[] = { NAN, INFINITY, -INFINITY, FLT_MIN / 8, -0.0f, 0.0f };
    for (size_t i = 0; i < n; i++) {
        uint64_t r = jb_rng_u64(&f->rng);
        float uniform = (float)(int32_t)(r & 0xffffff) / (float)0x800000 - 1.0f;
        x[i] = how == JB_FILL_TIES ? (float)((int32_t)(r % 7) - 3) * 0.5f : uniform;
        if (how == JB_FILL_EXTREME)
            x[i] *= r >> 63 ? 1e12f : 1e-12f;
        if (how == JB_FILL_SPECIAL && (r >> 40) % 64 == 0)
            x[i] = special[(r >> 50) % 6];
    }
}

void jb_fill_u8(struct jb_fixture *f, uint8_t *x, size_t n, enum jb_fill how)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t r = jb_rng_u64(&f->rng);
        x[i] = (uint8_t)(how == JB_FILL_EXTREME ? (r % 8 ? 255 : 0) : how == JB_FILL_TIES ? r % 4 : r >> 17);
    }
}

void jb_abs_f32(const float *x, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = fabsf(x[i]);
}
