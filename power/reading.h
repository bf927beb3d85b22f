// Inside power: what the text of a raw reading means; the same for live sources and for replayed ones.
#ifndef JB_POWER_READING_H
#define JB_POWER_READING_H

#include "power/source.h"

// Text as it was read, with or without its newline: one decimal integer, or two with a blank between (millivolts and milliamperes) for their product.
// energy: the count. power: watts, the product times the channel's unit. Fills text, errnum and count or watts (nothing else), and returns errnum:
// ENODATA: empty; EINVAL: not such a number (nor padded, signed or with a leading zero); ERANGE: beyond 64 bits.
int jb_reading_parse(const struct jb_channel *c, const char *text, size_t n_bytes, struct jb_reading *out);
// Keeps the text without its newline, as far as there is room (up to a NUL).
void jb_reading_keep(struct jb_reading *r, const char *text, size_t n_bytes);

#endif
