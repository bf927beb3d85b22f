// Files: bounded reads, atomic writes, append-only journals, directory locks, mapping.
#ifndef JB_BASE_FS_H
#define JB_BASE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

// Whole file into memory with a NUL behind it (not counted). Refuses more than max_bytes and anything but a regular file or FIFO. *out is owned (free).
int jb_read_file(const char *path, size_t max_bytes, char **out, size_t *n_bytes, struct jb_err *err);
// The same for gzip or plain files; the limit holds for the inflated size.
int jb_read_maybe_gzip(const char *path, size_t max_bytes, uint8_t **out, size_t *n_bytes, struct jb_err *err);
// Writes to a temporary name beside it, fsync, rename, fsync of the directory: the old file or the new one, never a torn one.
int jb_write_file_atomic(const char *path, const void *data, size_t n_bytes, struct jb_err *err);
// The same in pieces. path is borrowed until the file is committed or dropped, one of which ends it: open succeeded, so one of them is due.
struct jb_new_file { const char *path; int fd; char temporary[4160]; };
int jb_new_file_open(struct jb_new_file *f, const char *path, struct jb_err *err);
int jb_new_file_write(struct jb_new_file *f, const void *data, size_t n_bytes, struct jb_err *err);
int jb_new_file_commit(struct jb_new_file *f, struct jb_err *err);
void jb_new_file_drop(struct jb_new_file *f); // no trace is left
int jb_make_dirs(const char *path, struct jb_err *err);       // like mkdir -p
bool jb_path_exists(const char *path);
// dir + "/" + name into out (room n); an absolute name is kept. RANGE when it does not fit.
int jb_path_join(char *out, size_t n, const char *dir, const char *name, struct jb_err *err);
int jb_path_dir(char *out, size_t n, const char *path);       // "." when there is no slash

// Read-only mapping.
struct jb_map { const uint8_t *data; size_t n_bytes; };
int jb_map_open(struct jb_map *out, const char *path, struct jb_err *err);
void jb_map_close(struct jb_map *map);

// An exclusive lock on a directory (flock on DIR/.lock); BUSY names the holder's pid when it is known.
int jb_dir_lock(const char *dir, int *fd_out, struct jb_err *err);
void jb_dir_unlock(int fd);

#endif
