// One limit's file: opening, exact writing, and what its errors mean.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include <unistd.h>
#include "power/limits_data.h"
#include "power/strict.h"

#define UNIT_UW 125000u // 1/8 W: the unit of power of RAPL (Intel SDM volume 3, MSR_RAPL_POWER_UNIT, its default)

bool jb_limits_same(uint64_t a_uw, uint64_t b_uw)
{
    uint64_t off = a_uw > b_uw ? a_uw - b_uw : b_uw - a_uw;
    return off <= UNIT_UW || off <= a_uw / 200;
}

int jb_limits_file_open(const char *path, int *fd, bool *sysfs)
{
    struct stat st;
    struct statfs fs;
    int f = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (f < 0) return errno;
    if (fstat(f, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(f);
        return EINVAL;
    }
    *sysfs = fstatfs(f, &fs) == 0 && fs.f_type == SYSFS_MAGIC;
    *fd = f;
    return 0;
}

static int read_limit(void *self, int fd, uint64_t *uw)
{
    (void)self;
    return jb_strict_read_u64(fd, uw);
}

// The exact digits, nothing behind them (libpowercap sends 24 bytes, zeros and all). A plain file keeps its old end, so that is cut; an attribute of sysfs has none.
// lseek, write and ftruncate alone: a handler of a signal calls this.
static int write_limit(void *self, int fd, bool sysfs, const char *digits, size_t n)
{
    (void)self;
    if (lseek(fd, 0, SEEK_SET) < 0) return errno;
    ssize_t put = write(fd, digits, n);
    if (put < 0) return errno;
    if ((size_t)put != n) return EIO;
    return sysfs || ftruncate(fd, (off_t)n) == 0 || errno == ENOSYS || errno == EINVAL ? 0 : errno;
}

struct jb_limits_io jb_limits_io_files(void)
{
    return (struct jb_limits_io){read_limit, write_limit, NULL};
}

int jb_limits_fail(struct jb_err *err, int errnum, const char *path, const char *as, uint64_t uw)
{
    const char *at = path ? path : "", *colon = path ? ": " : "";
    bool root = geteuid() == 0, writing = strcmp(as, "written") == 0;
    switch (errnum) {
    case EACCES:
    case EPERM:
        if (writing) return jb_fail(err, JB_E_UNAVAILABLE, "%s%slocked by the firmware: the kernel refuses every change; the BIOS set-up may have a switch (\"power limit lock\", \"overclocking lock\")", at, colon);
        if (root) return jb_fail(err, JB_E_DENIED, "%s%scannot be %s, not even by root: a container or a security module forbids it; run on the host", at, colon, as);
        return jb_fail(err, JB_E_DENIED, "%s%scannot be %s: not root; run the same with sudo", at, colon, as);
    case EROFS:
        return jb_fail(err, JB_E_DENIED, "%s%smounted read-only (a container?): run on the host, or mount it writable", at, colon);
    case EINVAL:
        if (writing) return jb_fail(err, JB_E_INVALID, "%s%sthe kernel refuses %.6g W as a value: below or above what the platform takes", at, colon, (double)uw * 1e-6);
        return jb_fail(err, JB_E_UNAVAILABLE, "%s%sholds no number", at, colon);
    case ENODATA: // the class makes this of whatever a driver says to a write (drivers/powercap/powercap_sys.c), EACCES of a locked register included
        if (writing) return jb_fail(err, JB_E_UNAVAILABLE, "%s%sthe driver refuses %.6g W: locked by the firmware (the BIOS set-up may have a switch: \"power limit lock\"), or not a value that the platform takes; see `dmesg | grep -i rapl`", at, colon, (double)uw * 1e-6);
        return jb_fail(err, JB_E_UNAVAILABLE, "%s%sthe platform has no such limit (no data)", at, colon);
    case ENOENT:
    case ENODEV:
    case ENXIO:
        return jb_fail(err, JB_E_UNAVAILABLE, "%s%sthe zone has vanished (was its kernel module removed?)", at, colon);
    case EWOULDBLOCK:
        return jb_fail(err, JB_E_BUSY, "%s%sanother process changes this limit (with another state file)", at, colon);
    case ELOOP:
        return jb_fail(err, JB_E_DENIED, "%s%sa symbolic link is not followed", at, colon);
    default:
        return jb_fail_errno(err, jb_code_of_errno(errnum), errnum, "%s%scannot be %s", at, colon, as);
    }
}
