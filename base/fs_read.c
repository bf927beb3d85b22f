// Reading: bounded whole files, plain or gzip, and read-only mappings.
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

// Opens for reading and checks the kind. FIFOs only where allowed (shells hand them over for <(...)).
static int open_input(const char *path, bool allow_fifo, int *fd_out, struct stat *st, struct jb_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (allow_fifo ? 0 : O_NONBLOCK));
    if (fd < 0 || fstat(fd, st) != 0) {
        int e = errno;
        if (fd >= 0) close(fd);
        return jb_fail_errno(err, jb_code_of_errno(e), e, "%s: cannot open", path);
    }
    if (S_ISREG(st->st_mode) || (allow_fifo && S_ISFIFO(st->st_mode))) {
        *fd_out = fd;
        return JB_OK;
    }
    close(fd);
    return jb_fail(err, JB_E_INVALID, "%s: %s", path, S_ISDIR(st->st_mode) ? "is a directory" : "not a regular file");
}

static int too_large(const char *path, size_t max_bytes, struct jb_err *err)
{
    return jb_fail(err, JB_E_RANGE, "%s: larger than the %zu bytes that are accepted here", path, max_bytes);
}

static bool grow(char **data, size_t *cap, size_t limit)
{
    size_t next = *cap > limit / 2 ? limit : *cap * 2;
    char *p = realloc(*data, next);
    if (!p) return false;
    *data = p;
    *cap = next;
    return true;
}

// Reads fd to its end; size_hint may lie. The buffer holds a NUL behind the content.
static int read_all(int fd, const char *path, size_t size_hint, size_t max_bytes, char **out, size_t *n_bytes, struct jb_err *err)
{
    size_t limit = max_bytes + 2; // one byte more than allowed tells that it is too large; and the NUL
    if (limit < max_bytes) return jb_fail(err, JB_E_INTERNAL, "%s: limit too large", path);
    size_t cap = (size_hint < max_bytes ? size_hint : max_bytes) + 2, n = 0;
    char *data = malloc(cap);
    if (!data) return jb_fail(err, JB_E_NOMEM, "%s: out of memory", path);
    int rc = JB_OK;
    for (;;) {
        if (n + 1 == cap && cap < limit && !grow(&data, &cap, limit)) {
            rc = jb_fail(err, JB_E_NOMEM, "%s: out of memory after %zu bytes", path, n);
            goto fail;
        }
        ssize_t got = read(fd, data + n, cap - 1 - n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            int e = errno;
            rc = jb_fail_errno(err, jb_code_of_errno(e), e, "%s: cannot read at byte %zu", path, n);
            goto fail;
        }
        if (got == 0) break;
        n += (size_t)got;
        if (n > max_bytes) {
            rc = too_large(path, max_bytes, err);
            goto fail;
        }
    }
    data[n] = '\0';
    *out = data;
    *n_bytes = n;
    return JB_OK;
fail:
    free(data);
    return rc;
}

int jb_read_file(const char *path, size_t max_bytes, char **out, size_t *n_bytes, struct jb_err *err)
{
    struct stat st;
    int fd, rc = open_input(path, true, &fd, &st, err);
    if (rc != JB_OK) return rc;
    size_t size = st.st_size > 0 ? (size_t)st.st_size : 0;
    rc = S_ISREG(st.st_mode) && size > max_bytes ? too_large(path, max_bytes, err)
                                                 : read_all(fd, path, size ? size : 4096, max_bytes, out, n_bytes, err);
    close(fd);
    return rc;
}

// zlib allocates through these, so that the countdown tests see it.
static voidpf zlib_alloc(voidpf opaque, uInt items, uInt size)
{
    (void)opaque;
    return calloc(items, size);
}

static void zlib_free(voidpf opaque, voidpf address)
{
    (void)opaque;
    free(address);
}

struct inflation {
    const char *path;
    size_t max_bytes, cap, n; // n bytes of cap are filled; one stays for the NUL
    char *data;
};

// Inflates until the stream is at its end of input. Members may follow one another (RFC 1952, 2.2).
static int inflate_members(struct inflation *f, z_stream *z, struct jb_err *err)
{
    size_t limit = f->max_bytes + 2;
    for (;;) {
        if (f->n + 1 >= f->cap && !(f->cap < limit && grow(&f->data, &f->cap, limit)))
            return jb_fail(err, JB_E_NOMEM, "%s: out of memory after %zu inflated bytes", f->path, f->n);
        size_t room = f->cap - 1 - f->n;
        z->next_out = (Bytef *)f->data + f->n;
        z->avail_out = room > 1u << 30 ? 1u << 30 : (uInt)room;
        uInt before = z->avail_out;
        int status = inflate(z, Z_NO_FLUSH);
        f->n += before - z->avail_out;
        if (f->n > f->max_bytes)
            return jb_fail(err, JB_E_RANGE, "%s: inflates to more than the %zu bytes that are accepted here", f->path, f->max_bytes);
        if (status == Z_STREAM_END) {
            if (z->avail_in == 0) return JB_OK;
            status = inflateReset(z); // trailing bytes must be another member
        }
        if (status == Z_MEM_ERROR) return jb_fail(err, JB_E_NOMEM, "%s: out of memory", f->path);
        if (status == Z_BUF_ERROR || (status == Z_OK && z->avail_in == 0 && z->avail_out > 0))
            return jb_fail(err, JB_E_INVALID, "%s: the gzip stream is cut after %zu inflated bytes", f->path, f->n);
        if (status != Z_OK)
            return jb_fail(err, JB_E_INVALID, "%s: damaged gzip stream after %zu inflated bytes: %s", f->path, f->n, z->msg ? z->msg : "unknown");
    }
}

static int inflate_all(const char *path, const char *raw, size_t n_raw, size_t max_bytes, char **out, size_t *n_bytes, struct jb_err *err)
{
    if (n_raw > UINT32_MAX) return jb_fail(err, JB_E_RANGE, "%s: compressed to more than 4 GiB", path);
    z_stream z = {.zalloc = zlib_alloc, .zfree = zlib_free};
    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) return jb_fail(err, JB_E_NOMEM, "%s: out of memory", path);
    size_t guess = n_raw < max_bytes / 4 ? n_raw * 4 : max_bytes;
    struct inflation f = {.path = path, .max_bytes = max_bytes, .cap = guess + 2, .data = malloc(guess + 2)};
    int rc = f.data ? JB_OK : jb_fail(err, JB_E_NOMEM, "%s: out of memory", path);
    if (rc == JB_OK) {
        z.next_in = (z_const Bytef *)raw;
        z.avail_in = (uInt)n_raw;
        rc = inflate_members(&f, &z, err);
    }
    inflateEnd(&z);
    if (rc != JB_OK) {
        free(f.data);
        return rc;
    }
    f.data[f.n] = '\0';
    *out = f.data;
    *n_bytes = f.n;
    return JB_OK;
}

int jb_read_maybe_gzip(const char *path, size_t max_bytes, uint8_t **out, size_t *n_bytes, struct jb_err *err)
{
    // gzip makes incompressible data a little longer; what is longer than that inflates to too much anyway.
    size_t slack = max_bytes / 1000 + 65536;
    if (max_bytes > SIZE_MAX - slack - 2) return jb_fail(err, JB_E_INTERNAL, "%s: limit too large", path);
    char *raw = NULL, *data = NULL;
    size_t n_raw = 0, n = 0;
    int rc = jb_read_file(path, max_bytes + slack, &raw, &n_raw, err);
    if (rc != JB_OK) return rc;
    bool gzip = n_raw >= 2 && (unsigned char)raw[0] == 0x1f && (unsigned char)raw[1] == 0x8b;
    if (gzip) {
        rc = inflate_all(path, raw, n_raw, max_bytes, &data, &n, err);
        free(raw);
    } else if (n_raw > max_bytes) {
        free(raw);
        rc = too_large(path, max_bytes, err);
    } else {
        data = raw;
        n = n_raw;
    }
    if (rc != JB_OK) return rc;
    *out = (uint8_t *)data;
    *n_bytes = n;
    return JB_OK;
}

int jb_map_open(struct jb_map *out, const char *path, struct jb_err *err)
{
    struct stat st;
    int fd, rc = open_input(path, false, &fd, &st, err);
    if (rc != JB_OK) return rc;
    static const uint8_t nothing[1];
    struct jb_map map = {.data = nothing, .n_bytes = (size_t)st.st_size}; // an empty file cannot be mapped
    if (map.n_bytes > 0) {
        void *p = mmap(NULL, map.n_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        int e = errno;
        if (p == MAP_FAILED) rc = jb_fail_errno(err, jb_code_of_errno(e), e, "%s: cannot map %zu bytes", path, map.n_bytes);
        map.data = p;
    }
    close(fd);
    if (rc == JB_OK) *out = map;
    return rc;
}

void jb_map_close(struct jb_map *map)
{
    if (map->n_bytes > 0) munmap((void *)(uintptr_t)map->data, map->n_bytes);
    *map = (struct jb_map){0};
}
