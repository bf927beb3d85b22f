#include "harness/wire.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK 65536u
#define BASE64 sodium_base64_VARIANT_ORIGINAL

// ---- lines ----

void jb_wire_free(struct jb_wire *w)
{
    free(w->text);
    *w = (struct jb_wire){ .fd = w->fd };
}

static int wait_for(int fd, uint64_t deadline_ns, struct jb_err *err)
{
    struct jb_clock clock = jb_clock_monotonic();
    for (;;) {
        uint64_t now = clock.now_ns(clock.self);
        int ms = -1;
        if (deadline_ns) {
            if (now >= deadline_ns) return jb_fail(err, JB_E_UNAVAILABLE, "no answer in time");
            uint64_t left = (deadline_ns - now) / 1000000u + 1;
            ms = left > 1000000u ? 1000000 : (int)left;
        }
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int n = poll(&p, 1, ms);
        if (n > 0) return 0;
        if (n < 0 && errno != EINTR) return jb_fail_errno(err, JB_E_IO, errno, "worker");
        if (n < 0) return jb_fail(err, JB_E_INTERRUPTED, "stopped");
    }
}

static int more(struct jb_wire *w, uint64_t deadline_ns, struct jb_err *err)
{
    if (w->n + CHUNK > w->room) {
        size_t room = w->room * 2 > w->n + CHUNK ? w->room * 2 : w->n + CHUNK;
        char *grown = room > JB_WIRE_MAX_BYTES ? NULL : realloc(w->text, room);
        if (!grown) return jb_fail(err, room > JB_WIRE_MAX_BYTES ? JB_E_RANGE : JB_E_NOMEM, "a line of more than %zu bytes", w->n);
        w->text = grown;
        w->room = room;
    }
    int rc = wait_for(w->fd, deadline_ns, err);
    if (rc) return rc;
    ssize_t n = read(w->fd, w->text + w->n, CHUNK);
    if (n < 0) return errno == EINTR || errno == EAGAIN ? 0 : jb_fail_errno(err, JB_E_IO, errno, "worker");
    if (n == 0) return jb_fail(err, JB_E_NOT_FOUND, "the other side has closed");
    w->n += (size_t)n;
    return 0;
}

int jb_wire_read(struct jb_wire *w, uint64_t timeout_ns, struct jb_json_doc *out, struct jb_err *err)
{
    struct jb_clock clock = jb_clock_monotonic();
    uint64_t deadline = timeout_ns ? clock.now_ns(clock.self) + timeout_ns : 0;
    if (w->taken) memmove(w->text, w->text + w->taken, w->n - w->taken);
    w->n -= w->taken;
    w->taken = 0;
    size_t looked = 0;
    for (;;) {
        char *end = w->n > looked ? memchr(w->text + looked, '\n', w->n - looked) : NULL;
        if (end) {
            size_t n = (size_t)(end - w->text);
            w->taken = n + 1;
            return jb_json_parse(out, "worker", w->text, n, err);
        }
        looked = w->n;
        int rc = more(w, deadline, err);
        if (rc) return rc;
    }
}

int jb_wire_write(int fd, cJSON *line, struct jb_err *err)
{
    char *text = line ? jb_json_canonical(line) : NULL;
    cJSON_Delete(line);
    if (!text) return jb_fail(err, JB_E_NOMEM, "a line for the worker");
    size_t n = strlen(text), at = 0;
    text[n++] = '\n'; // in place of its end
    int rc = 0;
    while (at < n && !rc) {
        ssize_t k = send(fd, text + at, n - at, MSG_NOSIGNAL);
        if (k < 0 && errno == ENOTSOCK) k = write(fd, text + at, n - at);
        if (k > 0) at += (size_t)k;
        else if (errno != EINTR) rc = jb_fail_errno(err, JB_E_IO, errno, "worker");
    }
    free(text);
    return rc;
}

// ---- bytes and blocks ----

bool jb_wire_put_bytes(cJSON *o, const char *key, const uint8_t *bytes, size_t n_bytes)
{
    size_t room = sodium_base64_encoded_len(n_bytes, BASE64);
    char *text = malloc(room);
    bool ok = text && sodium_bin2base64(text, room, bytes, n_bytes, BASE64) && jb_json_put_str(o, key, text);
    free(text);
    return ok;
}

int jb_wire_get_bytes(const struct jb_json_doc *doc, const cJSON *o, const char *key, uint8_t **out, size_t *n_bytes, struct jb_err *err)
{
    const char *text = NULL;
    int rc = jb_json_get_str(doc, o, key, true, &text, err);
    if (rc) return rc;
    size_t n = strlen(text), room = n / 4 * 3 + 3;
    uint8_t *bytes = malloc(room);
    if (!bytes) return jb_fail(err, JB_E_NOMEM, "\"%s\" of a worker", key);
    if (sodium_base642bin(bytes, room, text, n, NULL, n_bytes, NULL, BASE64)) {
        free(bytes);
        return jb_fail(err, JB_E_INVALID, "\"%s\" of a worker is not base64", key);
    }
    *out = bytes;
    return 0;
}

static bool put_others(cJSON *o, const struct jb_cputime_span *s)
{
    return jb_json_put_bool(o, "known", s->known) && jb_json_put_u64(o, "wall_ns", s->wall_ns) && jb_json_put_u64(o, "own_ns", s->own_ns) && jb_json_put_u64(o, "others_ns", s->others_ns) &&
           jb_json_put_u64(o, "others_least_ns", s->others_least_ns) && jb_json_put_u64(o, "steal_ns", s->steal_ns) && jb_json_put_f64(o, "share", s->share) &&
           jb_json_put_f64(o, "share_least", s->share_least);
}

// What is not known is left out.
static bool put_machine(cJSON *o, const struct jb_block *b)
{
    const struct jb_machine_span *s = &b->machine;
    cJSON *x = jb_json_put_object(o, "machine");
    bool ok = x && jb_json_put_f64(x, "clock_jump_ns", s->clock_jump_ns) && jb_json_put_f64(x, "freq_change", s->freq_change) && jb_json_put_f64(x, "steal", s->steal_share) &&
              jb_json_put_f64(x, "steal_least", s->steal_share_least) && jb_json_put_u64(o, "reference_ns", b->reference_ns);
    if (ok && s->throttles != UINT64_MAX) ok = jb_json_put_u64(x, "throttles", s->throttles);
    if (ok && s->swapped_pages != UINT64_MAX) ok = jb_json_put_u64(x, "swapped_pages", s->swapped_pages);
    if (ok && s->governor_known) ok = jb_json_put_bool(x, "governor_changed", s->governor_changed);
    return ok;
}

static uint64_t count_of(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key) ? jb_line_u64(o, key) : UINT64_MAX; }

static void get_machine(struct jb_block *b, const cJSON *o)
{
    const cJSON *x = cJSON_GetObjectItemCaseSensitive(o, "machine"), *governor = cJSON_GetObjectItemCaseSensitive(x, "governor_changed");
    double jump = jb_line_num(x, "clock_jump_ns");
    b->machine = (struct jb_machine_span){ .cpu = b->others, .steal_share = jb_line_num(x, "steal"), .steal_share_least = jb_line_num(x, "steal_least"), .throttles = count_of(x, "throttles"),
                                           .swapped_pages = count_of(x, "swapped_pages"), .involuntary_switches = b->involuntary_switches, .clock_jump_ns = jump, .governor_known = cJSON_IsBool(governor),
                                           .governor_changed = cJSON_IsTrue(governor), .freq_change = jb_line_num(x, "freq_change") };
    b->reference_ns = jb_line_u64(o, "reference_ns");
}

cJSON *jb_wire_block(const struct jb_block *b)
{
    uint8_t *raw = NULL;
    size_t n = 0;
    cJSON *o = cJSON_CreateObject(), *energy = jb_joules_to_json(&b->energy), *others = o ? jb_json_put_object(o, "others") : NULL;
    bool ok = energy && o && cJSON_AddItemToObject(o, "energy", energy);
    if (!ok) cJSON_Delete(energy);
    ok = ok && others && put_others(others, &b->others) && put_machine(o, b) && jb_raw_block_encode(&b->raw, &raw, &n) == 0 && jb_wire_put_bytes(o, "raw", raw, n) &&
         jb_json_put_u64(o, "start_ns", b->start_ns) && jb_json_put_u64(o, "wall_ns", b->wall_ns) && jb_json_put_u64(o, "cpu_ns", b->cpu_ns) &&
         jb_json_put_u64(o, "voluntary_switches", b->voluntary_switches) && jb_json_put_u64(o, "involuntary_switches", b->involuntary_switches) &&
         jb_json_put_u64(o, "major_faults", b->major_faults) && jb_json_put_u64(o, "window_rows", b->window_rows);
    free(raw);
    if (ok) return o;
    cJSON_Delete(o);
    return NULL;
}

static void get_others(struct jb_cputime_span *s, const cJSON *o)
{
    *s = (struct jb_cputime_span){ .known = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "known")), .wall_ns = jb_line_u64(o, "wall_ns"), .own_ns = jb_line_u64(o, "own_ns"),
                                   .others_ns = jb_line_u64(o, "others_ns"), .others_least_ns = jb_line_u64(o, "others_least_ns"), .steal_ns = jb_line_u64(o, "steal_ns"),
                                   .share = jb_line_num(o, "share"), .share_least = jb_line_num(o, "share_least") };
}

int jb_wire_to_block(struct jb_block *out, const struct jb_json_doc *doc, const cJSON *o, struct jb_err *err)
{
    struct jb_block b = { 0 };
    uint8_t *raw = NULL;
    size_t n = 0;
    int rc = jb_wire_get_bytes(doc, o, "raw", &raw, &n, err);
    if (!rc) rc = jb_raw_block_decode(&b.raw, raw, n, err);
    free(raw);
    if (rc) return rc;
    b.start_ns = jb_line_u64(o, "start_ns");
    b.wall_ns = jb_line_u64(o, "wall_ns");
    b.cpu_ns = jb_line_u64(o, "cpu_ns");
    b.voluntary_switches = jb_line_u64(o, "voluntary_switches");
    b.involuntary_switches = jb_line_u64(o, "involuntary_switches");
    b.major_faults = jb_line_u64(o, "major_faults");
    b.window_rows = jb_line_u64(o, "window_rows");
    if (b.window_rows < b.raw.n_rows) b.window_rows = b.raw.n_rows;
    jb_joules_from_json(&b.energy, cJSON_GetObjectItemCaseSensitive(o, "energy"));
    get_others(&b.others, cJSON_GetObjectItemCaseSensitive(o, "others"));
    get_machine(&b, o);
    *out = b;
    return 0;
}
