#include "power/strict.h"
#include <errno.h>
#include <unistd.h>
#include "base/err.h"

int jb_strict_u64(const char *text, size_t n_bytes, uint64_t *out)
{
    if (n_bytes > 0 && text[n_bytes - 1] == '\n') n_bytes--;
    if (n_bytes == 0 || (n_bytes > 1 && text[0] == '0')) return JB_E_INVALID;
    uint64_t v = 0;
    for (size_t i = 0; i < n_bytes; i++) {
        if (text[i] < '0' || text[i] > '9') return JB_E_INVALID;
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (v > (UINT64_MAX - digit) / 10) return JB_E_RANGE;
        v = v * 10 + digit;
    }
    *out = v;
    return JB_OK;
}

int jb_strict_read_u64(int fd, uint64_t *out)
{
    char text[32];
    ssize_t n = pread(fd, text, sizeof text, 0);
    if (n < 0) return errno;
    if (n == 0) return ENODATA;
    int rc = jb_strict_u64(text, (size_t)n, out);
    return rc == JB_OK ? 0 : rc == JB_E_RANGE ? ERANGE : EINVAL;
}

int jb_strict_read_text(int fd, char *out, size_t room)
{
    ssize_t n = pread(fd, out, room - 1, 0);
    if (n < 0) return errno;
    if (n > 0 && out[n - 1] == '\n') n--;
    if (n == 0) return ENODATA;
    for (ssize_t i = 0; i < n; i++)
        if ((unsigned char)out[i] < ' ' || out[i] == 127) out[i] = '?';
    out[n] = 0;
    return 0;
}
