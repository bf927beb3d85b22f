#include <string.h>
#include "power/external.h"
#include "power/strict.h"

#define MICRO_DIGITS 6
#define UNITS_MOST 1000000000000u // a terawatt, and what it gives in a second

static bool is_text(const char *text, size_t n, const char *wanted)
{
    return n == strlen(wanted) && memcmp(text, wanted, n) == 0;
}

// DIGITS[.DIGITS] in millionths.
static bool decimal(const char *text, size_t n, uint64_t *micro, int *digits)
{
    const char *point = memchr(text, '.', n);
    size_t whole_n = point ? (size_t)(point - text) : n, fraction_n = point ? n - whole_n - 1 : 0;
    uint64_t whole, fraction = 0;
    if (jb_strict_u64(text, whole_n, &whole) != JB_OK || whole > UNITS_MOST || (point && fraction_n == 0)) return false;
    *digits = fraction_n < MICRO_DIGITS ? (int)fraction_n : MICRO_DIGITS;
    for (size_t i = 0; i < fraction_n; i++) {
        if (point[1 + i] < '0' || point[1 + i] > '9') return false;
        if (i < MICRO_DIGITS) fraction = 10 * fraction + (uint64_t)(point[1 + i] - '0');
    }
    for (int i = *digits; i < MICRO_DIGITS; i++) fraction *= 10;
    *micro = whole * 1000000u + fraction;
    return true;
}

void jb_external_parse(const char *text, size_t n, struct jb_external_line *out)
{
    *out = (struct jb_external_line){.kind = JB_EXTERNAL_GARBAGE};
    if (n > 0 && memchr(text, '\n', n)) return;
    if (n > 0 && text[n - 1] == '\r') n--;
    if (n == 0 || text[0] == '#') {
        out->kind = JB_EXTERNAL_EMPTY;
    } else if (is_text(text, n, "timestamp_ns,watts")) {
        out->kind = JB_EXTERNAL_WATTS_HEADER;
    } else if (is_text(text, n, "timestamp_ns,joules")) {
        out->kind = JB_EXTERNAL_JOULES_HEADER;
    } else {
        struct jb_external_line v = {.kind = JB_EXTERNAL_VALUE};
        const char *comma = memchr(text, ',', n);
        if (!comma || jb_strict_u64(text, (size_t)(comma - text), &v.stamp_ns) != JB_OK || v.stamp_ns > INT64_MAX) return;
        if (decimal(comma + 1, n - (size_t)(comma - text) - 1, &v.micro, &v.digits)) *out = v;
    }
}
