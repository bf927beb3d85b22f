// Which limits are meant, whether they may be set, and setting them: all of them, or none.
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/strbuf.h"
#include "power/limits_data.h"

static double watts_of(uint64_t uw) { return (double)uw * 1e-6; }

static bool matches(const char *pattern, const struct jb_limit *x)
{
    const char *last = strrchr(x->zone, '/');
    return fnmatch(pattern, x->label, 0) == 0 || fnmatch(pattern, x->zone, 0) == 0 || fnmatch(pattern, last ? last + 1 : x->zone, 0) == 0;
}

static bool is_package(const struct jb_limit *x)
{
    const char *slash = strchr(x->zone, '/');
    return strncmp(x->label, "package", 7) == 0 && slash && !strchr(slash + 1, '/');
}

static bool is_mmio(const struct jb_limit *x) { return strncmp(x->zone, "intel-rapl-mmio/", 16) == 0; }

// Keeps in `list` what is meant, in order; returns how many.
static size_t pick(struct jb_limit *list, size_t n, const char *zone, const char *name, uint64_t uw)
{
    size_t kept = 0;
    bool plain = false; // a package of another control type than mmio
    for (size_t i = 0; i < n; i++) plain |= is_package(&list[i]) && !is_mmio(&list[i]) && strcmp(list[i].name, name) == 0;
    for (size_t i = 0; i < n; i++) {
        const struct jb_limit *x = &list[i];
        if (strcmp(x->name, name) != 0 || (zone ? !matches(zone, x) : !is_package(x))) continue;
        if (!zone && plain && is_mmio(x) && (!x->readable || x->limit_uw >= uw)) continue;
        list[kept++] = *x;
    }
    return kept;
}

// Nothing matches: says what there is.
static int none_matches(const struct jb_limit *list, size_t n, const char *zone, const char *name, struct jb_err *err)
{
    struct jb_str b = {0};
    for (size_t i = 0; i < n && b.len < 250; i++) jb_str_addf(&b, "%s%s %s", i ? ", " : "", list[i].label, list[i].name);
    int rc = jb_fail(err, JB_E_NOT_FOUND, "no power limit \"%.60s\" of %.60s%s; there %s: %.250s", name, zone ? "a zone like " : "any package", zone ? zone : "", n == 1 ? "is" : "are",
                     n ? jb_str_get(&b) : "none at all");
    jb_str_free(&b);
    return rc;
}

static int judge(const struct jb_limits *l, const struct jb_limit *x, uint64_t uw, struct jb_err *err)
{
    double w = watts_of(uw);
    if (!x->readable) return jb_limits_fail(err, x->errnum, x->path, "read", uw);
    if (!x->enabled)
        return jb_fail(err, JB_E_UNAVAILABLE, "%s %s: switched off, so that a limit has no effect: echo 1 >%s/%s/enabled", x->label, x->name, l->state.root, x->zone);
    if (x->min_uw && uw < x->min_uw)
        return jb_fail(err, JB_E_INVALID, "%s %s: %.6g W is below the platform's minimum of %.6g W (%s/%s/constraint_%d_min_power_uw)", x->label, x->name, w, watts_of(x->min_uw),
                       l->state.root, x->zone, x->constraint);
    // Boards ship with limits above the maximum that the CPU names: what is in force cannot be too much.
    if (x->max_uw && uw > x->max_uw && uw > x->limit_uw)
        return jb_fail(err, JB_E_INVALID, "%s %s: %.6g W is above the platform's maximum of %.6g W (%s/%s/constraint_%d_max_power_uw)", x->label, x->name, w, watts_of(x->max_uw),
                       l->state.root, x->zone, x->constraint);
    return JB_OK;
}

// The entry of a limit, added when it is new. *at: its index.
static int entry_of(struct jb_limits *l, const struct jb_limit *x, size_t *at, struct jb_err *err)
{
    size_t n = atomic_load(&l->n);
    for (*at = 0; *at < n; ++*at)
        if (strcmp(l->state.saved[*at].path, x->path) == 0) {
            l->entry[*at].window_us = x->window_us;
            return l->entry[*at].fd >= 0 ? JB_OK : jb_limits_fail(err, ENODEV, x->path, "opened", 0);
        }
    if (n == JB_LIMITS_MAX) return jb_fail(err, JB_E_RANGE, "more than %d power limits at once", JB_LIMITS_MAX);
    struct jb_limits_saved *s = &l->state.saved[n];
    *s = (struct jb_limits_saved){.constraint = x->constraint, .original_uw = x->limit_uw};
    memcpy(s->zone, x->zone, sizeof s->zone);
    memcpy(s->label, x->label, sizeof s->label);
    memcpy(s->name, x->name, sizeof s->name);
    memcpy(s->path, x->path, sizeof s->path);
    int e = jb_limits_entry_open(l, n);
    if (e) return jb_limits_fail(err, e, x->path, "opened", 0);
    // Under its lock: what another process put back meanwhile is what it was.
    e = l->io.read(l->io.self, l->entry[n].fd, &s->original_uw);
    if (!e && s->original_uw > JB_LIMITS_MAX_UW) e = ERANGE;
    if (e) {
        jb_limits_entry_close(&l->entry[n]);
        return jb_limits_fail(err, e, x->path, "read", 0);
    }
    l->entry[n].now_uw = s->original_uw;
    l->entry[n].window_us = x->window_us;
    l->entry[n].n_digits = (size_t)snprintf(l->entry[n].digits, sizeof l->entry[n].digits, "%" PRIu64, s->original_uw);
    l->state.n = n + 1;
    atomic_store(&l->n, n + 1);
    return JB_OK;
}

// Back to what the values were before this call.
static void undo(struct jb_limits *l, const size_t *at, const uint64_t *before, size_t n)
{
    for (size_t k = n; k-- > 0;) {
        struct jb_limits_entry *e = &l->entry[at[k]];
        uint64_t got = 0;
        if (!e->changed || (!jb_limits_entry_is_back(l, at[k], before[k]) && jb_limits_entry_write(l, at[k], before[k]) != 0) || l->io.read(l->io.self, e->fd, &got) != 0) continue;
        e->now_uw = got;
        if (got == l->state.saved[at[k]].original_uw) e->changed = 0;
    }
}

static int set_all(struct jb_limits *l, const struct jb_limit *list, size_t n, uint64_t uw, struct jb_err *err)
{
    size_t at[JB_LIMITS_MAX];
    uint64_t before[JB_LIMITS_MAX];
    int rc = JB_OK;
    for (size_t i = 0; i < n && rc == JB_OK; i++) rc = judge(l, &list[i], uw, err);
    for (size_t i = 0; i < n && rc == JB_OK; i++) {
        rc = entry_of(l, &list[i], &at[i], err);
        if (rc == JB_OK) before[i] = l->entry[at[i]].now_uw;
    }
    if (rc == JB_OK && l->n_written != l->state.n) {
        rc = jb_limits_place_write(&l->place, &l->state, err);
        if (rc == JB_OK) l->n_written = l->state.n;
    }
    for (size_t i = 0; i < n && rc == JB_OK; i++) {
        rc = jb_limits_entry_change(l, at[i], uw, err);
        if (rc != JB_OK) undo(l, at, before, i + 1);
    }
    return rc;
}

int jb_limits_set(struct jb_limits *l, const char *zone, const char *name, double watts, struct jb_err *err)
{
    if (!(watts > 0 && watts <= JB_LIMITS_MAX_W)) return jb_fail(err, JB_E_INVALID, "a power limit of %g W: it must be above 0 and at most %g W", watts, JB_LIMITS_MAX_W);
    if (!name) name = "long_term";
    uint64_t uw = (uint64_t)llround(watts * 1e6);
    struct jb_limit *list = malloc(JB_LIMITS_MAX * sizeof *list);
    if (!list) return jb_fail(err, JB_E_NOMEM, "power limits");
    size_t n = 0;
    int rc = jb_limits_list(l->state.root, list, JB_LIMITS_MAX, &n, err);
    if (rc == JB_OK) {
        size_t all = n;
        struct jb_limit *picked = malloc(JB_LIMITS_MAX * sizeof *picked);
        if (picked) {
            memcpy(picked, list, all * sizeof *picked);
            n = pick(picked, all, zone, name, uw);
        }
        rc = !picked ? jb_fail(err, JB_E_NOMEM, "power limits") : n == 0 ? none_matches(list, all, zone, name, err) : set_all(l, picked, n, uw, err);
        free(picked);
    }
    free(list);
    return rc;
}
