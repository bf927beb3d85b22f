// Where the state file lies, and how root reads and writes it safely.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fs.h"
#include "power/limits_state.h"

static bool trusted(const struct stat *st) { return st->st_uid == geteuid() || st->st_uid == 0; }

static int open_dir(const char *dir, int *out, struct jb_err *err)
{
    struct stat st;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), e = errno;
    if (fd < 0) {
        if (e == ELOOP || e == ENOTDIR) return jb_fail(err, JB_E_DENIED, "%s: the directory of the state file must not be a symbolic link, nor anything but a directory", dir);
        return jb_fail_errno(err, jb_code_of_errno(e), e, "%s", dir);
    }
    // In a directory like /tmp others may add names, but not replace ours.
    bool safe = fstat(fd, &st) == 0 && trusted(&st) && (!(st.st_mode & 022) || st.st_mode & S_ISVTX);
    if (!safe) {
        close(fd);
        return jb_fail(err, JB_E_DENIED, "%s: other users may change this directory (by its mode or as its owner); what power limits are put back must not lie there: chown it to yourself and chmod go-w it, or name another", dir);
    }
    *out = fd;
    return JB_OK;
}

// The umask of some users lets their group write: not here.
static int make_dir(const char *dir, struct jb_err *err)
{
    char above[512];
    if (jb_path_exists(dir)) return JB_OK;
    int rc = jb_path_dir(above, sizeof above, dir);
    if (rc == JB_OK) rc = jb_make_dirs(above, err);
    if (rc == JB_OK && mkdir(dir, 0755) != 0 && errno != EEXIST) {
        int e = errno;
        rc = jb_fail_errno(err, jb_code_of_errno(e), e, "%s: cannot create the directory of the state file", dir);
    }
    return rc;
}

int jb_limits_place_open(struct jb_limits_place *p, const char *path, bool create, struct jb_err *err)
{
    char dir[sizeof p->path];
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    *p = (struct jb_limits_place){-1, -1, "", ""};
    if (strlen(path) >= sizeof p->path || strlen(name) + 8 >= sizeof p->name) return jb_fail(err, JB_E_RANGE, "%.100s...: the path is too long", path);
    if (!name[0] || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return jb_fail(err, JB_E_INVALID, "%s: no name of a file", path);
    snprintf(p->path, sizeof p->path, "%s", path);
    snprintf(p->name, sizeof p->name, "%s", name);
    int rc = jb_path_dir(dir, sizeof dir, path);
    if (rc) return jb_fail(err, rc, "%s: the path is too long", path);
    if (create) rc = make_dir(dir, err);
    return rc ? rc : open_dir(dir, &p->dir, err);
}

int jb_limits_place_lock(struct jb_limits_place *p, struct jb_err *err)
{
    char name[sizeof p->name + 8];
    struct stat st;
    snprintf(name, sizeof name, "%s.lock", p->name);
    int fd = openat(p->dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600), e = errno;
    if (fd < 0) return jb_fail_errno(err, jb_code_of_errno(e), e, "%s.lock", p->path);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !trusted(&st)) {
        close(fd);
        return jb_fail(err, JB_E_DENIED, "%s.lock: belongs to another user", p->path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        e = errno;
        close(fd);
        if (e != EWOULDBLOCK) return jb_fail_errno(err, jb_code_of_errno(e), e, "%s.lock", p->path);
        struct jb_limits_state *s = malloc(sizeof *s); // who it is, if that can be read
        bool known = s && jb_limits_place_read(p, s, NULL) == JB_OK;
        long pid = known ? s->pid : 0;
        free(s);
        if (pid) return jb_fail(err, JB_E_BUSY, "%s: process %ld holds the power limits and will put them back itself", p->path, pid);
        return jb_fail(err, JB_E_BUSY, "%s: another process holds the power limits and will put them back itself", p->path);
    }
    p->lock = fd;
    return JB_OK;
}

void jb_limits_place_close(struct jb_limits_place *p)
{
    if (p->lock >= 0) close(p->lock);
    if (p->dir >= 0) close(p->dir);
    p->lock = p->dir = -1;
}

// The whole file into text (room); its length, or a negative code.
static int read_file(const struct jb_limits_place *p, char *text, size_t room, size_t *n, struct jb_err *err)
{
    struct stat st;
    int fd = openat(p->dir, p->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY), e = errno;
    if (fd < 0 && e == ELOOP) return jb_fail(err, JB_E_DENIED, "%s: a symbolic link is not followed", p->path);
    if (fd < 0) return jb_fail_errno(err, jb_code_of_errno(e), e, "%s", p->path);
    int rc = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && trusted(&st) && !(st.st_mode & 022) ? JB_OK
             : jb_fail(err, JB_E_DENIED, "%s: not a plain file that only you or root may change: it is not believed (remove it, or chown and chmod it if it is yours)", p->path);
    for (*n = 0; rc == JB_OK && *n < room;) {
        ssize_t got = read(fd, text + *n, room - *n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            e = errno;
            rc = jb_fail_errno(err, jb_code_of_errno(e), e, "%s", p->path);
        }
        if (got <= 0) break;
        *n += (size_t)got;
    }
    close(fd);
    return rc == JB_OK && *n == room ? jb_fail(err, JB_E_RANGE, "%s: larger than %u bytes", p->path, JB_LIMITS_MAX_BYTES) : rc;
}

int jb_limits_place_read(const struct jb_limits_place *p, struct jb_limits_state *out, struct jb_err *err)
{
    size_t room = JB_LIMITS_MAX_BYTES + 1, n = 0;
    char *text = malloc(room);
    if (!text) return jb_fail(err, JB_E_NOMEM, "%s", p->path);
    int rc = read_file(p, text, room, &n, err);
    if (rc == JB_OK) rc = jb_limits_state_parse(out, p->path, text, n, err);
    free(text);
    return rc;
}

// Some file systems know no fsync for directories; that is no failure of ours.
static int sync_fd(int fd)
{
    return fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP || errno == ENOSYS ? 0 : errno;
}

static int write_all(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t put = write(fd, text, n);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return errno;
        text += put;
        n -= (size_t)put;
    }
    return sync_fd(fd);
}

// Returns 0 or an errno; nothing is left behind on failure.
static int replace(const struct jb_limits_place *p, const char *text, size_t n)
{
    char temporary[sizeof p->name + 8];
    snprintf(temporary, sizeof temporary, "%s.tmp", p->name);
    unlinkat(p->dir, temporary, 0); // of one who died; the lock is ours
    int fd = openat(p->dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return errno;
    int e = write_all(fd, text, n);
    if (close(fd) != 0 && e == 0) e = errno;
    if (e == 0 && renameat(p->dir, temporary, p->dir, p->name) != 0) e = errno;
    if (e) {
        unlinkat(p->dir, temporary, 0);
        return e;
    }
    return sync_fd(p->dir);
}

int jb_limits_place_write(const struct jb_limits_place *p, const struct jb_limits_state *s, struct jb_err *err)
{
    char *text = jb_limits_state_print(s);
    if (!text) return jb_fail(err, JB_E_NOMEM, "%s", p->path);
    int e = replace(p, text, strlen(text));
    free(text);
    return e ? jb_fail_errno(err, jb_code_of_errno(e), e, "%s: the limits as they were cannot be written down, so that none is changed", p->path) : JB_OK;
}

int jb_limits_place_remove(const struct jb_limits_place *p, struct jb_err *err)
{
    if (unlinkat(p->dir, p->name, 0) != 0 && errno != ENOENT) {
        int e = errno;
        return jb_fail_errno(err, jb_code_of_errno(e), e, "%s: cannot be removed", p->path);
    }
    int e = sync_fd(p->dir);
    return e ? jb_fail_errno(err, jb_code_of_errno(e), e, "%s", p->path) : JB_OK;
}
