// Reads a trace. Strict: what is not understood is an error with its line, because a joule that was silently skipped is worse than no trace. Readings stay in the text
// (a trace of an hour has millions) and are parsed a second time when they are asked for.
#include "power/trace.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fs.h"
#include "power/reading.h"
#include "power/strict.h"

#define ROUND_NS 100000000u // a channel whose first reading comes later than this behind the first one of all was plugged in

struct span { const char *at, *end; }; // what is left of a line

struct parser {
    struct jb_trace *t;
    int line;
    bool have_source, in_data;
    struct jb_err *err;
};

static int bad_line(struct parser *p, const char *why)
{
    return jb_fail(p->err, JB_E_INVALID, "%s:%d: %s", p->t->name, p->line, why);
}

static bool take(struct span *s, char c)
{
    if (s->at == s->end || *s->at != c) return false;
    s->at++;
    return true;
}

// Up to one of `stops` or the end.
static struct span until(struct span *s, const char *stops)
{
    struct span word = {s->at, s->at};
    while (word.end < s->end && (*word.end == 0 || !strchr(stops, *word.end))) word.end++;
    s->at = word.end;
    return word;
}

static size_t length(struct span s)
{
    return (size_t)(s.end - s.at);
}

static bool is_word(struct span s, const char *word)
{
    return length(s) == strlen(word) && memcmp(s.at, word, length(s)) == 0;
}

static bool take_u64(struct span *s, const char *stops, uint64_t *out)
{
    struct span word = until(s, stops);
    return jb_strict_u64(word.at, length(word), out) == JB_OK;
}

// ---- the header

static bool get_class(struct span word, enum jb_energy_class *out)
{
    for (int c = JB_ENERGY_NONE; c <= JB_ENERGY_REPLAYED; c++)
        if (is_word(word, jb_energy_class_name((enum jb_energy_class)c))) {
            *out = (enum jb_energy_class)c;
            return true;
        }
    return false;
}

static bool get_int(struct span word, int *out)
{
    uint64_t v;
    if (is_word(word, "-1")) {
        *out = -1;
        return true;
    }
    if (jb_strict_u64(word.at, length(word), &v) != JB_OK || v >= JB_SOURCE_MAX_CHANNELS) return false;
    *out = (int)v;
    return true;
}

// The value of a key, into object; constant: room for a text that the object points to.
static bool get_value(const struct jb_trace_field *f, struct span *s, void *object, char *constant)
{
    void *value = (char *)object + f->offset;
    if (f->type == JB_TRACE_TEXT) return jb_trace_get_quoted(&s->at, s->end, value, f->room) == JB_OK;
    if (f->type == JB_TRACE_CONSTANT) {
        *(const char **)value = constant;
        return jb_trace_get_quoted(&s->at, s->end, constant, f->room) == JB_OK;
    }
    struct span word = until(s, " ");
    switch (f->type) {
    case JB_TRACE_U64: return jb_strict_u64(word.at, length(word), value) == JB_OK && !(f->most > 0 && (double)*(uint64_t *)value > f->most);
    case JB_TRACE_F64: return jb_trace_get_f64(word.at, length(word), value) == JB_OK && !(f->most > 0 && *(double *)value > f->most);
    case JB_TRACE_INT: return get_int(word, value);
    case JB_TRACE_CLASS: return get_class(word, value);
    case JB_TRACE_KIND: {
        bool power = is_word(word, "power");
        *(enum jb_channel_kind *)value = power ? JB_CHANNEL_POWER : JB_CHANNEL_ENERGY;
        return power || is_word(word, "energy");
    }
    default: return false;
    }
}

// " KEY=VALUE KEY=VALUE FLAG", each key at most once, in any order. constants: two of them, in the order of the table.
static int get_fields(struct parser *p, struct span s, const struct jb_trace_field *fields, void *object, char (*constants)[JB_TRACE_MAX_CONSTANT])
{
    bool seen[JB_TRACE_MAX_FIELDS] = {0};
    char why[160];
    while (s.at < s.end) {
        if (!take(&s, ' ')) return bad_line(p, "between two keys of the header stands one blank");
        struct span key = until(&s, "= ");
        size_t i = 0, n_constants = 0;
        for (; fields[i].key && !is_word(key, fields[i].key); i++) n_constants += fields[i].type == JB_TRACE_CONSTANT;
        if (!fields[i].key || seen[i]) return bad_line(p, fields[i].key ? "a key stands twice" : "unknown key in the header");
        seen[i] = true;
        if (fields[i].type == JB_TRACE_FLAG) *((bool *)((char *)object + fields[i].offset)) = true;
        else if (!take(&s, '=') || !get_value(&fields[i], &s, object, constants ? constants[n_constants] : NULL)) {
            snprintf(why, sizeof why, "the value of %s is missing, malformed or out of range", fields[i].key);
            return bad_line(p, why);
        }
    }
    for (size_t i = 0; fields[i].key; i++)
        if (fields[i].required && !seen[i]) {
            snprintf(why, sizeof why, "the key %s is missing", fields[i].key);
            return bad_line(p, why);
        }
    return JB_OK;
}

static int header_channel(struct parser *p, struct span s)
{
    struct jb_trace *t = p->t;
    uint64_t number;
    if (!take_u64(&s, " ", &number) || number != t->n) return bad_line(p, "channels are numbered from 0 and stand in order");
    if (t->n == JB_SOURCE_MAX_CHANNELS) return bad_line(p, "more than 64 channels");
    struct jb_channel *c = &t->channel[t->n];
    int rc = get_fields(p, s, jb_trace_channel_fields, c, t->constant[t->n]);
    if (rc) return rc;
    if (c->zone.parent >= (int)t->n) return bad_line(p, "a channel's parent stands before it");
    if (c->kind == JB_CHANNEL_ENERGY && !(c->unit > 0)) return bad_line(p, "the unit of an energy counter is more than 0");
    t->n++;
    return JB_OK;
}

static int header_line(struct parser *p, struct span s)
{
    static const char source[] = "# source", channel[] = "# channel ";
    if (length(s) > sizeof source - 1 && memcmp(s.at, source, sizeof source - 1) == 0) {
        if (p->have_source) return bad_line(p, "a second line `# source`");
        p->have_source = true;
        s.at += sizeof source - 1;
        return get_fields(p, s, jb_trace_head_fields, &p->t->head, NULL);
    }
    if (length(s) > sizeof channel - 1 && memcmp(s.at, channel, sizeof channel - 1) == 0) {
        s.at += sizeof channel - 1;
        return header_channel(p, s);
    }
    if (!is_word(s, JB_TRACE_COLUMNS)) return bad_line(p, "before the readings stand `# source ...`, `# channel N ...` and the line `" JB_TRACE_COLUMNS "`");
    if (!p->have_source) return bad_line(p, "the header has no line `# source`");
    if (p->t->n == 0) return bad_line(p, "the header has no channel");
    p->in_data = true;
    return JB_OK;
}

// ---- a reading

// !NAME[,"why"[,"text"]]
static const char *get_failure(struct span s, struct jb_reading *r)
{
    struct span name = until(&s, ",");
    r->errnum = jb_errno_of_name(name.at, length(name));
    if (r->errnum == 0 || r->errnum == EAGAIN) return "unknown name of an errno";
    if (take(&s, ',') && jb_trace_get_quoted(&s.at, s.end, r->why, sizeof r->why) != JB_OK) return "behind the errno stands a text in quotes";
    if (take(&s, ',') && jb_trace_get_quoted(&s.at, s.end, r->text, sizeof r->text) != JB_OK) return "behind the errno stand at most two texts in quotes";
    return s.at == s.end ? NULL : "something stands behind the reading";
}

// =VALUE: what the source made of the text.
static bool get_value_beside(const struct jb_channel *c, struct span *s, struct jb_reading *r)
{
    struct span word = until(s, ",");
    if (c->kind == JB_CHANNEL_ENERGY) return jb_strict_u64(word.at, length(word), &r->count) == JB_OK;
    bool negative = take(&word, '-');
    if (jb_trace_get_f64(word.at, length(word), &r->watts) != JB_OK) return false;
    if (negative) r->watts = -r->watts;
    return true;
}

// TEXT[,=VALUE][,exact]
static const char *get_reading(const struct jb_channel *c, struct span s, struct jb_reading *r)
{
    char text[JB_READING_TEXT];
    if (s.at < s.end && *s.at == '"') {
        if (jb_trace_get_quoted(&s.at, s.end, text, sizeof text) != JB_OK) return "a text in quotes is malformed or too long";
    } else {
        struct span word = until(&s, ",");
        if (length(word) >= sizeof text || length(word) == 0) return "the reading is empty or too long";
        for (const char *d = word.at; d < word.end; d++)
            if (*d < '0' || *d > '9') return "a reading is a whole number, a text in quotes, or !ERRNO";
        memcpy(text, word.at, length(word));
        text[length(word)] = 0;
    }
    int rc = jb_reading_parse(c, text, strlen(text), r);
    strcpy(r->text, text); // with a newline that the parser would not keep: as it was
    bool more = take(&s, ',');
    if (more && take(&s, '=')) {
        if (!get_value_beside(c, &s, r)) return "behind = stands the value: a whole number (energy) or watts";
        r->errnum = rc = 0;
        more = take(&s, ',');
    }
    if (rc) return "the reading is no number, and no value stands behind it";
    if (!(r->watts >= -JB_TRACE_MAX_W && r->watts <= JB_TRACE_MAX_W)) return "more than 1e12 watts";
    if (!more) return s.at == s.end ? NULL : "something stands behind the reading";
    r->exact = true;
    return is_word(s, "exact") ? NULL : "behind the reading stand at most =VALUE and exact";
}

// One line. Returns what is wrong with it, or NULL.
static const char *get_line(const struct jb_trace *t, struct span s, size_t *channel, struct jb_reading *r)
{
    uint64_t number;
    *r = (struct jb_reading){0};
    if (!take_u64(&s, ",", &r->begin_ns) || !take(&s, ',') || !take_u64(&s, ",", &r->end_ns) || !take(&s, ',') || !take_u64(&s, ",", &number) || !take(&s, ','))
        return "a reading is BEGIN_NS,END_NS,CHANNEL,READING";
    if (r->begin_ns > r->end_ns || r->end_ns > INT64_MAX) return "a reading ends before it begins, or behind the end of time";
    if (number >= t->n) return "a channel that the header does not name";
    *channel = (size_t)number;
    return take(&s, '!') ? get_failure(s, r) : get_reading(&t->channel[number], s, r);
}

static int add_line(struct parser *p, struct jb_trace_index *x, const char *at)
{
    if (x->n == x->room) {
        size_t room = x->room ? 2 * x->room : 256;
        uint32_t *grown = realloc(x->line, room * sizeof *grown);
        if (!grown) return jb_fail(p->err, JB_E_NOMEM, "%s: out of memory", p->t->name);
        x->line = grown;
        x->room = room;
    }
    x->line[x->n++] = (uint32_t)(at - p->t->text);
    return JB_OK;
}

static int data_line(struct parser *p, struct span s)
{
    struct jb_trace *t = p->t;
    struct jb_reading r;
    size_t i = 0;
    const char *why = get_line(t, s, &i, &r);
    if (why) return bad_line(p, why);
    struct jb_trace_index *x = &t->index[i];
    if (x->n && r.end_ns < x->end_ns) return bad_line(p, "this reading of the channel ends before the one above it");
    if (x->n && r.end_ns - x->end_ns > t->largest_gap_ns) t->largest_gap_ns = r.end_ns - x->end_ns;
    x->end_ns = r.end_ns;
    if (r.begin_ns < t->first_ns) t->first_ns = r.begin_ns;
    if (r.end_ns > t->last_ns) t->last_ns = r.end_ns;
    return add_line(p, x, s.at);
}

// ---- the whole

static int one_line(struct parser *p, struct span s)
{
    if (p->line == 1) {
        if (is_word(s, JB_TRACE_MAGIC)) return JB_OK;
        if (is_word(s, "# joulebench.trace/1")) return bad_line(p, "format 1 of traces was never released and is not read: record it anew with `joulebench power record`");
        return bad_line(p, "a trace begins with `" JB_TRACE_MAGIC "`");
    }
    if (length(s) >= 2 && s.at[0] == '#' && s.at[1] == '#') return JB_OK;
    return p->in_data ? data_line(p, s) : header_line(p, s);
}

size_t jb_trace_count(const struct jb_trace *t, size_t channel)
{
    return t->index[channel].n;
}

void jb_trace_reading(const struct jb_trace *t, size_t channel, size_t i, struct jb_reading *out)
{
    const char *at = t->text + t->index[channel].line[i];
    (void)get_line(t, (struct span){at, strchr(at, '\n')}, &channel, out); // it was understood before, so it ends in a newline
}

static void find_start(struct jb_trace *t)
{
    struct jb_reading r;
    uint64_t first_end_ns = UINT64_MAX;
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < t->n; i++) {
            if (t->index[i].n == 0) continue;
            jb_trace_reading(t, i, 0, &r);
            if (round == 0 && r.end_ns < first_end_ns) first_end_ns = r.end_ns;
            if (round == 1 && r.end_ns - first_end_ns <= ROUND_NS && r.end_ns > t->start_ns) t->start_ns = r.end_ns;
        }
}

static int all_lines(struct parser *p, size_t n_bytes)
{
    const char *stop = p->t->text + n_bytes;
    for (const char *at = p->t->text; at < stop;) {
        const char *newline = memchr(at, '\n', (size_t)(stop - at));
        p->line++;
        if (!newline) { // the writer was stopped within this line
            p->t->torn = true;
            break;
        }
        int rc = one_line(p, (struct span){at, newline});
        if (rc) return rc;
        at = newline + 1;
    }
    if (p->line == 0 || (p->line == 1 && p->t->torn)) return jb_fail(p->err, JB_E_INVALID, "%s: no trace (it begins with a line `" JB_TRACE_MAGIC "`)", p->t->name);
    for (size_t i = 0; i < p->t->n; i++)
        if (p->t->index[i].n > 0) return JB_OK;
    return jb_fail(p->err, JB_E_INVALID, "%s: no readings", p->t->name);
}

int jb_trace_parse(struct jb_trace **out, const char *name, char *text, size_t n_bytes, struct jb_err *err)
{
    struct jb_trace *t = calloc(1, sizeof *t);
    if (!t) {
        free(text);
        return jb_fail(err, JB_E_NOMEM, "%s: out of memory", name);
    }
    snprintf(t->name, sizeof t->name, "%s", name);
    t->text = text;
    t->first_ns = UINT64_MAX;
    struct parser p = {.t = t, .err = err};
    int rc = n_bytes > JB_TRACE_MAX_BYTES ? jb_fail(err, JB_E_RANGE, "%s: larger than %u bytes", name, JB_TRACE_MAX_BYTES) : all_lines(&p, n_bytes);
    if (rc) {
        jb_trace_close(t);
        return rc;
    }
    find_start(t);
    *out = t;
    return JB_OK;
}

int jb_trace_read(struct jb_trace **out, const char *path, struct jb_err *err)
{
    char *text;
    size_t n;
    int rc = jb_read_file(path, JB_TRACE_MAX_BYTES, &text, &n, err);
    return rc ? rc : jb_trace_parse(out, path, text, n, err);
}

void jb_trace_close(struct jb_trace *t)
{
    if (!t) return;
    for (size_t i = 0; i < JB_SOURCE_MAX_CHANNELS; i++) free(t->index[i].line);
    free(t->text);
    free(t);
}
