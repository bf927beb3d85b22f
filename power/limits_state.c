// The state file of changed limits: what it says, and how it is read and written safely by root.
#include "power/limits_state.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fs.h"
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

// ---- the file ----

static bool trusted(const struct stat *st) { return st->st_uid == geteuid() || st->st_uid == 0; }

static int open_dir(const char *dir, int *out, struct jb_err *err)
{
    struct stat st;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), e = errno;
    if (fd < 0) {
        if (e == ELOOP || e == ENOTDIR) return jb_fail(err, JB_E_DENIED, "%s: the directory of the state file must not be a symbolic link, nor anything but a directory", dir);
        return jb_fail_errno(err, jb_code_of_errno(e), e, "%s", dir);
    }
    // In a directory like /tmp others may add names, but not replace ours.
    bool safe = fstat(fd, &st) == 0 && trusted(&st) && (!(st.st_mode & 022) || st.st_mode & S_ISVTX);
    if (!safe) {
        close(fd);
        return jb_fail(err, JB_E_DENIED, "%s: other users may change this directory; what power limits are put back must not lie there: chmod go-w it, or name another (--state)", dir);
    }
    *out = fd;
    return JB_OK;
}

// The umask of some users lets their group write: not here.
static int make_dir(const char *dir, struct jb_err *err)
{
    char above[512];
    if (jb_path_exists(dir)) return JB_OK;
    int rc = jb_path_dir(above, sizeof above, dir);
    if (rc == JB_OK) rc = jb_make_dirs(above, err);
    if (rc == JB_OK && mkdir(dir, 0755) != 0 && errno != EEXIST) {
        int e = errno;
        rc = jb_fail_errno(err, jb_code_of_errno(e), e, "%s: cannot create the directory of the state file", dir);
    }
    return rc;
}

int jb_limits_place_open(struct jb_limits_place *p, const char *path, bool create, struct jb_err *err)
{
    char dir[sizeof p->path];
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    *p = (struct jb_limits_place){-1, -1, "", ""};
    if (strlen(path) >= sizeof p->path || strlen(name) + 8 >= sizeof p->name) return jb_fail(err, JB_E_RANGE, "%.100s...: the path is too long", path);
    if (!name[0] || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return jb_fail(err, JB_E_INVALID, "%s: no name of a file", path);
    snprintf(p->path, sizeof p->path, "%s", path);
    snprintf(p->name, sizeof p->name, "%s", name);
    int rc = jb_path_dir(dir, sizeof dir, path);
    if (rc) return jb_fail(err, rc, "%s: the path is too long", path);
    if (create) rc = make_dir(dir, err);
    return rc ? rc : open_dir(dir, &p->dir, err);
}

int jb_limits_place_lock(struct jb_limits_place *p, struct jb_err *err)
{
    char name[sizeof p->name + 8];
    struct stat st;
    snprintf(name, sizeof name, "%s.lock", p->name);
    int fd = openat(p->dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600), e = errno;
    if (fd < 0) return jb_fail_errno(err, jb_code_of_errno(e), e, "%s.lock", p->path);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !trusted(&st)) {
        close(fd);
        return jb_fail(err, JB_E_DENIED, "%s.lock: belongs to another user", p->path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        e = errno;
        close(fd);
        if (e != EWOULDBLOCK) return jb_fail_errno(err, jb_code_of_errno(e), e, "%s.lock", p->path);
        struct jb_limits_state *s = malloc(sizeof *s); // who it is, if that can be read
        bool known = s && jb_limits_place_read(p, s, NULL) == JB_OK;
        long pid = known ? s->pid : 0;
        free(s);
        if (pid) return jb_fail(err, JB_E_BUSY, "%s: process %ld holds the power limits and will put them back itself", p->path, pid);
        return jb_fail(err, JB_E_BUSY, "%s: another process holds the power limits and will put them back itself", p->path);
    }
    p->lock = fd;
    return JB_OK;
}

void jb_limits_place_close(struct jb_limits_place *p)
{
    if (p->lock >= 0) close(p->lock);
    if (p->dir >= 0) close(p->dir);
    p->lock = p->dir = -1;
}

// The whole file into text (room); its length, or a negative code.
static int read_file(const struct jb_limits_place *p, char *text, size_t room, size_t *n, struct jb_err *err)
{
    struct stat st;
    int fd = openat(p->dir, p->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY), e = errno;
    if (fd < 0 && e == ELOOP) return jb_fail(err, JB_E_DENIED, "%s: a symbolic link is not followed", p->path);
    if (fd < 0) return jb_fail_errno(err, jb_code_of_errno(e), e, "%s", p->path);
    int rc = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && trusted(&st) && !(st.st_mode & 022) ? JB_OK
             : jb_fail(err, JB_E_DENIED, "%s: not a plain file that only you or root may change: it is not believed (remove it, or chown and chmod it if it is yours)", p->path);
    for (*n = 0; rc == JB_OK && *n < room;) {
        ssize_t got = read(fd, text + *n, room - *n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            e = errno;
            rc = jb_fail_errno(err, jb_code_of_errno(e), e, "%s", p->path);
        }
        if (got <= 0) break;
        *n += (size_t)got;
    }
    close(fd);
    return rc == JB_OK && *n == room ? jb_fail(err, JB_E_RANGE, "%s: larger than %u bytes", p->path, JB_LIMITS_MAX_BYTES) : rc;
}

int jb_limits_place_read(const struct jb_limits_place *p, struct jb_limits_state *out, struct jb_err *err)
{
    size_t room = JB_LIMITS_MAX_BYTES + 1, n = 0;
    char *text = malloc(room);
    if (!text) return jb_fail(err, JB_E_NOMEM, "%s", p->path);
    int rc = read_file(p, text, room, &n, err);
    if (rc == JB_OK) rc = jb_limits_state_parse(out, p->path, text, n, err);
    free(text);
    return rc;
}

// Some file systems know no fsync for directories; that is no failure of ours.
static int sync_fd(int fd)
{
    return fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP || errno == ENOSYS ? 0 : errno;
}

static int write_all(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t put = write(fd, text, n);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return errno;
        text += put;
        n -= (size_t)put;
    }
    return sync_fd(fd);
}

// Returns 0 or an errno; nothing is left behind on failure.
static int replace(const struct jb_limits_place *p, const char *text, size_t n)
{
    char temporary[sizeof p->name + 8];
    snprintf(temporary, sizeof temporary, "%s.tmp", p->name);
    unlinkat(p->dir, temporary, 0); // of one who died; the lock is ours
    int fd = openat(p->dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return errno;
    int e = write_all(fd, text, n);
    if (close(fd) != 0 && e == 0) e = errno;
    if (e == 0 && renameat(p->dir, temporary, p->dir, p->name) != 0) e = errno;
    if (e) {
        unlinkat(p->dir, temporary, 0);
        return e;
    }
    return sync_fd(p->dir);
}

int jb_limits_place_write(const struct jb_limits_place *p, const struct jb_limits_state *s, struct jb_err *err)
{
    char *text = jb_limits_state_print(s);
    if (!text) return jb_fail(err, JB_E_NOMEM, "%s", p->path);
    int e = replace(p, text, strlen(text));
    free(text);
    return e ? jb_fail_errno(err, jb_code_of_errno(e), e, "%s: the limits as they were cannot be written down, so that none is changed", p->path) : JB_OK;
}

int jb_limits_place_remove(const struct jb_limits_place *p, struct jb_err *err)
{
    if (unlinkat(p->dir, p->name, 0) != 0 && errno != ENOENT) {
        int e = errno;
        return jb_fail_errno(err, jb_code_of_errno(e), e, "%s: cannot be removed", p->path);
    }
    int e = sync_fd(p->dir);
    return e ? jb_fail_errno(err, jb_code_of_errno(e), e, "%s", p->path) : JB_OK;
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
