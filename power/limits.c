// Holding limits: written down first, then changed, read back, and put back.
#include "power/limits.h"
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "base/strbuf.h"
#include "power/limits_data.h"

static double watts_of(uint64_t uw) { return (double)uw * 1e-6; }

// ---- one entry ----

static int write_entry(struct jb_limits *l, size_t i, uint64_t uw)
{
    struct jb_limits_entry *e = &l->entry[i];
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%" PRIu64, uw);
    return l->io.write(l->io.self, e->fd, e->sysfs, digits, (size_t)n);
}

static void close_entry(struct jb_limits_entry *e)
{
    if (e->fd >= 0) close(e->fd); // its lock goes with it
    e->fd = -1;
}

// Opens and locks the file of saved[i]. The lock keeps another process with another state file away. 0 or an errno.
static int open_entry(struct jb_limits *l, size_t i)
{
    struct jb_limits_entry *e = &l->entry[i];
    const struct jb_limits_saved *s = &l->state.saved[i];
    *e = (struct jb_limits_entry){.fd = -1};
    e->n_digits = (size_t)snprintf(e->digits, sizeof e->digits, "%" PRIu64, s->original_uw);
    int rc = jb_limits_file_open(s->path, &e->fd, &e->sysfs);
    if (rc == 0 && flock(e->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        close_entry(e);
        return EWOULDBLOCK;
    }
    return rc;
}

static int not_kept(struct jb_err *err, const struct jb_limits_saved *s, uint64_t wanted, uint64_t before, uint64_t got)
{
    if (got == before)
        return jb_fail(err, JB_E_UNAVAILABLE, "%s: locked: %.6g W was accepted, but it still reads %.6g W; firmware holds it (the BIOS set-up may have a switch)", s->path, watts_of(wanted), watts_of(got));
    return jb_fail(err, JB_E_UNAVAILABLE, "%s: %.6g W was written, but it reads %.6g W: the platform does not take that value", s->path, watts_of(wanted), watts_of(got));
}

// Writes and reads back. changed is set before the write, so that a signal between the two puts back rather too much than too little.
static int change_entry(struct jb_limits *l, size_t i, uint64_t uw, struct jb_err *err)
{
    struct jb_limits_entry *e = &l->entry[i];
    const struct jb_limits_saved *s = &l->state.saved[i];
    uint64_t got = 0, before = e->now_uw;
    sig_atomic_t was = e->changed;
    e->changed = 1;
    int rc = write_entry(l, i, uw);
    if (rc) {
        if (l->io.read(l->io.self, e->fd, &got) == 0 && got == before) e->changed = was; // nothing was taken
        return jb_limits_fail(err, rc, s->path, "written", uw);
    }
    rc = l->io.read(l->io.self, e->fd, &got);
    if (rc) return jb_limits_fail(err, rc, s->path, "read back", uw);
    e->now_uw = got;
    return jb_limits_same(uw, got) ? JB_OK : not_kept(err, s, uw, before, got);
}

// What reads as it was needs no write: firmware that locked it would refuse.
static bool is_back(const struct jb_limits *l, size_t i, uint64_t uw)
{
    uint64_t got = 0;
    return l->entry[i].fd >= 0 && l->io.read(l->io.self, l->entry[i].fd, &got) == 0 && got == uw;
}

// Puts the original back. A driver that was loaded anew has new files: then the path is opened again.
static int restore_entry(struct jb_limits *l, size_t i, struct jb_err *err)
{
    struct jb_limits_entry *e = &l->entry[i];
    const struct jb_limits_saved *s = &l->state.saved[i];
    uint64_t got = 0;
    if (is_back(l, i, s->original_uw)) {
        e->now_uw = s->original_uw;
        e->changed = 0;
        return JB_OK;
    }
    int rc = e->fd >= 0 ? l->io.write(l->io.self, e->fd, e->sysfs, e->digits, e->n_digits) : ENODEV;
    if (rc == ENODEV || rc == ENOENT || rc == ENXIO) {
        close_entry(e);
        rc = open_entry(l, i);
        e->changed = 1;
        if (rc) return jb_limits_fail(err, rc, s->path, "opened", s->original_uw);
        rc = l->io.write(l->io.self, e->fd, e->sysfs, e->digits, e->n_digits);
    }
    if (rc) return jb_limits_fail(err, rc, s->path, "written", s->original_uw);
    rc = l->io.read(l->io.self, e->fd, &got);
    if (rc) return jb_limits_fail(err, rc, s->path, "read back", s->original_uw);
    e->now_uw = got;
    if (!jb_limits_same(s->original_uw, got))
        return jb_fail(err, JB_E_UNAVAILABLE, "%s: put back to %.6g W, but it reads %.6g W", s->path, watts_of(s->original_uw), watts_of(got));
    e->changed = 0;
    return JB_OK;
}

void jb_limits_restore_in_signal(const struct jb_limits *l)
{
    if (!l) return;
    for (size_t i = atomic_load(&l->n); i-- > 0;) {
        const struct jb_limits_entry *e = &l->entry[i];
        if (e->changed && e->fd >= 0) (void)l->io.write(l->io.self, e->fd, e->sysfs, e->digits, e->n_digits);
    }
}

// ---- what is left of earlier ----

// The value in a saved limit's file now. 0 or an errno.
static int read_saved(const struct jb_limits_saved *s, uint64_t *uw)
{
    struct jb_limits_io io = jb_limits_io_files();
    int fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return errno;
    int rc = io.read(io.self, fd, uw);
    close(fd);
    return rc;
}

static void describe(const struct jb_limits_state *s, struct jb_limits_left *out)
{
    struct jb_str b = {0};
    out->n = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct jb_limits_saved *x = &s->saved[i];
        uint64_t uw = 0;
        int e = read_saved(x, &uw);
        if (e == 0 && uw == x->original_uw) continue;
        jb_str_addf(&b, "%s%s %s ", out->n++ ? ", " : "", x->label, x->name);
        if (e) jb_str_addf(&b, "cannot be read (%s)", strerror(e));
        else jb_str_addf(&b, "%.6g W", watts_of(uw));
        jb_str_addf(&b, " instead of %.6g W", watts_of(x->original_uw));
    }
    out->pid = s->pid;
    memcpy(out->root, s->root, sizeof out->root);
    out->kept = s->kept;
    out->running = jb_limits_state_is_running(s);
    const char *who = out->running ? "holds power limits and will put them back" : s->kept ? "set power limits that stay until they are put back" : "ended without putting power limits back";
    snprintf(out->text, sizeof out->text, "process %ld (of %s) %s: %.250s", s->pid, s->started, who, jb_str_get(&b));
    jb_str_free(&b);
}

// The state at its place: NOT_FOUND when there is none, or one of another boot.
static int read_left(const struct jb_limits_place *p, struct jb_limits_state *s, struct jb_limits_left *left, struct jb_err *err)
{
    *left = (struct jb_limits_left){0};
    int rc = jb_limits_place_read(p, s, err);
    if (rc) return rc;
    if (jb_limits_state_is_stale(s)) return jb_fail(err, JB_E_NOT_FOUND, "%s: of an earlier boot; the kernel's own limits hold again", p->path);
    describe(s, left);
    return JB_OK;
}

int jb_limits_pending(const char *state, struct jb_limits_left *out, struct jb_err *err)
{
    struct jb_limits_place p;
    struct jb_limits_left left = {0};
    struct jb_limits_state *s = malloc(sizeof *s);
    if (!s) return jb_fail(err, JB_E_NOMEM, "power limits");
    int rc = jb_limits_place_open(&p, state, false, err);
    if (rc == JB_OK) rc = read_left(&p, s, &left, err);
    jb_limits_place_close(&p);
    free(s);
    if (rc == JB_OK || rc == JB_E_NOT_FOUND) *out = left;
    return rc == JB_E_NOT_FOUND ? JB_OK : rc;
}

// ---- opening and closing ----

// Takes over what an earlier process left; what cannot be opened now may be there again when it is put back.
static int take_over(struct jb_limits *l, const struct jb_limits_state *s, struct jb_err *err)
{
    memcpy(l->state.saved, s->saved, sizeof l->state.saved);
    l->state.n = l->n_written = s->n;
    for (size_t i = 0; i < s->n; i++) {
        int e = open_entry(l, i);
        if (e == EWOULDBLOCK) return jb_limits_fail(err, e, s->saved[i].path, "opened", 0);
        if (l->entry[i].fd < 0 || l->io.read(l->io.self, l->entry[i].fd, &l->entry[i].now_uw) != 0 || l->entry[i].now_uw != s->saved[i].original_uw) l->entry[i].changed = 1;
        atomic_store(&l->n, i + 1);
    }
    return JB_OK;
}

static int open_earlier(struct jb_limits *l, bool adopt, struct jb_err *err)
{
    struct jb_limits_left left;
    struct jb_err why = {0};
    struct jb_limits_state *s = malloc(sizeof *s);
    if (!s) return jb_fail(err, JB_E_NOMEM, "power limits");
    int rc = read_left(&l->place, s, &left, &why);
    if (rc == JB_E_NOT_FOUND || (rc == JB_OK && left.n == 0)) rc = jb_limits_place_remove(&l->place, err); // if there is one, it is of no use any more
    else if (rc != JB_OK) rc = jb_fail(err, rc, "%s", why.detail);
    else if (!adopt || strcmp(s->root, l->state.root) != 0)
        rc = jb_fail(err, JB_E_EXISTS, "%s; put them back first: joulebench power limits restore --state %s", left.text, l->place.path);
    else rc = take_over(l, s, err);
    free(s);
    return rc;
}

static void free_limits(struct jb_limits *l)
{
    size_t n = atomic_exchange(&l->n, 0);
    for (size_t i = 0; i < n; i++) close_entry(&l->entry[i]);
    jb_limits_place_close(&l->place);
    free(l);
}

int jb_limits_open(struct jb_limits **out, const char *root, const char *state, bool adopt, struct jb_err *err)
{
    struct jb_limits *l = calloc(1, sizeof *l);
    if (!l) return jb_fail(err, JB_E_NOMEM, "power limits");
    l->place = (struct jb_limits_place){.dir = -1, .lock = -1};
    l->io = jb_limits_io_files();
    jb_limits_state_init(&l->state);
    int rc = jb_limits_root(root, l->state.root, sizeof l->state.root, err);
    if (rc == JB_OK) rc = jb_limits_place_open(&l->place, state, true, err);
    if (rc == JB_OK) rc = jb_limits_place_lock(&l->place, err);
    if (rc == JB_OK) rc = open_earlier(l, adopt, err);
    if (rc == JB_OK) *out = l;
    else free_limits(l);
    return rc;
}

int jb_limits_restore(struct jb_limits *l, struct jb_err *err)
{
    int rc = JB_OK;
    for (size_t i = atomic_load(&l->n); i-- > 0;) {
        struct jb_err why = {0};
        int one = l->entry[i].changed ? restore_entry(l, i, &why) : JB_OK;
        if (one != JB_OK && rc == JB_OK) rc = jb_fail(err, one, "%s", why.detail);
    }
    if (rc != JB_OK) return rc;
    size_t n = atomic_exchange(&l->n, 0);
    for (size_t i = 0; i < n; i++) close_entry(&l->entry[i]);
    if (l->state.n == 0) return JB_OK;
    l->state.n = l->n_written = 0;
    return jb_limits_place_remove(&l->place, err);
}

void jb_limits_close(struct jb_limits *l)
{
    if (!l) return;
    (void)jb_limits_restore(l, NULL);
    free_limits(l);
}

static bool any_changed(const struct jb_limits *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->entry[i].changed) return true;
    return false;
}

int jb_limits_leave(struct jb_limits *l, struct jb_err *err)
{
    if (!l) return JB_OK;
    int rc = JB_OK;
    if (any_changed(l)) {
        l->state.kept = true;
        rc = jb_limits_place_write(&l->place, &l->state, err);
    } else if (l->state.n > 0) {
        rc = jb_limits_place_remove(&l->place, err);
    }
    free_limits(l);
    return rc;
}

size_t jb_limits_n_held(const struct jb_limits *l)
{
    return atomic_load(&l->n);
}

void jb_limits_held(const struct jb_limits *l, size_t i, struct jb_limits_held *out)
{
    const struct jb_limits_saved *s = &l->state.saved[i];
    *out = (struct jb_limits_held){s->zone, s->label, s->name, s->original_uw, l->entry[i].now_uw, l->entry[i].window_us};
}

// ---- setting ----

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
    int e = open_entry(l, n);
    if (e) return jb_limits_fail(err, e, x->path, "opened", 0);
    // Under its lock: what another process put back meanwhile is what it was.
    e = l->io.read(l->io.self, l->entry[n].fd, &s->original_uw);
    if (!e && s->original_uw > JB_LIMITS_MAX_UW) e = ERANGE;
    if (e) {
        close_entry(&l->entry[n]);
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
        if (!e->changed || (!is_back(l, at[k], before[k]) && write_entry(l, at[k], before[k]) != 0) || l->io.read(l->io.self, e->fd, &got) != 0) continue;
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
        rc = change_entry(l, at[i], uw, err);
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

// ---- from the file ----

// Opens the place for a change of what an earlier process left. On success *l holds the lock, and s is read.
static int open_left(const char *state, struct jb_limits_place *p, struct jb_limits_state *s, struct jb_err *err)
{
    int rc = jb_limits_place_open(p, state, false, err);
    if (rc == JB_E_NOT_FOUND) return jb_fail(err, rc, "%s: no power limits are left to put back", state);
    if (rc == JB_OK && faccessat(p->dir, p->name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
        return jb_fail(err, JB_E_NOT_FOUND, "%s: no power limits are left to put back", state); // before a lock file is made
    if (rc == JB_OK) rc = jb_limits_place_lock(p, err);
    return rc == JB_OK ? jb_limits_place_read(p, s, err) : rc;
}

int jb_limits_restore_file(const char *state, size_t *n_restored, struct jb_err *err)
{
    size_t n = 0;
    struct jb_limits *l = calloc(1, sizeof *l);
    struct jb_limits_state *s = calloc(1, sizeof *s);
    int rc = l && s ? JB_OK : jb_fail(err, JB_E_NOMEM, "power limits");
    if (l) l->place = (struct jb_limits_place){.dir = -1, .lock = -1};
    if (rc == JB_OK) {
        l->io = jb_limits_io_files();
        rc = open_left(state, &l->place, s, err);
        if (rc == JB_OK && !jb_limits_state_is_stale(s)) rc = take_over(l, s, err);
        for (size_t i = 0; i < l->n; i++) n += l->entry[i].changed != 0;
        if (rc == JB_OK) rc = l->state.n ? jb_limits_restore(l, err) : jb_limits_place_remove(&l->place, err);
    }
    free(s);
    if (l) free_limits(l);
    if (rc == JB_OK && n_restored) *n_restored = n;
    return rc;
}

int jb_limits_forget(const char *state, struct jb_err *err)
{
    struct jb_limits_place p = {.dir = -1, .lock = -1};
    struct jb_limits_state *s = malloc(sizeof *s);
    if (!s) return jb_fail(err, JB_E_NOMEM, "power limits");
    int rc = open_left(state, &p, s, err);
    if (rc == JB_OK || rc == JB_E_INVALID || rc == JB_E_RANGE) rc = jb_limits_place_remove(&p, err); // what cannot be understood is of no use either
    jb_limits_place_close(&p);
    free(s);
    return rc;
}
