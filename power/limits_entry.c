// One limit that is held: opened and locked, changed and read back, put back.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>
#include "power/limits_data.h"

static double watts_of(uint64_t uw) { return (double)uw * 1e-6; }

int jb_limits_entry_write(struct jb_limits *l, size_t i, uint64_t uw)
{
    struct jb_limits_entry *e = &l->entry[i];
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%" PRIu64, uw);
    return l->io.write(l->io.self, e->fd, e->sysfs, digits, (size_t)n);
}

void jb_limits_entry_close(struct jb_limits_entry *e)
{
    if (e->fd >= 0) close(e->fd); // its lock goes with it
    e->fd = -1;
}

// Opens and locks the file of saved[i]. The lock keeps another process with another state file away. 0 or an errno.
int jb_limits_entry_open(struct jb_limits *l, size_t i)
{
    struct jb_limits_entry *e = &l->entry[i];
    const struct jb_limits_saved *s = &l->state.saved[i];
    *e = (struct jb_limits_entry){.fd = -1};
    e->n_digits = (size_t)snprintf(e->digits, sizeof e->digits, "%" PRIu64, s->original_uw);
    int rc = jb_limits_file_open(s->path, &e->fd, &e->sysfs);
    if (rc == 0 && flock(e->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        jb_limits_entry_close(e);
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
int jb_limits_entry_change(struct jb_limits *l, size_t i, uint64_t uw, struct jb_err *err)
{
    struct jb_limits_entry *e = &l->entry[i];
    const struct jb_limits_saved *s = &l->state.saved[i];
    uint64_t got = 0, before = e->now_uw;
    sig_atomic_t was = e->changed;
    e->changed = 1;
    int rc = jb_limits_entry_write(l, i, uw);
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
bool jb_limits_entry_is_back(const struct jb_limits *l, size_t i, uint64_t uw)
{
    uint64_t got = 0;
    return l->entry[i].fd >= 0 && l->io.read(l->io.self, l->entry[i].fd, &got) == 0 && got == uw;
}

// Puts the original back. A driver that was loaded anew has new files: then the path is opened again.
int jb_limits_entry_restore(struct jb_limits *l, size_t i, struct jb_err *err)
{
    struct jb_limits_entry *e = &l->entry[i];
    const struct jb_limits_saved *s = &l->state.saved[i];
    uint64_t got = 0;
    if (jb_limits_entry_is_back(l, i, s->original_uw)) {
        e->now_uw = s->original_uw;
        e->changed = 0;
        return JB_OK;
    }
    int rc = e->fd >= 0 ? l->io.write(l->io.self, e->fd, e->sysfs, e->digits, e->n_digits) : ENODEV;
    if (rc == ENODEV || rc == ENOENT || rc == ENXIO) {
        jb_limits_entry_close(e);
        rc = jb_limits_entry_open(l, i);
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
