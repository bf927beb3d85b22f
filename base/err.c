#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// A detail is one line of text, whatever file name it quotes.
static void make_one_line(char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x20 || c == 0x7f) *s = c == '\t' ? ' ' : '?';
    }
}

// Cutting to the room may have left half of a UTF-8 sequence at the end.
static void drop_partial_utf8(char *s, size_t len)
{
    size_t start = len;
    while (start > 0 && len - start < 4 && ((unsigned char)s[start - 1] & 0xc0) == 0x80) start--;
    if (start == 0) return;
    unsigned char lead = (unsigned char)s[start - 1];
    size_t want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (want > len - (start - 1)) s[start - 1] = '\0';
}

static void set_detail(struct jb_err *err, const char *text)
{
    size_t len = strlen(text);
    size_t room = sizeof err->detail - 1;
    size_t n = len < room ? len : room;
    memcpy(err->detail, text, n);
    err->detail[n] = '\0';
    if (n < len) drop_partial_utf8(err->detail, n);
    make_one_line(err->detail);
}

int jb_vfail(struct jb_err *err, int code, const char *format, va_list args)
{
    if (!err) return code;
    // The arguments may point into err->detail itself.
    char text[sizeof err->detail + 4];
    vsnprintf(text, sizeof text, format, args);
    err->code = code;
    set_detail(err, text);
    return code;
}

int jb_fail(struct jb_err *err, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    jb_vfail(err, code, format, args);
    va_end(args);
    return code;
}

int jb_fail_errno(struct jb_err *err, int code, int errnum, const char *format, ...)
{
    if (!err) return code;
    char text[sizeof err->detail], reason[128], both[sizeof text + sizeof reason + 4];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    // The GNU strerror_r returns the text, in our buffer or constant.
    const char *why = strerror_r(errnum, reason, sizeof reason);
    // The reason must survive a long file name.
    size_t room = sizeof err->detail - 1 - strlen(why) - 2;
    snprintf(both, sizeof both, "%.*s: %s", (int)room, text, why);
    err->code = code;
    set_detail(err, both);
    return code;
}

int jb_err_prefix(struct jb_err *err, const char *format, ...)
{
    if (!err) return JB_E_INTERNAL;
    char text[2 * sizeof err->detail + 4];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof err->detail, format, args);
    va_end(args);
    if (n < 0) return err->code;
    size_t len = (size_t)n < sizeof err->detail ? (size_t)n : sizeof err->detail - 1;
    snprintf(text + len, sizeof text - len, ": %s", err->detail);
    set_detail(err, text);
    return err->code;
}

int jb_code_of_errno(int errnum)
{
    switch (errnum) {
    case ENOMEM: return JB_E_NOMEM;
    case ENOENT:
    case ENOTDIR: return JB_E_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS: return JB_E_DENIED;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return JB_E_NO_SPACE;
    case EEXIST: return JB_E_EXISTS;
    case EINTR: return JB_E_INTERRUPTED;
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG: return JB_E_INVALID;
    case EWOULDBLOCK:
    case EBUSY: return JB_E_BUSY;
    default: return JB_E_IO;
    }
}

// The names of err.def in lower case, by value; a test holds the two together.
static const char *const code_names[] = {
    "ok", "nomem", "io", "invalid", "unsupported", "unavailable", "not_found", "range",
    "busy", "exists", "no_space", "interrupted", "denied", "usage", "mismatch", "internal",
};

const char *jb_code_name(int code)
{
    int n = (int)(sizeof code_names / sizeof code_names[0]);
    return code > -n && code <= 0 ? code_names[-code] : "unknown";
}

const char *jb_code_text(int code)
{
    switch (code) {
    case JB_OK: return "success";
#define JB_ERR(name, value, text) case JB_E_##name: return text;
#include "base/err.def"
#undef JB_ERR
    default: return "an unknown error code";
    }
}
