// The state of changed limits: what it says, as text.
#include "power/limits_state.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/json.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

// ---- this boot, this process ----

static size_t read_small(const char *path, char *out, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, room - 1);
    if (fd >= 0) close(fd);
    out[n > 0 ? n : 0] = 0;
    return n > 0 ? (size_t)n : 0;
}

static void boot_id(char out[64])
{
    read_small(BOOT_ID, out, 64);
    out[strspn(out, "0123456789abcdef-")] = 0;
    if (!out[0]) snprintf(out, 64, "unknown");
}

// Field 22 of /proc/PID/stat. The name in field 2 may hold anything, ')' too: fields are counted from the last ')'. 0: no such process.
static uint64_t process_start(long pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    if (!read_small(path, text, sizeof text)) return 0;
    char *p = strrchr(text, ')');
    for (int field = 2; p && field < 22; field++) p = strchr(p + 1, ' ');
    return p ? strtoull(p + 1, NULL, 10) : 0;
}

void jb_limits_state_init(struct jb_limits_state *s)
{
    memset(s, 0, sizeof *s);
    boot_id(s->boot_id);
    s->pid = (long)getpid();
    s->process_start = process_start(s->pid);
    jb_time_iso8601(jb_realtime_ns(), s->started);
}

bool jb_limits_state_is_stale(const struct jb_limits_state *s)
{
    char now[64];
    boot_id(now);
    return strcmp(now, s->boot_id) != 0;
}

bool jb_limits_state_is_running(const struct jb_limits_state *s)
{
    if (s->kept || jb_limits_state_is_stale(s) || s->pid == (long)getpid()) return false;
    uint64_t start = process_start(s->pid);
    return start != 0 && start == s->process_start;
}

// ---- text ----

int jb_limits_file_of(const char *root, const char *zone, int constraint, char *out, size_t room, struct jb_err *err)
{
    int n = snprintf(out, room, "%s/%s/constraint_%d_power_limit_uw", root, zone, constraint);
    return n > 0 && (size_t)n < room ? JB_OK : jb_fail(err, JB_E_RANGE, "%.100s/%.100s: the path is too long", root, zone);
}

char *jb_limits_state_print(const struct jb_limits_state *s)
{
    cJSON *o = cJSON_CreateObject();
    bool ok = o && jb_json_put_str(o, "schema", JB_LIMITS_SCHEMA) && jb_json_put_str(o, "boot_id", s->boot_id) && jb_json_put_u64(o, "pid", (uint64_t)s->pid) &&
              jb_json_put_u64(o, "process_start", s->process_start) && jb_json_put_str(o, "started", s->started) && jb_json_put_bool(o, "kept", s->kept) &&
              jb_json_put_str(o, "root", s->root);
    cJSON *list = ok ? jb_json_put_array(o, "constraints") : NULL;
    ok = list != NULL;
    for (size_t i = 0; ok && i < s->n; i++) {
        const struct jb_limits_saved *x = &s->saved[i];
        cJSON *c = jb_json_put_object(list, NULL);
        ok = jb_json_put_str(c, "zone", x->zone) && jb_json_put_str(c, "label", x->label) && jb_json_put_u64(c, "constraint", (uint64_t)x->constraint) &&
             jb_json_put_str(c, "name", x->name) && jb_json_put_u64(c, "original_uw", x->original_uw) && jb_json_put_str(c, "path", x->path);
    }
    char *text = ok ? jb_json_pretty(o) : NULL;
    cJSON_Delete(o);
    return text;
}

// A text of printable ASCII that fits.
static int get_text(const struct jb_json_doc *d, const cJSON *o, const char *key, char *out, size_t room, struct jb_err *err)
{
    const char *text = NULL;
    int rc = jb_json_get_str(d, o, key, true, &text, err);
    if (rc) return rc;
    size_t n = strlen(text);
    bool plain = n > 0 && n < room;
    for (size_t i = 0; plain && i < n; i++) plain = text[i] >= ' ' && text[i] < 127;
    if (!plain) return jb_fail(err, JB_E_INVALID, "%s:%d: \"%s\" must be 1 to %zu printable characters", d->name, jb_json_line(d, o, key), key, room - 1);
    memcpy(out, text, n + 1);
    return JB_OK;
}

// "/a/b": absolute, no empty part, no "." and "..".
static bool is_plain_path(const char *path)
{
    if (path[0] != '/') return false;
    for (const char *p = path; *p; p += strcspn(p, "/")) {
        size_t n = strcspn(++p, "/");
        if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.')) return false;
    }
    return true;
}

// "TYPE/TYPE:0/TYPE:0:1": each part is the one before it, a colon and a hexadecimal number.
static bool is_zone(const char *zone)
{
    size_t n = strcspn(zone, "/"), depth = 0;
    const char *before = zone;
    if (n == 0 || zone[0] == '.' || memchr(zone, ':', n)) return false;
    for (const char *p = zone + n; *p; depth++) {
        p++;
        size_t m = strcspn(p, "/"), hex = m > n + 1 && memcmp(p, before, n) == 0 && p[n] == ':' ? strspn(p + n + 1, "0123456789abcdef") : 0;
        if (hex == 0 || hex > 8 || n + 1 + hex != m) return false;
        before = p;
        n = m;
        p += m;
    }
    return depth > 0;
}

static int parse_saved(const struct jb_json_doc *d, const cJSON *o, struct jb_limits_state *s, struct jb_err *err)
{
    static const char *const keys[] = {"zone", "label", "constraint", "name", "original_uw", "path", NULL};
    struct jb_limits_saved *x = &s->saved[s->n];
    int64_t number = 0;
    char path[sizeof x->path];
    int rc = jb_json_only_keys(d, o, "constraints[]", keys, err);
    if (!rc) rc = get_text(d, o, "zone", x->zone, sizeof x->zone, err);
    if (!rc) rc = get_text(d, o, "label", x->label, sizeof x->label, err);
    if (!rc) rc = get_text(d, o, "name", x->name, sizeof x->name, err);
    if (!rc) rc = get_text(d, o, "path", x->path, sizeof x->path, err);
    if (!rc) rc = jb_json_get_i64(d, o, "constraint", true, 0, 999, &number, err);
    if (!rc) rc = jb_json_get_u64(d, o, "original_uw", true, 0, JB_LIMITS_MAX_UW, &x->original_uw, err);
    if (rc) return rc;
    x->constraint = (int)number;
    if (!is_zone(x->zone)) return jb_fail(err, JB_E_INVALID, "%s:%d: \"zone\" is no path of a power zone", d->name, jb_json_line(d, o, "zone"));
    rc = jb_limits_file_of(s->root, x->zone, x->constraint, path, sizeof path, err);
    if (rc) return rc;
    if (strcmp(path, x->path) != 0) return jb_fail(err, JB_E_INVALID, "%s:%d: \"path\" is not that of its root, zone and constraint", d->name, jb_json_line(d, o, "path"));
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->saved[i].path, path) == 0) return jb_fail(err, JB_E_INVALID, "%s:%d: \"path\" stands there twice", d->name, jb_json_line(d, o, "path"));
    s->n++;
    return JB_OK;
}

static int parse_head(const struct jb_json_doc *d, struct jb_limits_state *s, struct jb_err *err)
{
    static const char *const keys[] = {"schema", "boot_id", "pid", "process_start", "started", "kept", "root", "constraints", NULL};
    const cJSON *o = d->root;
    char schema[32];
    int64_t pid = 0;
    int rc = jb_json_only_keys(d, o, "the state of power limits", keys, err);
    if (!rc) rc = get_text(d, o, "schema", schema, sizeof schema, err);
    if (!rc && strcmp(schema, JB_LIMITS_SCHEMA) != 0) rc = jb_fail(err, JB_E_INVALID, "%s:%d: \"schema\" is not \"" JB_LIMITS_SCHEMA "\"", d->name, jb_json_line(d, o, "schema"));
    if (!rc) rc = get_text(d, o, "boot_id", s->boot_id, sizeof s->boot_id, err);
    if (!rc) rc = jb_json_get_i64(d, o, "pid", true, 1, INT32_MAX, &pid, err);
    if (!rc) rc = jb_json_get_u64(d, o, "process_start", true, 0, UINT64_MAX, &s->process_start, err);
    if (!rc) rc = get_text(d, o, "started", s->started, sizeof s->started, err);
    if (!rc) rc = jb_json_get_bool(d, o, "kept", true, &s->kept, err);
    if (!rc) rc = get_text(d, o, "root", s->root, sizeof s->root, err);
    s->pid = (long)pid;
    if (!rc && !is_plain_path(s->root)) rc = jb_fail(err, JB_E_INVALID, "%s:%d: \"root\" must be an absolute path without \".\" and \"..\"", d->name, jb_json_line(d, o, "root"));
    return rc;
}

int jb_limits_state_parse(struct jb_limits_state *out, const char *name, const char *text, size_t n_bytes, struct jb_err *err)
{
    struct jb_json_doc d = {0};
    if (n_bytes > JB_LIMITS_MAX_BYTES) return jb_fail(err, JB_E_RANGE, "%s: larger than %u bytes", name, JB_LIMITS_MAX_BYTES);
    struct jb_limits_state *s = calloc(1, sizeof *s);
    if (!s) return jb_fail(err, JB_E_NOMEM, "%s", name);
    int rc = jb_json_parse(&d, name, text, n_bytes, err);
    if (!rc) rc = parse_head(&d, s, err);
    const cJSON *list = rc ? NULL : cJSON_GetObjectItemCaseSensitive(d.root, "constraints");
    if (!rc && !cJSON_IsArray(list)) rc = jb_fail(err, JB_E_INVALID, "%s: \"constraints\" must be a list", name);
    for (const cJSON *o = rc ? NULL : list->child; o && !rc; o = o->next)
        rc = s->n < JB_LIMITS_MAX ? parse_saved(&d, o, s, err) : jb_fail(err, JB_E_RANGE, "%s: more than %d constraints", name, JB_LIMITS_MAX);
    if (!rc) *out = *s;
    jb_json_close(&d);
    free(s);
    return rc;
}

int jb_limits_state_path(const struct jb_limits_env *e, char *out, size_t room, struct jb_err *err)
{
    int n;
    if (e->state_dir && e->state_dir[0]) n = snprintf(out, room, "%s/limits.json", e->state_dir);
    else if (e->root) n = snprintf(out, room, "/run/joulebench/limits.json");
    else if (e->runtime_dir && e->runtime_dir[0] == '/') n = snprintf(out, room, "%s/joulebench/limits.json", e->runtime_dir);
    else if (e->home && e->home[0] == '/') n = snprintf(out, room, "%s/.local/state/joulebench/limits.json", e->home);
    else return jb_fail(err, JB_E_UNAVAILABLE, "no place for the state of power limits: set JOULEBENCH_STATE_DIR or HOME");
    return n > 0 && (size_t)n < room ? JB_OK : jb_fail(err, JB_E_RANGE, "the path of the state of power limits is too long");
}
