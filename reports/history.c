// The history file: lines are appended, never changed.
#include "reports/history.h"

#include "base/clock.h"
#include "base/fs.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_BYTES (64u << 20)
#define MAX_VALUES 100000

// ---- appending ----

static int append_bytes(int fd, const char *path, const char *text, size_t n, struct jb_err *err)
{
    for (size_t at = 0; at < n;) {
        ssize_t k = write(fd, text + at, n - at);
        if (k > 0) at += (size_t)k;
        else if (errno != EINTR) return jb_fail_errno(err, jb_code_of_errno(errno), errno, "%s", path);
    }
    return 0;
}

// Behind a line that a crash has cut, a new one begins.
static int append_line(const char *path, cJSON *line, struct jb_err *err)
{
    char *text = line ? jb_json_canonical(line) : NULL, last = '\n';
    cJSON_Delete(line);
    if (!text) return jb_fail(err, JB_E_NOMEM, "%s", path);
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666), rc = 0;
    struct stat st;
    if (fd < 0 || flock(fd, LOCK_EX) || fstat(fd, &st)) rc = jb_fail_errno(err, jb_code_of_errno(errno), errno, "%s", path);
    if (!rc && !S_ISREG(st.st_mode)) rc = jb_fail(err, JB_E_INVALID, "%s: not a regular file", path);
    if (!rc && st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) != 1) rc = jb_fail_errno(err, JB_E_IO, errno, "%s", path);
    size_t n = strlen(text);
    text[n] = '\n'; // in place of its end
    if (!rc && last != '\n') rc = append_bytes(fd, path, "\n", 1, err);
    if (!rc) rc = append_bytes(fd, path, text, n + 1, err);
    if (!rc && fsync(fd) && errno != EINVAL && errno != EROFS) rc = jb_fail_errno(err, jb_code_of_errno(errno), errno, "%s", path);
    if (fd >= 0) close(fd);
    free(text);
    return rc;
}

static cJSON *new_line(const char *kind, const char *git, const char *version, const char *name)
{
    char now[32];
    cJSON *o = cJSON_CreateObject();
    jb_time_iso8601(jb_realtime_ns(), now);
    bool ok = jb_json_put_str(o, "schema", JB_HISTORY_SCHEMA) && jb_json_put_str(o, "kind", kind) && jb_json_put_str(o, "time", now) && jb_json_put_str(o, "git", git) &&
              jb_json_put_str(o, "version", version) && jb_json_put_str(o, "name", name);
    if (ok) return o;
    cJSON_Delete(o);
    return NULL;
}

static bool put_value(cJSON *list, const char *cell, const char *metric, double value, const struct jb_compared_metric *m)
{
    cJSON *o = jb_json_put_object(list, NULL);
    bool ok = jb_json_put_str(o, "cell", cell) && jb_json_put_str(o, "metric", metric) && jb_json_put_f64(o, "value", value);
    if (!ok || !m) return ok;
    return jb_json_put_f64(o, "baseline", m->baseline) && jb_json_put_f64(o, "effect", m->effect) && jb_json_put_f64(o, "lower", m->lower) && jb_json_put_f64(o, "upper", m->upper) &&
           jb_json_put_str(o, "verdict", jb_verdict_name(m->verdict));
}

static const char *fact(const struct jb_kv *kv, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(kv[i].name, name)) return kv[i].value;
    return NULL;
}

int jb_history_append_gate(const char *path, const struct jb_comparison *c, struct jb_err *err)
{
    cJSON *o = new_line("gate", fact(c->candidate_environment, c->n_candidate_environment, "git"), c->joulebench_version, c->candidate_name), *list = o ? jb_json_put_array(o, "values") : NULL;
    bool ok = list && jb_json_put_str(o, "baseline", c->baseline_name) && jb_json_put_str(o, "baseline_git", fact(c->baseline_environment, c->n_baseline_environment, "git")) &&
              jb_json_put_str(o, "verdict", jb_verdict_name(c->verdict)) && jb_json_put_u64(o, "exit_code", (uint64_t)c->exit_code) && jb_json_put_str(o, "mode", c->mode);
    for (size_t i = 0; i < c->n_cells && ok; i++)
        for (size_t k = 0; k < c->cells[i].n_metrics && ok; k++) {
            const struct jb_compared_metric *m = &c->cells[i].metrics[k];
            if (m->gated) ok = put_value(list, c->cells[i].label_candidate ? c->cells[i].label_candidate : c->cells[i].label, m->name, m->candidate, m);
        }
    if (ok) return append_line(path, o, err);
    cJSON_Delete(o);
    return jb_fail(err, JB_E_NOMEM, "%s", path);
}

static double percentile(const struct jb_result_cell *c, double p)
{
    for (size_t i = 0; i < c->n_percentiles; i++)
        if (c->percentiles[i].p == p) return c->percentiles[i].ns;
    return NAN;
}

static bool put_cell(cJSON *list, const struct jb_result_cell *c)
{
    const struct { const char *metric; double value; } v[] = { { "accuracy", c->accuracy.value }, { "latency_mean_ns", c->latency_mean_ns }, { "p50_ns", percentile(c, 0.5) },
        { "ppl", c->language.kv ? c->language.ppl.value : NAN }, { "ttft_ns", c->language.kv ? c->language.ttft.mean : NAN },
        { "uj_per_query", c->energy.cls == JB_ENERGY_NONE ? NAN : c->energy.gross_uj }, { "model_bytes", c->model_bytes }, { "macs_mean", c->macs_mean } };
    bool ok = true;
    for (size_t i = 0; i < sizeof v / sizeof *v && ok; i++)
        if (isfinite(v[i].value)) ok = put_value(list, c->label, v[i].metric, v[i].value, NULL);
    return ok;
}

int jb_history_append_record(const char *path, const struct jb_result *r, struct jb_err *err)
{
    cJSON *o = new_line("record", r->git, r->joulebench_version, r->name), *list = o ? jb_json_put_array(o, "values") : NULL;
    bool ok = list != NULL;
    for (size_t i = 0; i < r->n_cells && ok; i++)
        if (r->cells[i].status == JB_CELL_VALID) ok = put_cell(list, &r->cells[i]);
    if (ok) return append_line(path, o, err);
    cJSON_Delete(o);
    return jb_fail(err, JB_E_NOMEM, "%s", path);
}

// ---- reading ----

static const char *text_of(const cJSON *o, const char *key)
{
    const cJSON *x = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsString(x) ? x->valuestring : NULL;
}

static double number_of(const cJSON *o, const char *key)
{
    const cJSON *x = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsNumber(x) ? x->valuedouble : NAN;
}

static bool read_values(struct jb_history_entry *e, const cJSON *list, bool *no_memory)
{
    int n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : -1;
    if (n < 0 || n > MAX_VALUES) return false;
    if (!(e->values = calloc((size_t)n + 1, sizeof *e->values))) {
        *no_memory = true;
        return false;
    }
    for (const cJSON *i = list->child; i; i = i->next) {
        struct jb_history_value v = { text_of(i, "cell"), text_of(i, "metric"), text_of(i, "verdict"), number_of(i, "value"), number_of(i, "baseline"), number_of(i, "effect"), number_of(i, "lower"), number_of(i, "upper") };
        if (v.cell && v.metric) e->values[e->n_values++] = v;
    }
    return true;
}

static bool read_entry(struct jb_history_entry *e, const cJSON *o, bool *no_memory)
{
    const char *schema = text_of(o, "schema");
    double code = number_of(o, "exit_code");
    *e = (struct jb_history_entry){ .kind = text_of(o, "kind"), .time = text_of(o, "time"), .git = text_of(o, "git"), .version = text_of(o, "version"), .name = text_of(o, "name"), .verdict = text_of(o, "verdict"),
                                    .exit_code = code >= 0 && code < 256 ? (int)code : 0 };
    return schema && !strcmp(schema, JB_HISTORY_SCHEMA) && e->kind && e->time && read_values(e, cJSON_GetObjectItemCaseSensitive(o, "values"), no_memory);
}

static int take_line(struct jb_history *h, const char *path, const char *text, size_t n, struct jb_err *err)
{
    struct jb_json_doc doc = { 0 };
    struct jb_err why = { 0 };
    bool no_memory = false;
    if (!n) return 0;
    int rc = jb_json_parse(&doc, path, text, n, &why);
    if (rc == JB_E_NOMEM) return jb_fail(err, rc, "%s", path);
    if (rc || !cJSON_AddItemToArray(h->lines, doc.root)) {
        h->torn++;
        if (!rc) jb_json_close(&doc);
        return 0;
    }
    const cJSON *line = doc.root; // now the array's
    doc.root = NULL;
    jb_json_close(&doc);
    bool ok = read_entry(&h->entries[h->n], line, &no_memory);
    if (no_memory) return jb_fail(err, JB_E_NOMEM, "%s", path);
    if (ok) h->n++;
    else h->torn++;
    return 0;
}

int jb_history_read(struct jb_history *out, const char *path, struct jb_err *err)
{
    struct jb_history h = { .lines = cJSON_CreateArray() };
    char *text = NULL;
    size_t n = 0, lines = 1;
    int rc = h.lines ? jb_read_file(path, MAX_BYTES, &text, &n, err) : jb_fail(err, JB_E_NOMEM, "%s", path);
    for (size_t i = 0; i < n && !rc; i++) lines += text[i] == '\n';
    if (!rc && !(h.entries = calloc(lines + 1, sizeof *h.entries))) rc = jb_fail(err, JB_E_NOMEM, "%s", path);
    for (size_t at = 0; at < n && !rc;) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t length = end ? (size_t)(end - text) - at : n - at;
        rc = take_line(&h, path, text + at, length, err);
        at += length + 1;
    }
    free(text);
    if (!rc && !h.n) rc = jb_fail(err, JB_E_INVALID, "%s: no line of a history (joulebench gate --history FILE appends them)", path);
    if (rc) jb_history_free(&h);
    else *out = h;
    return rc;
}

void jb_history_free(struct jb_history *h)
{
    for (size_t i = 0; h->entries && i < h->n; i++) free(h->entries[i].values);
    free(h->entries);
    cJSON_Delete(h->lines);
    *h = (struct jb_history){ 0 };
}
