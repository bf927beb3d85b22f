// Loading matrices: the file's rows into packed order, by as many threads as there are CPUs. Each drops the file's pages as soon as it has read them, so
// that the file and its packed form are never in memory together.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "runtime/matrix.h"
#include "runtime/pool.h"

#define MAX_PACK_THREADS 8
#define BYTES_A_THREAD ((uint64_t)4 << 20) // less is not worth a thread

struct jb_packer_item {
    const struct jb_gguf *file;
    const struct jb_gguf_tensor *tensor;
    struct jb_matrix *matrix;  // or
    const float **vector;
    uint64_t offset;           // in the packed memory
    bool release;
};

struct packing { const struct jb_packer *p; char *memory; struct jb_team *team; };

static const struct { uint32_t type; enum jb_weight_kind kind; } kinds[] = {
    { JB_GGML_F32, JB_W_F32 }, { JB_GGML_F16, JB_W_F16 }, { JB_GGML_Q8_0, JB_W_Q8_0 }, { JB_GGML_Q4_0, JB_W_Q4_0 }, { JB_GGML_Q4_1, JB_W_Q4_1 },
};

static int append(struct jb_packer *p, struct jb_packer_item item, uint64_t bytes, struct jb_err *err)
{
    if (p->n_items == p->room) {
        size_t room = p->room ? 2 * p->room : 64;
        struct jb_packer_item *items = realloc(p->items, room * sizeof *items);
        if (!items)
            return jb_fail(err, JB_E_NOMEM, "%s: no memory for the list of tensors", jb_gguf_name(item.file));
        p->items = items;
        p->room = room;
    }
    item.offset = p->packed_bytes;
    p->items[p->n_items++] = item;
    p->packed_bytes += jb_align_up(bytes, JB_ALIGN); // a file has at most 16 GiB: no overflow
    return JB_OK;
}

static int find_type(const struct jb_gguf *g, const struct jb_gguf_tensor *t, const struct jb_block_type **out, struct jb_err *err)
{
    const struct jb_block_type *type = jb_block_type(t->type);
    if (!type)
        return jb_fail(err, JB_E_UNSUPPORTED, "%s: tensor \"%.200s\": unknown type %u", jb_gguf_name(g), t->name, t->type);
    if (!type->widen)
        return jb_fail(err, JB_E_UNSUPPORTED, "%s: tensor \"%.200s\": type %s is none for weights here", jb_gguf_name(g), t->name, type->name);
    *out = type;
    return JB_OK;
}

int jb_packer_matrix(struct jb_packer *p, const struct jb_gguf *g, const struct jb_gguf_tensor *t, bool release, struct jb_matrix *out, struct jb_err *err)
{
    const struct jb_block_type *type = NULL;
    int rc = find_type(g, t, &type, err);
    if (rc)
        return rc;
    struct jb_matrix m = { .n = (int32_t)t->dims[0], .n_out = (int32_t)t->dims[1], .type = type, .data = t->data, .precision = jb_matrix_class(t->type), .bytes = t->n_bytes };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].type == t->type) {
            m.packed = true;
            m.kind = kinds[i].kind;
            m.bytes = jb_pack_bytes(m.kind, m.n, m.n_out);
        }
    *out = m;
    if (!m.packed) {
        p->unpacked_bytes += m.bytes;
        return JB_OK;
    }
    return append(p, (struct jb_packer_item){ .file = g, .tensor = t, .matrix = out, .release = release }, m.bytes, err);
}

int jb_packer_vector(struct jb_packer *p, const struct jb_gguf *g, const struct jb_gguf_tensor *t, const float **out, struct jb_err *err)
{
    const struct jb_block_type *type = NULL;
    int rc = find_type(g, t, &type, err);
    return rc ? rc : append(p, (struct jb_packer_item){ .file = g, .tensor = t, .vector = out }, t->dims[0] * t->dims[1] * sizeof(float), err);
}

static void pack_item(const struct packing *job, const struct jb_packer_item *item, uint32_t thread)
{
    const struct jb_matrix *m = item->matrix;
    uint32_t begin, end;
    jb_team_share((uint32_t)jb_matrix_blocks(m), thread, jb_team_size(job->team), &begin, &end);
    if (begin == end)
        return;
    size_t block_bytes = (size_t)JB_PACK * jb_kind_row_bytes(m->kind, m->n), from = begin * block_bytes, to = end * block_bytes;
    jb_pack_rows(m->kind, m->n, m->n_out, item->tensor->data, (int32_t)begin, (int32_t)end, job->memory + item->offset);
    if (item->release && to <= item->tensor->n_bytes)
        jb_gguf_release(item->file, (const char *)item->tensor->data + from, to - from);
}

static void pack_share(void *self, uint32_t thread)
{
    const struct packing *job = self;
    for (size_t i = 0; i < job->p->n_items; i++) {
        const struct jb_packer_item *item = &job->p->items[i];
        if (item->matrix)
            pack_item(job, item, thread);
        else if (thread == 0)
            jb_block_type(item->tensor->type)->widen(item->tensor->data, (float *)(job->memory + item->offset), item->tensor->dims[0] * item->tensor->dims[1]);
    }
}

// More threads are a help, not a need.
static int open_team(struct jb_team **out, uint64_t bytes, struct jb_err *err)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t most = cpus < 1 ? 1 : cpus > MAX_PACK_THREADS ? MAX_PACK_THREADS : (uint64_t)cpus, n = bytes / BYTES_A_THREAD;
    n = n < 1 ? 1 : n > most ? most : n;
    if (n > 1 && jb_team_open(out, (uint32_t)n, NULL, 0, NULL) == JB_OK)
        return JB_OK;
    return jb_team_open(out, 1, NULL, 0, err);
}

int jb_packer_run(struct jb_packer *p, struct jb_big *memory, struct jb_err *err)
{
    struct jb_big big;
    struct packing job = { .p = p };
    uint64_t available = jb_memory_available(NULL);
    if (p->packed_bytes > available)
        return jb_fail(err, JB_E_RANGE, "packed weights need %.1f MB, and %.1f MB are available", (double)p->packed_bytes / 1e6, (double)available / 1e6);
    if (!jb_big_get(&big, p->packed_bytes, true))
        return jb_fail(err, JB_E_NOMEM, "no memory for %llu bytes of packed weights", (unsigned long long)p->packed_bytes);
    job.memory = big.data;
    int rc = open_team(&job.team, p->packed_bytes, err);
    if (rc) {
        jb_big_free(&big);
        return rc;
    }
    jb_team_run(job.team, pack_share, &job);
    jb_team_close(job.team);
    for (size_t i = 0; i < p->n_items; i++) {
        const struct jb_packer_item *item = &p->items[i];
        if (item->release) // once more: a fault brings neighbouring pages along, dropped ones too
            jb_gguf_release(item->file, item->tensor->data, item->tensor->n_bytes);
        if (item->matrix)
            item->matrix->data = job.memory + item->offset;
        else
            *item->vector = (const float *)(job.memory + item->offset);
    }
    *memory = big;
    return JB_OK;
}

void jb_packer_free(struct jb_packer *p)
{
    free(p->items);
    *p = (struct jb_packer){ 0 };
}
