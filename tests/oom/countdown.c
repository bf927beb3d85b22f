#include "tests/oom/countdown.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t alignment, size_t n);
int __real_posix_memalign(void **out, size_t alignment, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t alignment, size_t n);
int __wrap_posix_memalign(void **out, size_t alignment, size_t n);
void __wrap_free(void *p);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

static struct {
    bool counting;    // only while a body runs
    bool from_then_on;
    long seen, fail_at; // fail_at < 0: none
    long live;          // allocations of this body that were not freed
} state;

static bool must_fail(void)
{
    if (!state.counting) return false;
    long at = state.seen++;
    if (state.fail_at < 0 || at < state.fail_at || (at > state.fail_at && !state.from_then_on)) return false;
    errno = ENOMEM;
    return true;
}

static void *count(void *p)
{
    if (p && state.counting) state.live++;
    return p;
}

void *__wrap_malloc(size_t n)
{
    return must_fail() ? NULL : count(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return must_fail() ? NULL : count(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t n)
{
    if (must_fail()) return NULL;
    void *q = __real_realloc(p, n);
    if (!p) count(q);
    return q;
}

void *__wrap_aligned_alloc(size_t alignment, size_t n)
{
    return must_fail() ? NULL : count(__real_aligned_alloc(alignment, n));
}

int __wrap_posix_memalign(void **out, size_t alignment, size_t n)
{
    if (must_fail()) return ENOMEM;
    int rc = __real_posix_memalign(out, alignment, n);
    if (rc == 0) count(*out);
    return rc;
}

void __wrap_free(void *p)
{
    if (p && state.counting) state.live--;
    __real_free(p);
}

char *__wrap_strndup(const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *p = __wrap_malloc(len + 1);
    if (!p) return NULL;
    memcpy(p, s, len);
    p[len] = '\0';
    return p;
}

char *__wrap_strdup(const char *s)
{
    return __wrap_strndup(s, SIZE_MAX);
}

static int run(oom_body body, void *user, long fail_at, bool from_then_on)
{
    state.seen = 0;
    state.live = 0;
    state.fail_at = fail_at;
    state.from_then_on = from_then_on;
    state.counting = true;
    int rc = body(user);
    state.counting = false;
    return rc;
}

// A body that allocates often is run for some of its allocations, evenly spread, or the tests would take minutes; JB_OOM_ALL=1 in the environment takes each.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MOST_POINTS 100
#else
#define MOST_POINTS 300
#endif

static long stride_for(long n)
{
    const char *all = getenv("JB_OOM_ALL");
    return (all && *all && *all != '0') || n <= MOST_POINTS ? 1 : (n + MOST_POINTS - 1) / MOST_POINTS;
}

void oom_countdown(const char *name, oom_body body, void *user)
{
    cJSON_Hooks hooks = {.malloc_fn = __wrap_malloc, .free_fn = __wrap_free};
    cJSON_InitHooks(&hooks);
    int rc = run(body, user, -1, false);
    if (rc != JB_OK) fail_msg("%s: fails undisturbed: %s", name, jb_code_name(rc));
    if (state.live != 0) fail_msg("%s: %ld allocations are left after an undisturbed run", name, state.live);
    long n = state.seen;
    if (n == 0) fail_msg("%s: no allocation was seen", name);
    long stride = stride_for(n);
    for (int all = 0; all < 2; all++) {
        for (long k = all ? stride / 2 : 0; k < n; k += stride) { // the two rounds take different ones
            rc = run(body, user, k, all);
            if (rc != JB_OK && rc != JB_E_NOMEM) fail_msg("%s: allocation %ld of %ld failing gives %s", name, k, n, jb_code_name(rc));
            if (state.live != 0) fail_msg("%s: allocation %ld of %ld failing leaves %ld behind", name, k, n, state.live);
        }
    }
    cJSON_InitHooks(NULL);
    if (stride == 1) print_message("%s: %ld allocations, each failed once alone and once with all later ones\n", name, n);
    else print_message("%s: %ld allocations, one of %ld failed once alone and another with all later ones (JB_OOM_ALL=1: each)\n", name, n, stride);
}
