#include "tests/workloads/files.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

void temp_open(struct temp_dir *t)
{
    const char *base = getenv("TMPDIR");
    snprintf(t->path, sizeof t->path, "%s/jb-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(t->path))
        abort();
}

void temp_close(struct temp_dir *t)
{
    DIR *d = opendir(t->path);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[600];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", t->path, e->d_name);
        if (unlink(path) != 0) { // a directory: one level is all that the tests make
            struct temp_dir inner;
            snprintf(inner.path, sizeof inner.path, "%.255s", path);
            temp_close(&inner);
        }
    }
    if (d)
        closedir(d);
    rmdir(t->path);
}

static const char *next_path(struct temp_dir *t, const char *name)
{
    static char paths[4][600];
    static unsigned turn;
    char *p = paths[turn++ % 4];
    snprintf(p, sizeof paths[0], "%s/%s", t->path, name);
    return p;
}

const char *temp_write(struct temp_dir *t, const char *name, const void *bytes, size_t n)
{
    const char *path = next_path(t, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0)
        abort();
    return path;
}

const char *temp_gzip(struct temp_dir *t, const char *name, const void *bytes, size_t n)
{
    const char *path = next_path(t, name);
    gzFile f = gzopen(path, "wb");
    if (!f || gzwrite(f, bytes, (unsigned)n) != (int)n || gzclose(f) != Z_OK)
        abort();
    return path;
}

static void count_up(struct bytes *b, size_t n_data, uint8_t first)
{
    assert(b->n + n_data <= sizeof b->b);
    for (size_t i = 0; i < n_data; i++)
        b->b[b->n++] = (uint8_t)(first + i);
}

struct bytes make_idx(uint8_t type, const uint32_t *dims, uint8_t n_dims, size_t n_data, uint8_t first)
{
    struct bytes b = { .b = { 0, 0, type, n_dims }, .n = 4 };
    for (uint8_t d = 0; d < n_dims; d++)
        for (int shift = 24; shift >= 0; shift -= 8)
            b.b[b.n++] = (uint8_t)(dims[d] >> shift);
    count_up(&b, n_data, first);
    return b;
}

struct bytes make_npy(const char *dictionary, size_t n_data, uint8_t first)
{
    struct bytes b = { .n = 0 };
    size_t n = strlen(dictionary);
    memcpy(b.b, "\x93NUMPY\x01\x00", 8);
    b.b[8] = (uint8_t)n;
    b.b[9] = (uint8_t)(n >> 8);
    memcpy(b.b + 10, dictionary, n);
    b.n = 10 + n;
    count_up(&b, n_data, first);
    return b;
}
