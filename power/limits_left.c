// What an earlier process left: told, put back, or given up.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/strbuf.h"
#include "power/limits_data.h"

static double watts_of(uint64_t uw) { return (double)uw * 1e-6; }

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
int jb_limits_read_left(const struct jb_limits_place *p, struct jb_limits_state *s, struct jb_limits_left *left, struct jb_err *err)
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
    if (rc == JB_OK) rc = jb_limits_read_left(&p, s, &left, err);
    jb_limits_place_close(&p);
    free(s);
    if (rc == JB_OK || rc == JB_E_NOT_FOUND) *out = left;
    return rc == JB_E_NOT_FOUND ? JB_OK : rc;
}

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
        if (rc == JB_OK && !jb_limits_state_is_stale(s)) rc = jb_limits_take_over(l, s, err);
        for (size_t i = 0; i < l->n; i++) n += l->entry[i].changed != 0;
        if (rc == JB_OK) rc = l->state.n ? jb_limits_restore(l, err) : jb_limits_place_remove(&l->place, err);
    }
    free(s);
    if (l) jb_limits_free(l);
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
