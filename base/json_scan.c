#include "base/json_scan.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

struct scan {
    const char *name, *text, *p, *end;
    struct jb_err *err;
};

int jb_json_line_at(const char *text, const char *at)
{
    int line = 1;
    for (const char *p = text; p < at; p++) line += *p == '\n';
    return line;
}

static int fail_at(struct scan *s, const char *at, const char *what)
{
    const char *line_start = at;
    while (line_start > s->text && line_start[-1] != '\n') line_start--;
    return jb_fail(s->err, JB_E_INVALID, "%s:%d:%d: %s", s->name, jb_json_line_at(s->text, at), (int)(at - line_start) + 1, what);
}

static int fail_here(struct scan *s, const char *expected)
{
    char what[96];
    unsigned char c = (unsigned char)*s->p;
    if (s->p == s->end)
        snprintf(what, sizeof what, "the text ends where %s is expected", expected);
    else if (isprint(c))
        snprintf(what, sizeof what, "'%c' where %s is expected", c, expected);
    else
        snprintf(what, sizeof what, "byte 0x%02x where %s is expected", c, expected);
    return fail_at(s, s->p, what);
}

const char *jb_json_skip_space(const char *p)
{
    return p + strspn(p, " \t\r\n");
}

const char *jb_json_skip_string(const char *p)
{
    for (p++; *p && *p != '"'; p++)
        if (*p == '\\' && p[1]) p++;
    return *p ? p + 1 : p;
}

const char *jb_json_skip_scalar(const char *p)
{
    return *p == '"' ? jb_json_skip_string(p) : p + strcspn(p, ",]} \t\r\n");
}

// Four hexadecimal digits; -1 when they are not.
static long hex4(const char *p)
{
    long v = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)p[i];
        if (!isxdigit(c)) return -1; // also stops at the NUL
        v = v * 16 + (isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
    }
    return v;
}

// \uXXXX at p. A surrogate must come as a pair; U+0000 would end the C string that the program sees.
static int scan_unicode_escape(struct scan *s)
{
    long v = hex4(s->p + 2);
    if (v < 0) return fail_at(s, s->p, "\\u needs four hexadecimal digits");
    if (v == 0) return fail_at(s, s->p, "\\u0000 is not accepted");
    if (v >= 0xdc00 && v <= 0xdfff) return fail_at(s, s->p, "lone surrogate");
    s->p += 6;
    if (v < 0xd800 || v > 0xdbff) return JB_OK;
    long low = s->p[0] == '\\' && s->p[1] == 'u' ? hex4(s->p + 2) : -1;
    if (low < 0xdc00 || low > 0xdfff) return fail_at(s, s->p - 6, "lone surrogate");
    s->p += 6;
    return JB_OK;
}

static int scan_string(struct scan *s)
{
    const char *start = s->p++;
    while (s->p < s->end && *s->p != '"') {
        unsigned char c = (unsigned char)*s->p;
        if (c < 0x20) return fail_at(s, s->p, "control character inside a string");
        if (c == '\\' && s->p[1] == 'u') {
            int rc = scan_unicode_escape(s);
            if (rc != JB_OK) return rc;
        } else if (c == '\\') {
            if (!s->p[1] || !strchr("\"\\/bfnrt", s->p[1])) return fail_at(s, s->p, "unknown escape in a string");
            s->p += 2;
        } else {
            size_t len = jb_utf8_step(s->p, (size_t)(s->end - s->p), NULL);
            if (len == 0) return fail_at(s, s->p, "invalid UTF-8");
            s->p += len;
        }
    }
    if (s->p >= s->end) return fail_at(s, start, "string without an end");
    s->p++;
    return JB_OK;
}

static bool skip_digits(struct scan *s)
{
    const char *from = s->p;
    while (isdigit((unsigned char)*s->p)) s->p++;
    return s->p > from;
}

static int scan_number(struct scan *s)
{
    const char *start = s->p;
    if (*s->p == '-') s->p++;
    bool zero = *s->p == '0';
    if (!skip_digits(s)) return fail_here(s, "a digit");
    if (zero && s->p - start > 1 + (*start == '-')) return fail_at(s, start, "number with a leading zero");
    if (*s->p == '.') {
        s->p++;
        if (!skip_digits(s)) return fail_here(s, "a digit");
    }
    if (*s->p == 'e' || *s->p == 'E') {
        s->p++;
        if (*s->p == '+' || *s->p == '-') s->p++;
        if (!skip_digits(s)) return fail_here(s, "a digit");
    }
    if (s->p - start > JB_JSON_MAX_NUMBER) return fail_at(s, start, "number of more than 60 characters");
    if (!isfinite(strtod(start, NULL))) return fail_at(s, start, "number beyond the range of a double");
    return JB_OK;
}

static int scan_word(struct scan *s, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(s->p, word, n) != 0) return fail_here(s, "a value");
    s->p += n;
    return JB_OK;
}

static int scan_value(struct scan *s, int depth);

static int scan_member(struct scan *s, int depth)
{
    if (*s->p != '"') return fail_here(s, "a key in double quotes");
    int rc = scan_string(s);
    if (rc != JB_OK) return rc;
    s->p = jb_json_skip_space(s->p);
    if (*s->p != ':') return fail_here(s, "':'");
    s->p = jb_json_skip_space(s->p + 1);
    return scan_value(s, depth);
}

static int scan_container(struct scan *s, int depth)
{
    bool object = *s->p == '{';
    char closing = object ? '}' : ']';
    if (depth >= JB_JSON_MAX_DEPTH) return fail_at(s, s->p, "nested deeper than 64 levels");
    s->p = jb_json_skip_space(s->p + 1);
    if (*s->p == closing) {
        s->p++;
        return JB_OK;
    }
    for (;;) {
        int rc = object ? scan_member(s, depth + 1) : scan_value(s, depth + 1);
        if (rc != JB_OK) return rc;
        s->p = jb_json_skip_space(s->p);
        if (*s->p == closing) break;
        if (*s->p != ',') return fail_here(s, object ? "',' or '}'" : "',' or ']'");
        s->p = jb_json_skip_space(s->p + 1);
    }
    s->p++;
    return JB_OK;
}

static int scan_value(struct scan *s, int depth)
{
    switch (*s->p) {
    case '{':
    case '[': return scan_container(s, depth);
    case '"': return scan_string(s);
    case 't': return scan_word(s, "true");
    case 'f': return scan_word(s, "false");
    case 'n': return scan_word(s, "null");
    default: return *s->p == '-' || isdigit((unsigned char)*s->p) ? scan_number(s) : fail_here(s, "a value");
    }
}

int jb_json_scan(const char *name, const char *text, size_t n, struct jb_err *err)
{
    struct scan s = {.name = name, .text = text, .p = jb_json_skip_space(text), .end = text + n, .err = err};
    int rc = scan_value(&s, 0);
    if (rc != JB_OK) return rc;
    s.p = jb_json_skip_space(s.p);
    return s.p == s.end ? JB_OK : fail_here(&s, "the end of the text");
}
