#include "base/utf8.h"

size_t jb_utf8_step(const char *s, size_t n, uint32_t *code_point)
{
    if (n == 0) return 0;
    const unsigned char *u = (const unsigned char *)s;
    size_t len = u[0] < 0x80 ? 1 : u[0] < 0xc2 ? 0 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : u[0] < 0xf5 ? 4 : 0;
    if (len == 0 || len > n) return 0;
    uint32_t c = len == 1 ? u[0] : u[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((u[i] & 0xc0) != 0x80) return 0;
        c = c << 6 | (u[i] & 0x3f);
    }
    if ((len == 3 && c < 0x800) || (len == 4 && c < 0x10000)) return 0;
    if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) return 0;
    if (code_point) *code_point = c;
    return len;
}
