// One UTF-8 decoder for everybody: the JSON reader refuses what it refuses, the escapers replace it.
#ifndef JB_BASE_UTF8_H
#define JB_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

// Length of the well-formed sequence at s (1-4), of which n bytes may be read; 0 when it is ill-formed: a stray continuation byte, an overlong
// form, a surrogate, above U+10FFFF, or cut (Unicode 15, table 3-7). *code_point is filled on success (NULL allowed).
size_t jb_utf8_step(const char *s, size_t n, uint32_t *code_point);

#define JB_UTF8_REPLACEMENT "\xef\xbf\xbd" // U+FFFD

#endif
