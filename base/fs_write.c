// Writing: whole files that appear at once or not at all.
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail_at(const char *path, const char *what, struct jb_err *err)
{
    int e = errno;
    return jb_fail_errno(err, jb_code_of_errno(e), e, "%s: cannot %s", path, what);
}

static int write_all(int fd, const char *path, const char *data, size_t n, struct jb_err *err)
{
    while (n > 0) {
        ssize_t put = write(fd, data, n);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return fail_at(path, "write", err);
        data += put;
        n -= (size_t)put;
    }
    return JB_OK;
}

// Some file systems know no fsync for what they hold; that is no failure of ours.
static int sync_fd(int fd, const char *path, struct jb_err *err)
{
    if (fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP || errno == ENOSYS) return JB_OK;
    return fail_at(path, "sync", err);
}

// A new file beside `path` under a name of its own. *fd_out and temporary are filled.
static int open_beside(const char *path, char *temporary, size_t n, int *fd_out, struct jb_err *err)
{
    for (unsigned i = 0; i < 1000; i++) {
        if (snprintf(temporary, n, "%s.%ld-%u.tmp", path, (long)getpid(), i) >= (int)n)
            return jb_fail(err, JB_E_INVALID, "%s: path too long", path);
        int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0666);
        if (fd >= 0) {
            *fd_out = fd;
            return JB_OK;
        }
        if (errno != EEXIST) break;
    }
    return fail_at(path, "create a file beside it", err);
}

static int sync_directory_of(const char *path, struct jb_err *err)
{
    char dir[4096];
    int rc = jb_path_dir(dir, sizeof dir, path);
    if (rc != JB_OK) return jb_fail(err, rc, "%s: path too long", path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fail_at(dir, "open for sync", err);
    rc = sync_fd(fd, dir, err);
    close(fd);
    return rc;
}

int jb_new_file_open(struct jb_new_file *f, const char *path, struct jb_err *err)
{
    // A rename would put a plain file in the place of /dev/null or a pipe: those are written to as they are.
    struct stat st;
    struct jb_new_file opened = { .path = path, .fd = -1 };
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
        opened.fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        if (opened.fd < 0) return fail_at(path, "open", err);
    } else {
        int rc = open_beside(path, opened.temporary, sizeof opened.temporary, &opened.fd, err);
        if (rc != JB_OK) return rc;
    }
    *f = opened;
    return JB_OK;
}

int jb_new_file_write(struct jb_new_file *f, const void *data, size_t n_bytes, struct jb_err *err)
{
    return write_all(f->fd, f->path, data, n_bytes, err);
}

void jb_new_file_drop(struct jb_new_file *f)
{
    close(f->fd);
    if (f->temporary[0]) unlink(f->temporary);
}

int jb_new_file_commit(struct jb_new_file *f, struct jb_err *err)
{
    bool renamed = f->temporary[0];
    int rc = renamed ? sync_fd(f->fd, f->path, err) : JB_OK;
    if (close(f->fd) != 0 && rc == JB_OK) rc = fail_at(f->path, "write", err); // NFS reports a full disk here
    if (rc == JB_OK && renamed && rename(f->temporary, f->path) != 0) rc = fail_at(f->path, "replace", err);
    if (rc != JB_OK) {
        if (renamed) unlink(f->temporary);
        return rc;
    }
    return renamed ? sync_directory_of(f->path, err) : JB_OK;
}

int jb_write_file_atomic(const char *path, const void *data, size_t n_bytes, struct jb_err *err)
{
    struct jb_new_file f;
    int rc = jb_new_file_open(&f, path, err);
    if (rc != JB_OK) return rc;
    rc = jb_new_file_write(&f, data, n_bytes, err);
    if (rc != JB_OK) {
        jb_new_file_drop(&f);
        return rc;
    }
    return jb_new_file_commit(&f, err);
}

static int make_dir(const char *path, struct jb_err *err)
{
    struct stat st;
    if (mkdir(path, 0777) == 0) return JB_OK;
    int e = errno;
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode)) return JB_OK;
        return jb_fail(err, JB_E_EXISTS, "%s: exists and is not a directory", path);
    }
    return jb_fail_errno(err, jb_code_of_errno(e), e, "%s: cannot create the directory", path);
}

int jb_make_dirs(const char *path, struct jb_err *err)
{
    char part[4096];
    size_t n = strlen(path);
    if (n == 0) return jb_fail(err, JB_E_INVALID, "a directory needs a name");
    if (n >= sizeof part) return jb_fail(err, JB_E_INVALID, "%s: path too long", path);
    memcpy(part, path, n + 1);
    for (size_t i = 1; i < n; i++) {
        if (part[i] != '/' || part[i - 1] == '/') continue;
        part[i] = '\0';
        int rc = make_dir(part, err);
        if (rc != JB_OK) return rc;
        part[i] = '/';
    }
    return make_dir(part, err);
}
