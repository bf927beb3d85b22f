// Parses a trace. Strict: what is not understood is an error with its line, because a joule that was silently skipped is worse than no trace.
#include "power/trace.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fs.h"
#include "power/sources.h"
#include "power/strict.h"

static const char magic[] = "# joulebench.trace/1";
static const char column_names[] = "timestamp_ns,zone,energy_uj";
#define DEFAULT_UPDATE_NS 1000000 // RAPL's nominal period

static const char missing_text[] = "a reading is missing in the trace";
static const char late_text[] = "the counter may have wrapped more than once between two readings of the trace";
static const char implausible_text[] = "implausible: the trace's counter ran backwards, was reset, or shows more power than the ceiling";

struct parser {
    struct jb_trace *t;
    double max_power_w;   // the user's; 0: the trace's
    int line;
    bool in_data;
    struct jb_accumulator sum[JB_TRACE_MAX_ZONES];
    bool seen[JB_TRACE_MAX_ZONES], missed[JB_TRACE_MAX_ZONES];
    uint64_t last_ns[JB_TRACE_MAX_ZONES];
    struct jb_err *err;
};

static int bad_line(struct parser *p, const char *why)
{
    return jb_fail(p->err, JB_E_INVALID, "%s:%d: %s", p->t->name, p->line, why);
}

// A word up to `end` characters: returns its length and moves on behind one following blank.
static size_t word(const char **at, const char *end)
{
    const char *start = *at;
    while (*at < end && **at != ' ') ++*at;
    size_t n = (size_t)(*at - start);
    if (*at < end) ++*at;
    return n;
}

static int find_zone(const struct jb_trace *t, const char *name, size_t n)
{
    for (size_t i = 0; i < t->n; i++)
        if (strlen(t->cover[i].name) == n && memcmp(t->cover[i].name, name, n) == 0) return (int)i;
    return -1;
}

static bool is_one_of(const char *name, const char *const *prefixes)
{
    for (; *prefixes; prefixes++)
        if (strncmp(name, *prefixes, strlen(*prefixes)) == 0) return true;
    return false;
}

// "# zone NAME RANGE_UJ"
static int header_zone(struct parser *p, const char *at, const char *end)
{
    static const char *const rapl[] = {"package", "psys", "dram", "core", "uncore", NULL};
    struct jb_trace *t = p->t;
    const char *name = at;
    size_t n = word(&at, end);
    uint64_t range;
    if (n == 0 || n >= 40 || memchr(name, ',', n) || find_zone(t, name, n) >= 0) return bad_line(p, "a zone needs a new name of at most 39 characters without a comma");
    if (jb_strict_u64(at, (size_t)(end - at), &range) != JB_OK || range == 0) return bad_line(p, "a zone needs the largest value of its counter in microjoules");
    if (t->n == JB_TRACE_MAX_ZONES) return bad_line(p, "more than 64 zones");
    struct jb_cover_zone *c = &t->cover[t->n];
    *c = (struct jb_cover_zone){.parent = -1, .has_counter = true};
    memcpy(c->name, name, n);
    const char *type = !is_one_of(c->name, rapl) ? "other" : n > 5 && strcmp(c->name + n - 5, "/mmio") == 0 ? "intel-rapl-mmio" : "intel-rapl";
    snprintf(c->control_type, sizeof c->control_type, "%s", type);
    t->zone[t->n++].range_uj = range;
    return JB_OK;
}

static int header_line(struct parser *p, const char *at, const char *end)
{
    const char *key = at;
    size_t n = word(&at, end);
    uint64_t value = 0;
    if (n == 4 && memcmp(key, "zone", 4) == 0) return header_zone(p, at, end);
    if (jb_strict_u64(at, (size_t)(end - at), &value) != JB_OK) return bad_line(p, "a header line is `# KEY NUMBER` or `# zone NAME RANGE_UJ`; a comment begins with ##");
    if (n == 9 && memcmp(key, "update_ns", 9) == 0 && value <= 60000000000u) p->t->update_ns = value;
    else if (n == 7 && memcmp(key, "read_ns", 7) == 0 && value <= 60000000000u) p->t->read_ns = value;
    else if (n == 11 && memcmp(key, "max_power_w", 11) == 0 && value > 0 && value <= 1000000) p->t->max_power_w = (double)value;
    else return bad_line(p, "unknown header key or value out of range (keys: zone, update_ns, read_ns, max_power_w)");
    return JB_OK;
}

// A zone's package: the one of the same number. A package may stand behind it in the header, so this comes when the header is complete.
static void find_parents(struct jb_trace *t)
{
    for (size_t i = 0; i < t->n; i++) {
        const char *number = strchr(t->cover[i].name, '-');
        if (!number || strncmp(t->cover[i].name, "package", 7) == 0 || strncmp(t->cover[i].name, "psys", 4) == 0 || strcmp(t->cover[i].control_type, "other") == 0) continue;
        for (size_t k = 0; k < t->n; k++)
            if (strncmp(t->cover[k].name, "package", 7) == 0 && strcmp(t->cover[k].name + 7, number) == 0) t->cover[i].parent = (int)k;
    }
}

// Packages to the front, so that parents stand before children.
static void packages_first(struct jb_trace *t)
{
    size_t front = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (strncmp(t->cover[i].name, "package", 7) != 0) continue;
        struct jb_cover_zone c = t->cover[i];
        struct jb_trace_zone z = t->zone[i];
        memmove(&t->cover[front + 1], &t->cover[front], (i - front) * sizeof c);
        memmove(&t->zone[front + 1], &t->zone[front], (i - front) * sizeof z);
        t->cover[front] = c;
        t->zone[front++] = z;
    }
}

static int finish_header(struct parser *p)
{
    struct jb_trace *t = p->t;
    if (t->n == 0) return bad_line(p, "the header names no zone (`# zone NAME RANGE_UJ`)");
    packages_first(t);
    find_parents(t);
    jb_cover_choose(t->cover, t->n);
    for (size_t i = 0; i < t->n; i++) {
        struct jb_counter c = {
            .range_uj = t->zone[i].range_uj,
            .unit_uj = jb_counter_unit_uj(t->zone[i].range_uj, strcmp(t->cover[i].control_type, "other") != 0),
            .ceiling_w = p->max_power_w > 0 ? p->max_power_w : t->max_power_w,
            .update_ns = t->update_ns,
        };
        jb_accumulator_init(&p->sum[i], &c);
    }
    p->in_data = true;
    return JB_OK;
}

static struct jb_trace_point *new_point(struct jb_trace_zone *z)
{
    if (z->n == z->cap) {
        size_t cap = z->cap ? 2 * z->cap : 256;
        struct jb_trace_point *grown = realloc(z->point, cap * sizeof *grown);
        if (!grown) return NULL;
        z->point = grown;
        z->cap = cap;
    }
    return &z->point[z->n++];
}

static int add_reading(struct parser *p, size_t i, uint64_t t_ns, uint64_t raw_uj)
{
    char why[200];
    struct jb_accumulator *a = &p->sum[i];
    struct jb_trace_point *point = new_point(&p->t->zone[i]);
    if (!point) return jb_fail(p->err, JB_E_NOMEM, "%s: out of memory", p->t->name);
    int rc = jb_accumulator_push(a, raw_uj, t_ns, t_ns + p->t->read_ns, why, sizeof why);
    if (rc == JB_E_INVALID) return bad_line(p, "the counter stands above its own range");
    *point = (struct jb_trace_point){.t_ns = t_ns, .total_uj = (double)a->total_uj, .wraps = a->wraps};
    point->bad = p->missed[i] ? missing_text : rc == JB_E_RANGE ? implausible_text : rc ? late_text : NULL;
    p->missed[i] = false;
    jb_accumulator_bounds(a, t_ns, &point->lower_uj, &point->upper_uj);
    return JB_OK;
}

// "TIMESTAMP_NS,ZONE,ENERGY_UJ", or "...,!WORD" for a reading that failed.
static int data_line(struct parser *p, const char *at, const char *end)
{
    const char *comma = memchr(at, ',', (size_t)(end - at));
    const char *second = comma ? memchr(comma + 1, ',', (size_t)(end - comma - 1)) : NULL;
    uint64_t t_ns, raw;
    if (!second || jb_strict_u64(at, (size_t)(comma - at), &t_ns) != JB_OK || t_ns > INT64_MAX) return bad_line(p, "a reading is TIMESTAMP_NS,ZONE,ENERGY_UJ");
    int i = find_zone(p->t, comma + 1, (size_t)(second - comma - 1));
    if (i < 0) return bad_line(p, "a zone that the header does not name");
    if (p->seen[i] && t_ns <= p->last_ns[i]) return bad_line(p, "the time does not rise");
    p->seen[i] = true;
    p->last_ns[i] = t_ns;
    const char *value = second + 1;
    if (value < end && *value == '!') {
        p->missed[i] = true;
        jb_accumulator_break(&p->sum[i]);
        return JB_OK;
    }
    if (jb_strict_u64(value, (size_t)(end - value), &raw) != JB_OK) return bad_line(p, "the energy is not a whole number of microjoules (a failed reading is written as !REASON)");
    return add_reading(p, (size_t)i, t_ns, raw);
}

static int one_line(struct parser *p, const char *at, const char *end)
{
    size_t n = (size_t)(end - at);
    if (p->line == 1) return n == sizeof magic - 1 && memcmp(at, magic, n) == 0 ? JB_OK : bad_line(p, "a trace begins with `# joulebench.trace/1`");
    if (n >= 2 && at[0] == '#' && at[1] == '#') return JB_OK;
    if (p->in_data) return data_line(p, at, end);
    if (n >= 2 && at[0] == '#' && at[1] == ' ') return header_line(p, at + 2, end);
    if (n == sizeof column_names - 1 && memcmp(at, column_names, n) == 0) return finish_header(p);
    return bad_line(p, "before the readings stands the line `timestamp_ns,zone,energy_uj`");
}

// The time for which every summed zone has readings.
static int find_span(struct parser *p)
{
    struct jb_trace *t = p->t;
    t->start_ns = 0;
    t->end_ns = UINT64_MAX;
    for (size_t i = 0; i < t->n; i++) {
        if (!t->cover[i].summed) continue;
        const struct jb_trace_zone *z = &t->zone[i];
        if (z->n < 2) return jb_fail(p->err, JB_E_INVALID, "%s: zone %s has fewer than two readings", t->name, t->cover[i].name);
        if (z->point[0].t_ns > t->start_ns) t->start_ns = z->point[0].t_ns;
        if (z->point[z->n - 1].t_ns < t->end_ns) t->end_ns = z->point[z->n - 1].t_ns;
    }
    if (t->end_ns <= t->start_ns) return jb_fail(p->err, JB_E_INVALID, "%s: the zones' readings have no time in common", t->name);
    return JB_OK;
}

int jb_trace_parse(struct jb_trace *out, const char *name, const char *text, size_t n_bytes, double max_power_w, struct jb_err *err)
{
    struct parser *p = calloc(1, sizeof *p);
    struct jb_trace *t = calloc(1, sizeof *t);
    int rc = p && t ? JB_OK : jb_fail(err, JB_E_NOMEM, "%s: out of memory", name);
    if (rc) goto out;
    snprintf(t->name, sizeof t->name, "%s", name);
    t->max_power_w = JB_DEFAULT_CEILING_W;
    t->update_ns = DEFAULT_UPDATE_NS;
    *p = (struct parser){.t = t, .max_power_w = max_power_w, .err = err};
    for (const char *at = text, *stop = text + n_bytes; rc == JB_OK && at < stop;) {
        const char *end = memchr(at, '\n', (size_t)(stop - at));
        const char *next = end ? end + 1 : stop;
        if (!end) end = stop;
        p->line++;
        rc = one_line(p, at, end);
        at = next;
    }
    if (rc == JB_OK && !p->in_data) rc = jb_fail(err, JB_E_INVALID, "%s: no readings", name);
    if (rc == JB_OK) rc = find_span(p);
    if (rc == JB_OK) *out = *t;
    else jb_trace_close(t);
out:
    free(p);
    free(t);
    return rc;
}

int jb_trace_read(struct jb_trace *out, const char *path, double max_power_w, struct jb_err *err)
{
    char *text;
    size_t n;
    int rc = jb_read_file(path, JB_TRACE_MAX_BYTES, &text, &n, err);
    if (rc) return rc;
    rc = jb_trace_parse(out, path, text, n, max_power_w, err);
    free(text);
    return rc;
}

void jb_trace_close(struct jb_trace *t)
{
    if (!t) return;
    for (size_t i = 0; i < t->n; i++) {
        free(t->zone[i].point);
        t->zone[i].point = NULL;
    }
    t->n = 0;
}
