// Appending to a file so that it is on the disk afterwards, or is as it was.
#include "harness/sync.h"

#include "base/fs.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

int jb_fail_write(struct jb_err *err, int errnum, const char *path)
{
    int code = errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG ? JB_E_NO_SPACE : errnum == EACCES || errnum == EPERM || errnum == EROFS ? JB_E_DENIED : JB_E_IO;
    return jb_fail_errno(err, code, errnum, "%s", path);
}

static int write_all(int fd, uint64_t at, const char *data, size_t n)
{
    while (n) {
        ssize_t done = pwrite(fd, data, n, (off_t)at);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return done ? errno : ENOSPC;
        data += done;
        at += (uint64_t)done;
        n -= (size_t)done;
    }
    return 0;
}

int jb_append_sync(int fd, const char *path, uint64_t at, const void *data, size_t n_bytes, struct jb_err *err)
{
    int errnum = write_all(fd, at, data, n_bytes);
    if (!errnum && fdatasync(fd)) errnum = errno;
    if (!errnum) return 0;
    if (ftruncate(fd, (off_t)at)) { /* the next opening cuts it: the journal does not know these bytes */ }
    return jb_fail_write(err, errnum, path);
}

int jb_sync_parent(const char *path, struct jb_err *err)
{
    char dir[4096];
    int rc = jb_path_dir(dir, sizeof dir, path);
    if (rc) return jb_fail(err, rc, "%s: the path is too long", path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return jb_fail_write(err, errno, dir);
    int errnum = fsync(fd) && errno != EINVAL ? errno : 0; // EINVAL: a file system that cannot sync directories
    close(fd);
    return errnum ? jb_fail_write(err, errnum, dir) : 0;
}
