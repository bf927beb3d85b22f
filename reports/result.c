// The result model's memory: one arena a result, released at once.
#include "reports/result.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK_BYTES ((size_t)64 * 1024)
#define ARENA_ALIGN _Alignof(max_align_t)

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(max_align_t) unsigned char bytes[];
};

struct jb_arena { struct arena_block *blocks; };

static struct arena_block *block_new(struct jb_arena *a, size_t size)
{
    if (size > SIZE_MAX - sizeof(struct arena_block))
        return NULL;
    struct arena_block *b = calloc(1, sizeof *b + size);
    if (!b)
        return NULL;
    b->size = size;
    b->next = a->blocks;
    a->blocks = b;
    return b;
}

// Zeroed, aligned for anything. A request larger than a block gets one of its own, behind the current one.
static void *arena_take(struct jb_arena *a, size_t n_bytes)
{
    if (n_bytes > SIZE_MAX - ARENA_ALIGN)
        return NULL;
    size_t n = (n_bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    struct arena_block *b = a->blocks;
    if (n == 0)
        n = ARENA_ALIGN;
    if (!b || b->size - b->used < n) {
        b = block_new(a, n > ARENA_BLOCK_BYTES / 4 ? n : ARENA_BLOCK_BYTES);
        if (!b)
            return NULL;
        if (b->size == n && b->next) { // keep filling the block that has room left
            a->blocks = b->next;
            b->next = a->blocks->next;
            a->blocks->next = b;
        }
    }
    void *p = b->bytes + b->used;
    b->used += n;
    return p;
}

int jb_result_open(struct jb_result **out)
{
    struct jb_result *r = calloc(1, sizeof *r);
    if (!r)
        return JB_E_NOMEM;
    r->power = (struct jb_result_power){.ceiling_w = NAN, .read_ns = NAN};
    r->arena = calloc(1, sizeof *r->arena);
    if (!r->arena) {
        free(r);
        return JB_E_NOMEM;
    }
    *out = r;
    return JB_OK;
}

void jb_result_close(struct jb_result *r)
{
    if (!r)
        return;
    struct arena_block *b = r->arena ? r->arena->blocks : NULL;
    while (b) {
        struct arena_block *next = b->next;
        free(b);
        b = next;
    }
    free(r->arena);
    free(r);
}

const char *jb_result_str(struct jb_result *r, const char *text)
{
    if (!text)
        return NULL;
    size_t n = strlen(text) + 1;
    char *p = arena_take(r->arena, n);
    if (p)
        memcpy(p, text, n);
    return p;
}

const char *jb_result_strf(struct jb_result *r, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *p = n < 0 ? NULL : arena_take(r->arena, (size_t)n + 1);
    if (p)
        vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    return p;
}

void *jb_result_array(struct jb_result *r, size_t n, size_t element_bytes)
{
    if (element_bytes && n > SIZE_MAX / element_bytes)
        return NULL;
    return arena_take(r->arena, n * element_bytes);
}

bool jb_same_limit(double a_w, double b_w) { return (isnan(a_w) && isnan(b_w)) || a_w == b_w; }

void jb_result_cell_init(struct jb_result_cell *c)
{
    memset(c, 0, sizeof *c);
    c->threshold = c->target_loss = c->power_limit_w = c->accuracy_loss = NAN;
    for (size_t i = 0; i < JB_RESULT_MAX_EXITS; i++) {
        c->thresholds[i] = NAN;
        c->exits[i] = (struct jb_result_exit){.accuracy = NAN, .macs = NAN, .latency_mean_ns = NAN};
    }
    c->accuracy = c->latency_mean_ci = (struct jb_value){NAN, NAN, NAN, 0};
    c->latency_mean_ns = c->throughput_per_s = c->macs_mean = c->bytes_mean = NAN;
    c->model_bytes = c->session_bytes = c->peak_rss_bytes = c->load_ns = c->instructions.value = NAN;
    c->energy = (struct jb_result_energy){.cls = JB_ENERGY_NONE, .reason = "not measured", .gross_uj = NAN, .gross_lower_uj = NAN,
        .gross_upper_uj = NAN, .net_uj = NAN, .net_lower_uj = NAN, .net_upper_uj = NAN, .per_correct_uj = NAN, .per_correct_lower_uj = NAN,
        .per_correct_upper_uj = NAN, .power_w = NAN, .idle_w = NAN, .idle_lower_w = NAN, .idle_upper_w = NAN, .edp_uj_ms = NAN, .half_width = NAN, .half_width_target = NAN};
    c->others = (struct jb_result_others){.share = NAN, .share_most_least = NAN, .limit = NAN};
    c->blocks = (struct jb_result_blocks){.confidence = NAN, .reference_ns = NAN};
    struct jb_result_times none = {NAN, NAN, NAN, NAN, 0};
    c->language = (struct jb_result_language){.prompt = NAN, .committed = NAN, .drafted = NAN, .ttft = none, .tpot = none, .ppl = {NAN, NAN, NAN, 0}, .deferred_macs = NAN, .deferred_bytes = NAN};
    c->regret_macs = c->overthinking_wasteful = c->overthinking_destructive = NAN;
}

const char *jb_cell_status_name(enum jb_cell_status s)
{
    switch (s) {
    case JB_CELL_VALID: return "valid";
    case JB_CELL_INVALID: return "invalid";
    case JB_CELL_FAILED: return "failed";
    case JB_CELL_UNAVAILABLE: return "unavailable";
    }
    return "unknown";
}
