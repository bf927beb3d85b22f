// Where a run keeps what it measured.
#include "harness/store.h"

#include "base/fs.h"
#include "harness/sync.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct memory_file { char id[JB_HASH_HEX]; enum jb_raw_kind kind; uint8_t *data; size_t n_bytes; struct memory_file *next; };

struct jb_store {
    char *dir;                 // NULL: in memory
    struct jb_journal *journal;
    int lock_fd;
    struct memory_file *files;
};

bool jb_store_on_disk(const struct jb_store *s) { return s->dir != NULL; }

void jb_store_close(struct jb_store *s)
{
    if (!s) return;
    jb_journal_close(s->journal);
    if (s->lock_fd >= 0) jb_dir_unlock(s->lock_fd);
    while (s->files) {
        struct memory_file *f = s->files;
        s->files = f->next;
        free(f->data);
        free(f);
    }
    free(s->dir);
    free(s);
}

static struct jb_store *new_store(const char *dir)
{
    struct jb_store *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->lock_fd = -1;
    if (dir && !(s->dir = strdup(dir))) {
        free(s);
        return NULL;
    }
    return s;
}

static bool has_content(const char *path)
{
    struct stat st;
    return !stat(path, &st) && st.st_size > 0;
}

static int open_dir(struct jb_store *s, bool resume, jb_journal_fn fn, void *user, struct jb_err *err)
{
    char raw[4096], path[4096];
    int rc = jb_path_join(raw, sizeof raw, s->dir, "raw", err);
    if (!rc) rc = jb_path_join(path, sizeof path, s->dir, "journal.jsonl", err);
    if (!rc) rc = jb_make_dirs(raw, err);
    if (!rc) rc = jb_dir_lock(s->dir, &s->lock_fd, err);
    if (rc) return rc;
    if (!resume && has_content(path)) return jb_fail(err, JB_E_EXISTS, "%s: a run is there already; go on with it by --resume, or choose another directory", path);
    return jb_journal_open(&s->journal, path, fn, user, err);
}

int jb_store_open(struct jb_store **out, const char *dir, bool resume, jb_journal_fn fn, void *user, struct jb_err *err)
{
    struct jb_store *s = new_store(dir);
    if (!s) return jb_fail(err, JB_E_NOMEM, "run directory");
    int rc = dir ? open_dir(s, resume, fn, user, err) : 0;
    if (rc) {
        jb_store_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

int jb_store_open_read(struct jb_store **out, const char *dir, jb_journal_fn fn, void *user, struct jb_err *err)
{
    char path[4096];
    int rc = jb_path_join(path, sizeof path, dir, "journal.jsonl", err);
    if (rc) return rc;
    struct jb_store *s = new_store(dir);
    if (!s) return jb_fail(err, JB_E_NOMEM, "run directory");
    if ((rc = jb_journal_load(path, fn, user, err))) {
        jb_store_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

static const char *suffix(enum jb_raw_kind kind) { return kind == JB_RAW_BLOCKS ? "blocks" : "samples"; }

// Ids come from journals, too: nothing but hex digits may become part of a path.
static int raw_path(const struct jb_store *s, const char *id, enum jb_raw_kind kind, char *out, size_t n, struct jb_err *err)
{
    if (!*id || strspn(id, "0123456789abcdef") != strlen(id)) return jb_fail(err, JB_E_INVALID, "\"%.40s\" is not the id of a cell", id);
    int len = snprintf(out, n, "%s/raw/%s.%s", s->dir, id, suffix(kind));
    return len < 0 || (size_t)len >= n ? jb_fail(err, JB_E_RANGE, "%s: the path is too long", s->dir) : 0;
}

static struct memory_file *find_file(const struct jb_store *s, const char *id, enum jb_raw_kind kind)
{
    for (struct memory_file *f = s->files; f; f = f->next)
        if (f->kind == kind && !strcmp(f->id, id)) return f;
    return NULL;
}

static int put_memory(struct jb_store *s, const char *id, enum jb_raw_kind kind, uint64_t at, const uint8_t *data, size_t n_bytes, struct jb_err *err)
{
    struct memory_file *f = find_file(s, id, kind);
    if (!f) {
        if (!(f = calloc(1, sizeof *f))) return jb_fail(err, JB_E_NOMEM, "raw figures");
        snprintf(f->id, sizeof f->id, "%s", id);
        f->kind = kind;
        f->next = s->files;
        s->files = f;
    }
    if (at > f->n_bytes) return jb_fail(err, JB_E_INTERNAL, "raw figures with a hole");
    uint8_t *grown = realloc(f->data, at + n_bytes + 1);
    if (!grown) return jb_fail(err, JB_E_NOMEM, "raw figures");
    f->data = grown;
    memcpy(f->data + at, data, n_bytes);
    f->n_bytes = at + n_bytes;
    return 0;
}

static int put_disk(struct jb_store *s, const char *id, enum jb_raw_kind kind, uint64_t at, const uint8_t *data, size_t n_bytes, struct jb_err *err)
{
    char path[4096];
    int rc = raw_path(s, id, kind, path, sizeof path, err);
    if (rc) return rc;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return jb_fail_write(err, errno, path);
    if (ftruncate(fd, (off_t)at)) rc = jb_fail_write(err, errno, path);
    if (!rc) rc = jb_append_sync(fd, path, at, data, n_bytes, err);
    close(fd);
    return rc || at ? rc : jb_sync_parent(path, err);
}

int jb_store_put(struct jb_store *s, const char *id, enum jb_raw_kind kind, uint64_t at, const uint8_t *data, size_t n_bytes, struct jb_raw_place *place, struct jb_err *err)
{
    int rc = s->dir ? put_disk(s, id, kind, at, data, n_bytes, err) : put_memory(s, id, kind, at, data, n_bytes, err);
    if (rc) return rc;
    *place = (struct jb_raw_place){ .offset = at, .n_bytes = n_bytes };
    jb_hash_bytes(data, n_bytes, place->sha256);
    return 0;
}

static int get_disk(const struct jb_store *s, const char *id, enum jb_raw_kind kind, const struct jb_raw_place *place, uint8_t *data, struct jb_err *err)
{
    char path[4096];
    int rc = raw_path(s, id, kind, path, sizeof path, err);
    if (rc) return rc;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return jb_fail_errno(err, errno == ENOENT ? JB_E_NOT_FOUND : JB_E_IO, errno, "%s", path);
    size_t have = 0;
    int errnum = 0;
    while (have < place->n_bytes) {
        ssize_t n = pread(fd, data + have, place->n_bytes - have, (off_t)(place->offset + have));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) errnum = errno;
        if (n <= 0) break;
        have += (size_t)n;
    }
    close(fd);
    if (errnum) return jb_fail_errno(err, JB_E_IO, errnum, "%s", path);
    if (have < place->n_bytes) return jb_fail(err, JB_E_INVALID, "%s: ends before byte %" PRIu64 ", which the journal names", path, place->offset + place->n_bytes);
    return 0;
}

int jb_store_get(const struct jb_store *s, const char *id, enum jb_raw_kind kind, const struct jb_raw_place *place, uint8_t **out, struct jb_err *err)
{
    if (place->n_bytes > ((uint64_t)1 << 32) || place->offset > ((uint64_t)1 << 46)) return jb_fail(err, JB_E_INVALID, "raw figures of cell %.40s: an absurd place", id);
    uint8_t *data = malloc(place->n_bytes + 1);
    if (!data) return jb_fail(err, JB_E_NOMEM, "raw figures");
    int rc = 0;
    if (s->dir) {
        rc = get_disk(s, id, kind, place, data, err);
    } else {
        const struct memory_file *f = find_file(s, id, kind);
        if (!f || f->n_bytes < place->offset + place->n_bytes) rc = jb_fail(err, JB_E_NOT_FOUND, "raw figures of cell %.40s", id);
        else memcpy(data, f->data + place->offset, place->n_bytes);
    }
    char hex[JB_HASH_HEX];
    if (!rc) jb_hash_bytes(data, place->n_bytes, hex);
    if (!rc && strcmp(hex, place->sha256))
        rc = jb_fail(err, JB_E_INVALID, "raw/%.40s.%s: bytes %" PRIu64 " to %" PRIu64 " do not match their hash in the journal", id, suffix(kind), place->offset,
                     place->offset + place->n_bytes);
    if (rc) {
        free(data);
        return rc;
    }
    *out = data;
    return 0;
}

int jb_store_line(struct jb_store *s, const cJSON *line, struct jb_err *err) { return s->journal ? jb_journal_append(s->journal, line, err) : 0; }
