// Inside power: numbers as the kernel writes them, and nothing else. libpowercap's getters return success and 0 for garbage and read "0012" as octal.
#ifndef JB_POWER_STRICT_H
#define JB_POWER_STRICT_H

#include <stddef.h>
#include <stdint.h>

// Decimal digits without sign, padding or leading zero, then at most one newline. INVALID for anything else, RANGE beyond 64 bits.
int jb_strict_u64(const char *text, size_t n_bytes, uint64_t *out);
// One pread of an attribute. Returns 0, or the errno of the read (ENODATA: empty; EINVAL: not a number; ERANGE).
int jb_strict_read_u64(int fd, uint64_t *out);
// One line of text, newline removed, control characters replaced. Returns 0 or an errno.
int jb_strict_read_text(int fd, char *out, size_t room);

#endif
