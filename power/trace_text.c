#include "power/trace_text.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "power/strict.h"

#define MAX_ERRNO 4095 // of the kernel
#define HOUR_NS 3600e9

#define HEAD(member) offsetof(struct jb_trace_head, member)
const struct jb_trace_field jb_trace_head_fields[] = {
    {"name", JB_TRACE_TEXT, HEAD(name), sizeof((struct jb_trace_head *)0)->name, true, 0},
    {"class", JB_TRACE_CLASS, HEAD(cls), 0, true, 0},
    {"root", JB_TRACE_TEXT, HEAD(root), sizeof((struct jb_trace_head *)0)->root, false, 0},
    {"remark", JB_TRACE_TEXT, HEAD(remark), sizeof((struct jb_trace_head *)0)->remark, false, 0},
    {"sampler_period_ns", JB_TRACE_U64, HEAD(sampler_period_ns), 0, false, HOUR_NS},
    {"settle_most_ns", JB_TRACE_U64, HEAD(settle_most_ns), 0, false, HOUR_NS},
    {"opened_ns", JB_TRACE_U64, HEAD(opened_ns), 0, false, 0x1p62},
    {"realtime_ns", JB_TRACE_U64, HEAD(realtime_ns), 0, true, 0x1p62},
    {NULL, 0, 0, 0, false, 0},
};

#define CHANNEL(member) offsetof(struct jb_channel, member)
const struct jb_trace_field jb_trace_channel_fields[] = {
    {"kind", JB_TRACE_KIND, CHANNEL(kind), 0, true, 0},
    {"control_type", JB_TRACE_TEXT, CHANNEL(zone.control_type), sizeof((struct jb_channel *)0)->zone.control_type, false, 0},
    {"name", JB_TRACE_TEXT, CHANNEL(zone.name), sizeof((struct jb_channel *)0)->zone.name, true, 0},
    {"parent", JB_TRACE_INT, CHANNEL(zone.parent), 0, true, 0},
    {"has_counter", JB_TRACE_FLAG, CHANNEL(zone.has_counter), 0, false, 0},
    {"excluded", JB_TRACE_CONSTANT, CHANNEL(zone.excluded), JB_TRACE_MAX_CONSTANT, false, 0},
    {"path", JB_TRACE_TEXT, CHANNEL(path), sizeof((struct jb_channel *)0)->path, false, 0},
    {"unit", JB_TRACE_F64, CHANNEL(unit), 0, true, 1e12},
    {"range", JB_TRACE_U64, CHANNEL(range), 0, false, 0},
    {"step_uj", JB_TRACE_F64, CHANNEL(step_uj), 0, false, 1e15},
    {"ceiling_w", JB_TRACE_F64, CHANNEL(ceiling_w), 0, false, 1e9},
    {"ceiling_from", JB_TRACE_CONSTANT, CHANNEL(ceiling_from), JB_TRACE_MAX_CONSTANT, false, 0},
    {"update_ns", JB_TRACE_U64, CHANNEL(update_ns), 0, false, HOUR_NS},
    {"update_least_ns", JB_TRACE_U64, CHANNEL(update_least_ns), 0, false, HOUR_NS},
    {"accuracy", JB_TRACE_F64, CHANNEL(accuracy), 0, false, 100},
    {"never_rests", JB_TRACE_FLAG, CHANNEL(never_rests), 0, false, 0},
    {"averaged", JB_TRACE_FLAG, CHANNEL(averaged), 0, false, 0},
    {"falling", JB_TRACE_FLAG, CHANNEL(falling), 0, false, 0},
    {NULL, 0, 0, 0, false, 0},
};

static void put_value(struct jb_str *out, const struct jb_trace_field *f, const void *value)
{
    switch (f->type) {
    case JB_TRACE_TEXT: jb_trace_put_quoted(out, value); break;
    case JB_TRACE_CONSTANT: {
        char cut[JB_TRACE_MAX_CONSTANT];
        snprintf(cut, sizeof cut, "%s", *(const char *const *)value);
        jb_trace_put_quoted(out, cut);
        break;
    }
    case JB_TRACE_U64: {
        uint64_t v = *(const uint64_t *)value;
        jb_str_addf(out, "%" PRIu64, f->most > 0 && (double)v > f->most ? (uint64_t)f->most : v);
        break;
    }
    case JB_TRACE_F64: {
        double v = *(const double *)value;
        jb_str_addf(out, "%.17g", !(v > 0) ? 0.0 : f->most > 0 && v > f->most ? f->most : v);
        break;
    }
    case JB_TRACE_INT: jb_str_addf(out, "%d", *(const int *)value); break;
    case JB_TRACE_KIND: jb_str_add(out, *(const enum jb_channel_kind *)value == JB_CHANNEL_POWER ? "power" : "energy"); break;
    case JB_TRACE_CLASS: jb_str_add(out, jb_energy_class_name(*(const enum jb_energy_class *)value)); break;
    case JB_TRACE_FLAG: break;
    }
}

void jb_trace_put_fields(struct jb_str *out, const struct jb_trace_field *fields, const void *object)
{
    for (const struct jb_trace_field *f = fields; f->key; f++) {
        const void *value = (const char *)object + f->offset;
        if (f->type == JB_TRACE_FLAG && !*(const bool *)value) continue;
        if (f->type == JB_TRACE_CONSTANT && !*(const char *const *)value) continue;
        jb_str_addf(out, f->type == JB_TRACE_FLAG ? " %s" : " %s=", f->key);
        put_value(out, f, value);
    }
}

void jb_trace_put_quoted(struct jb_str *out, const char *text)
{
    jb_str_add(out, "\"");
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\') jb_str_addf(out, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f) jb_str_addf(out, "\\x%02x", c);
        else jb_str_addn(out, p, 1);
    }
    jb_str_add(out, "\"");
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// One character behind a backslash; 0 when there is none such.
static unsigned char escaped(const char **at, const char *end)
{
    if (*at == end) return 0;
    char c = *(*at)++;
    if (c == '"' || c == '\\') return (unsigned char)c;
    if (c != 'x' || end - *at < 2) return 0;
    int high = hex_digit((*at)[0]), low = hex_digit((*at)[1]);
    *at += 2;
    return high < 0 || low < 0 ? 0 : (unsigned char)(high * 16 + low);
}

int jb_trace_get_quoted(const char **at, const char *end, char *out, size_t room)
{
    const char *p = *at;
    size_t n = 0;
    if (p == end || *p++ != '"') return JB_E_INVALID;
    while (p < end && *p != '"') {
        unsigned char c = (unsigned char)*p++;
        if (c < 0x20 || c >= 0x7f) return JB_E_INVALID;
        if (c == '\\' && (c = escaped(&p, end)) == 0) return JB_E_INVALID;
        if (n + 1 >= room) return JB_E_INVALID;
        out[n++] = (char)c;
    }
    if (p == end) return JB_E_INVALID;
    out[n] = 0;
    *at = p + 1;
    return JB_OK;
}

int jb_trace_get_f64(const char *text, size_t n_bytes, double *out)
{
    char copy[40], *end;
    if (n_bytes == 0 || n_bytes >= sizeof copy || text[0] < '0' || text[0] > '9') return JB_E_INVALID;
    for (size_t i = 0; i < n_bytes; i++) {
        if (!strchr("0123456789.e+-", text[i]) || !text[i]) return JB_E_INVALID; // no hexadecimal, inf or nan
        copy[i] = text[i];
    }
    copy[n_bytes] = 0;
    double v = strtod(copy, &end);
    if (*end || !isfinite(v)) return JB_E_INVALID;
    *out = v;
    return JB_OK;
}

void jb_errno_name(int errnum, char out[24])
{
    const char *name = errnum > 0 ? strerrorname_np(errnum) : NULL;
    if (name) snprintf(out, 24, "%s", name);
    else if (errnum > 0 && errnum <= MAX_ERRNO) snprintf(out, 24, "%d", errnum);
    else snprintf(out, 24, "EIO"); // not one of the kernel's
}

int jb_errno_of_name(const char *name, size_t n_bytes)
{
    uint64_t number;
    if (jb_strict_u64(name, n_bytes, &number) == JB_OK) return number <= MAX_ERRNO ? (int)number : 0; // 0 for 0 as well
    for (int e = 1; e < 200; e++) {
        const char *known = strerrorname_np(e);
        if (known && strlen(known) == n_bytes && memcmp(known, name, n_bytes) == 0) return e;
    }
    return 0;
}
