#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium/crypto_hash_sha256.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct jb_hash {
    crypto_hash_sha256_state state;
};

static void to_hex(const unsigned char digest[crypto_hash_sha256_BYTES], char hex[JB_HASH_HEX])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < crypto_hash_sha256_BYTES; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[JB_HASH_HEX - 1] = '\0';
}

int jb_hash_open(struct jb_hash **out)
{
    struct jb_hash *h = malloc(sizeof *h);
    if (!h) return JB_E_NOMEM;
    crypto_hash_sha256_init(&h->state);
    *out = h;
    return JB_OK;
}

void jb_hash_update(struct jb_hash *h, const void *data, size_t n_bytes)
{
    if (n_bytes > 0) crypto_hash_sha256_update(&h->state, data, n_bytes);
}

void jb_hash_finish(struct jb_hash *h, char hex[JB_HASH_HEX])
{
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_final(&h->state, digest);
    to_hex(digest, hex);
}

void jb_hash_close(struct jb_hash *h)
{
    free(h);
}

void jb_hash_bytes(const void *data, size_t n_bytes, char hex[JB_HASH_HEX])
{
    struct jb_hash h;
    crypto_hash_sha256_init(&h.state);
    jb_hash_update(&h, data, n_bytes);
    jb_hash_finish(&h, hex);
}

int jb_hash_file(const char *path, char hex[JB_HASH_HEX], struct jb_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        int e = errno;
        return jb_fail_errno(err, jb_code_of_errno(e), e, "%s: cannot open", path);
    }
    int rc = JB_OK;
    struct stat st;
    if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
        rc = jb_fail(err, JB_E_INVALID, "%s: not a regular file", path);
        goto out;
    }
    struct jb_hash h;
    crypto_hash_sha256_init(&h.state);
    unsigned char block[16384];
    for (;;) {
        ssize_t n = read(fd, block, sizeof block);
        if (n == 0) break;
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            int e = errno;
            rc = jb_fail_errno(err, jb_code_of_errno(e), e, "%s: cannot read", path);
            goto out;
        }
        jb_hash_update(&h, block, (size_t)n);
    }
    jb_hash_finish(&h, hex);
out:
    close(fd);
    return rc;
}
