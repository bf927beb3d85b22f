// Test helpers: files in a directory of their own, IDX and NPY bytes.
#ifndef JB_TESTS_WORKLOADS_FILES_H
#define JB_TESTS_WORKLOADS_FILES_H

#include <stddef.h>
#include <stdint.h>

struct temp_dir { char path[256]; };
void temp_open(struct temp_dir *t);
void temp_close(struct temp_dir *t); // removes it and all in it
// Writes bytes to NAME in it and returns the path (a static buffer that the fourth next call reuses).
const char *temp_write(struct temp_dir *t, const char *name, const void *bytes, size_t n);
const char *temp_gzip(struct temp_dir *t, const char *name, const void *bytes, size_t n);

struct bytes { uint8_t b[4096]; size_t n; };
// An IDX header, then `n_data` bytes counting up from `first`.
struct bytes make_idx(uint8_t type, const uint32_t *dims, uint8_t n_dims, size_t n_data, uint8_t first);
// An NPY 1.0 file with this dictionary, then data as above.
struct bytes make_npy(const char *dictionary, size_t n_data, uint8_t first);

#endif
