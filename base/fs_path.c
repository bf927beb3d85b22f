// Names of files, and the lock on a directory.
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

bool jb_path_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

int jb_path_join(char *out, size_t n, const char *dir, const char *name, struct jb_err *err)
{
    size_t d = strlen(dir), m = strlen(name);
    if (name[0] == '/') d = 0;
    bool slash = d > 0 && dir[d - 1] != '/';
    if (d + slash + m >= n) return jb_fail(err, JB_E_RANGE, "%.200s/%.200s: path too long", dir, name);
    // Either argument may be `out` itself.
    memmove(out + d + slash, name, m + 1);
    memmove(out, dir, d);
    if (slash) out[d] = '/';
    return JB_OK;
}

int jb_path_dir(char *out, size_t n, const char *path)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') len--;
    while (len > 0 && path[len - 1] != '/') len--;
    while (len > 1 && path[len - 1] == '/') len--;
    const char *from = len > 0 ? path : ".";
    if (len == 0) len = 1;
    if (len >= n) return JB_E_RANGE;
    memmove(out, from, len);
    out[len] = '\0';
    return JB_OK;
}

// The pid that the holder wrote into the lock file; 0 when there is none.
static long holder_of(int fd)
{
    char text[32];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    if (n <= 0) return 0;
    text[n] = '\0';
    return strtol(text, NULL, 10);
}

int jb_dir_lock(const char *dir, int *fd_out, struct jb_err *err)
{
    char path[4096];
    int rc = jb_path_join(path, sizeof path, dir, ".lock", err);
    if (rc != JB_OK) return rc;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0666);
    if (fd < 0) {
        int e = errno;
        return jb_fail_errno(err, jb_code_of_errno(e), e, "%s: cannot open the lock", path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int e = errno;
        long pid = e == EWOULDBLOCK ? holder_of(fd) : 0;
        close(fd);
        if (e != EWOULDBLOCK) return jb_fail_errno(err, jb_code_of_errno(e), e, "%s: cannot lock", path);
        if (pid > 0) return jb_fail(err, JB_E_BUSY, "%s: held by process %ld", dir, pid);
        return jb_fail(err, JB_E_BUSY, "%s: held by another process", dir);
    }
    // The pid is a courtesy to the next one; the lock holds without it.
    if (ftruncate(fd, 0) == 0) (void)!dprintf(fd, "%ld\n", (long)getpid());
    *fd_out = fd;
    return JB_OK;
}

void jb_dir_unlock(int fd)
{
    if (fd < 0) return;
    (void)!ftruncate(fd, 0);
    close(fd);
}
