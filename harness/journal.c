// The journal: appending with fdatasync, and reading that tells a torn end from damage.
#include "harness/journal.h"

#include "base/fs.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "harness/sync.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOURNAL_MAX_BYTES ((size_t)4 << 30)

struct jb_journal {
    char *path;
    int fd;
    uint64_t n_lines;
    size_t n_bytes;
    char last[JB_HASH_HEX];
};

static void first_hash(char hex[JB_HASH_HEX])
{
    memset(hex, '0', JB_HASH_HEX - 1);
    hex[JB_HASH_HEX - 1] = 0;
}

static int chain(const char before[JB_HASH_HEX], uint64_t n, const char *body, size_t n_body, char hex[JB_HASH_HEX])
{
    struct jb_hash *h;
    char number[32];
    int rc = jb_hash_open(&h);
    if (rc) return rc;
    int len = snprintf(number, sizeof number, " %" PRIu64 " ", n);
    jb_hash_update(h, before, JB_HASH_HEX - 1);
    jb_hash_update(h, number, (size_t)len);
    jb_hash_update(h, body, n_body);
    jb_hash_finish(h, hex);
    jb_hash_close(h);
    return 0;
}

static bool starts(const char *at, const char *end, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(end - at) >= n && !memcmp(at, text, n);
}

// Takes one line (without its newline) apart. NULL: good, and *body is its text, hex its checksum; else why it is bad. Memory that runs out is no torn line: *rc.
static const char *split_line(const char *at, const char *end, uint64_t want_n, const char before[JB_HASH_HEX], const char **body, size_t *n_body, char hex[JB_HASH_HEX], int *rc)
{
    if (!starts(at, end, "{\"n\":")) return "does not start with {\"n\":";
    at += 5;
    uint64_t n = 0;
    int digits = 0;
    for (; at < end && *at >= '0' && *at <= '9' && digits < 18; at++, digits++) n = n * 10 + (uint64_t)(*at - '0');
    if (!digits || !starts(at, end, ",\"sha256\":\"")) return "has no number and checksum";
    if (n != want_n) return "has another number than its place";
    at += 11;
    if ((size_t)(end - at) < JB_HASH_HEX - 1) return "is cut short";
    const char *sum = at;
    at += JB_HASH_HEX - 1;
    if (!starts(at, end, "\",\"line\":") || end[-1] != '}') return "is cut short";
    at += 9;
    if (at >= end - 1) return "is empty";
    *body = at;
    *n_body = (size_t)(end - 1 - at);
    if ((*rc = chain(before, n, *body, *n_body, hex))) return "could not be hashed";
    return memcmp(hex, sum, JB_HASH_HEX - 1) ? "does not match its checksum" : NULL;
}

static int give_line(const char *name, uint64_t n, const char *body, size_t n_body, jb_journal_fn fn, void *user, struct jb_err *err)
{
    struct jb_json_doc doc = { 0 };
    int rc = jb_json_parse(&doc, name, body, n_body, err);
    if (rc) return rc == JB_E_NOMEM ? rc : jb_fail(err, JB_E_INVALID, "%s:%" PRIu64 ": the line's checksum is right, but it is no JSON of ours", name, n + 1);
    cJSON *line = doc.root;
    doc.root = NULL;
    jb_json_close(&doc);
    if (!cJSON_IsObject(line)) rc = jb_fail(err, JB_E_INVALID, "%s:%" PRIu64 ": a line that is no object", name, n + 1);
    else if (fn) rc = fn(user, n, &line, err);
    cJSON_Delete(line);
    return rc;
}

int jb_journal_scan(const char *name, const char *text, size_t n_bytes, jb_journal_fn fn, void *user, size_t *good_bytes, uint64_t *n_lines, char last[JB_HASH_HEX],
                    struct jb_err *err)
{
    const char *at = text, *end = text + n_bytes;
    uint64_t n = 0;
    first_hash(last);
    *good_bytes = 0;
    *n_lines = 0;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *body, *why = "has no end", *stop = newline ? newline : end;
        size_t n_body;
        char hex[JB_HASH_HEX];
        int rc = 0;
        if (newline) why = stop == at ? "is empty" : stop - at > JB_JOURNAL_MAX_LINE ? "is too long" : split_line(at, stop, n, last, &body, &n_body, hex, &rc);
        if (rc) return jb_fail(err, rc, "%s:%" PRIu64 ": the line could not be hashed", name, n + 1);
        if (why) {
            if (!newline || newline + 1 == end) return 0; // a torn end
            return jb_fail(err, JB_E_INVALID, "%s:%" PRIu64 ": the line %s, and more lines follow: the journal is damaged", name, n + 1, why);
        }
        if ((rc = give_line(name, n, body, n_body, fn, user, err))) return rc;
        memcpy(last, hex, JB_HASH_HEX);
        *n_lines = ++n;
        at = newline + 1;
        *good_bytes = (size_t)(at - text);
    }
    return 0;
}

int jb_journal_load(const char *path, jb_journal_fn fn, void *user, struct jb_err *err)
{
    struct jb_map map;
    size_t good;
    uint64_t lines;
    char last[JB_HASH_HEX];
    int rc = jb_map_open(&map, path, err);
    if (rc) return rc;
    rc = jb_journal_scan(path, (const char *)map.data, map.n_bytes, fn, user, &good, &lines, last, err);
    jb_map_close(&map);
    return rc;
}

// Reads what is there and cuts off a torn end.
static int take_up(struct jb_journal *j, jb_journal_fn fn, void *user, struct jb_err *err)
{
    struct stat st;
    if (fstat(j->fd, &st)) return jb_fail_errno(err, JB_E_IO, errno, "%s", j->path);
    if (!st.st_size) return 0;
    if ((uint64_t)st.st_size > JOURNAL_MAX_BYTES) return jb_fail(err, JB_E_RANGE, "%s: larger than 4 GiB", j->path);
    struct jb_map map;
    size_t good = 0;
    int rc = jb_map_open(&map, j->path, err);
    if (rc) return rc;
    rc = jb_journal_scan(j->path, (const char *)map.data, map.n_bytes, fn, user, &good, &j->n_lines, j->last, err);
    jb_map_close(&map);
    if (rc) return rc;
    j->n_bytes = good;
    if (good == (size_t)st.st_size) return 0;
    if (ftruncate(j->fd, (off_t)good) || fdatasync(j->fd)) return jb_fail_errno(err, JB_E_IO, errno, "%s: cannot cut a torn last line", j->path);
    return 0;
}

int jb_journal_open(struct jb_journal **out, const char *path, jb_journal_fn fn, void *user, struct jb_err *err)
{
    struct jb_journal *j = calloc(1, sizeof *j);
    if (!j || !(j->path = strdup(path))) {
        free(j);
        return jb_fail(err, JB_E_NOMEM, "journal");
    }
    first_hash(j->last);
    int rc = 0;
    j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (j->fd < 0) {
        rc = jb_fail_write(err, errno, path);
    } else if (!(rc = take_up(j, fn, user, err))) {
        rc = jb_sync_parent(path, err);
    }
    if (rc) {
        jb_journal_close(j);
        return rc;
    }
    *out = j;
    return 0;
}

int jb_journal_append(struct jb_journal *j, const cJSON *line, struct jb_err *err)
{
    char hex[JB_HASH_HEX];
    struct jb_str text = { 0 };
    char *body = cJSON_PrintUnformatted(line);
    if (!body || chain(j->last, j->n_lines, body, strlen(body), hex)) {
        free(body);
        return jb_fail(err, JB_E_NOMEM, "journal line");
    }
    jb_str_addf(&text, "{\"n\":%" PRIu64 ",\"sha256\":\"%s\",\"line\":", j->n_lines, hex);
    jb_str_add(&text, body);
    jb_str_add(&text, "}\n");
    free(body);
    int rc = text.failed ? jb_fail(err, JB_E_NOMEM, "journal line") : jb_append_sync(j->fd, j->path, j->n_bytes, text.s, text.len, err);
    if (!rc) {
        j->n_bytes += text.len;
        j->n_lines++;
        memcpy(j->last, hex, JB_HASH_HEX);
    }
    jb_str_free(&text);
    return rc;
}

uint64_t jb_journal_lines(const struct jb_journal *j) { return j->n_lines; }

void jb_journal_close(struct jb_journal *j)
{
    if (!j) return;
    if (j->fd >= 0) close(j->fd);
    free(j->path);
    free(j);
}
