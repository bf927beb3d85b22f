// Appending to a file so that it is on the disk afterwards, or is as it was.
#ifndef JB_HARNESS_SYNC_H
#define JB_HARNESS_SYNC_H

#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

// NO_SPACE for a full disk, quota or file-size limit, DENIED for missing rights, else IO; names the file.
int jb_fail_write(struct jb_err *err, int errnum, const char *path);
// Writes n_bytes at offset `at` (the end of what is good), then fdatasync. On failure the file is cut back to `at` if that can be done.
int jb_append_sync(int fd, const char *path, uint64_t at, const void *data, size_t n_bytes, struct jb_err *err);
// fsync of the directory that a path lies in: a new name is on the disk afterwards.
int jb_sync_parent(const char *path, struct jb_err *err);

#endif
