// The leading side of a worker: a child process behind a socket and a pipe.
#include "harness/worker.h"

#include "harness/wire.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHORT_NS 60000000000u        // for what should take moments
#define GOODBYE_MS 2000

extern char **environ;

struct jb_worker {
    const struct jb_side *side;      // borrowed
    char program[4096];
    pid_t pid;
    int to;                          // its stdin
    struct jb_wire from;             // its stdout
    cJSON *run;
    struct jb_worker_cell *cells; size_t n_cells;
    uint64_t peak_rss_bytes;         // the highest that any of its processes has told of itself; 0: not known
};

// ---- process ----

// The environment with the side's own in front: the first of a name counts.
static char **with_env(const struct jb_side *s)
{
    size_t n = 0, k = 0;
    while (environ[n]) n++;
    char **env = calloc(n + s->n_env + 1, sizeof *env);
    for (size_t i = 0; env && i < s->n_env; i++) env[k++] = (char *)(uintptr_t)s->env[i];
    for (size_t i = 0; env && i < n; i++) {
        bool again = false;
        for (size_t e = 0; e < s->n_env; e++) {
            size_t name = (size_t)(strchr(s->env[e], '=') - s->env[e]) + 1;
            again |= strncmp(environ[i], s->env[e], name) == 0;
        }
        if (!again) env[k++] = environ[i];
    }
    return env;
}

static int program_path(const struct jb_side *s, const char *this_program, char *out, size_t room, struct jb_err *err)
{
    if (s->program && !strchr(s->program, '/')) return jb_fail(err, JB_E_INVALID, "%s: \"joulebench\" must be a path with a slash (./joulebench)", s->name);
    if (!s->program || s->program[0] == '/') {
        int n = snprintf(out, room, "%s", s->program ? s->program : this_program);
        return n > 0 && (size_t)n < room ? 0 : jb_fail(err, JB_E_RANGE, "%s: the program's path is too long", s->name);
    }
    int n = snprintf(out, room, "%s/%s", s->dir, s->program);
    return n > 0 && (size_t)n < room ? 0 : jb_fail(err, JB_E_RANGE, "%s: the program's path is too long", s->name);
}

// As posix_spawn wants it: descriptors in place, a process group of its own (Ctrl-C is the leader's to answer), no signal blocked.
static int launch(pid_t *pid, const struct jb_side *side, const char *program, char **env, int in, int out)
{
    char *argv[JB_SIDE_MAX + 3] = { (char *)(uintptr_t)program, "worker" };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none;
    for (size_t i = 0; i < side->n_arg; i++) argv[2 + i] = (char *)(uintptr_t)side->arg[i];
    if (posix_spawn_file_actions_init(&files)) return ENOMEM;
    if (posix_spawnattr_init(&attr)) {
        posix_spawn_file_actions_destroy(&files);
        return ENOMEM;
    }
    sigemptyset(&none);
    int e = posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
    if (!e) e = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    if (!e) e = posix_spawnattr_setsigmask(&attr, &none);
    if (!e) e = posix_spawnattr_setpgroup(&attr, 0);
    if (!e) e = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    if (!e) e = posix_spawn(pid, program, &files, &attr, argv, env);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return e;
}

static int spawn(struct jb_worker *w, const char *program, struct jb_err *err)
{
    int in[2], out[2];
    char **env = with_env(w->side);
    if (!env) return jb_fail(err, JB_E_NOMEM, "%s", w->side->name);
    if (access(program, X_OK)) {
        free(env);
        return jb_fail_errno(err, JB_E_NOT_FOUND, errno, "%s: %s", w->side->name, program);
    }
    // Its input is a socket: writing to a worker that has died is then an error, not a signal.
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in)) {
        free(env);
        return jb_fail_errno(err, JB_E_IO, errno, "%s: socket", w->side->name);
    }
    if (pipe2(out, O_CLOEXEC)) {
        int e = errno;
        close(in[0]), close(in[1]);
        free(env);
        return jb_fail_errno(err, JB_E_IO, e, "%s: pipe", w->side->name);
    }
    int e = launch(&w->pid, w->side, program, env, in[0], out[1]);
    if (e) w->pid = -1;
    free(env);
    close(in[0]);
    close(out[1]);
    w->to = in[1];
    w->from.fd = out[0];
    return e ? jb_fail_errno(err, JB_E_IO, e, "%s: %s could not be started", w->side->name, program) : 0;
}

// What became of it, for a message.
static void obituary(struct jb_worker *w, char *text, size_t room)
{
    int status = 0;
    snprintf(text, room, "the worker has closed its output");
    for (int i = 0; i < 50 && w->pid > 0; i++) {
        pid_t got = waitpid(w->pid, &status, WNOHANG);
        if (got == w->pid) {
            w->pid = -1;
            if (WIFSIGNALED(status)) snprintf(text, room, "the worker was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
            else snprintf(text, room, "the worker ended with %d%s", WEXITSTATUS(status), WEXITSTATUS(status) == 127 ? " (it could not be started)" : WEXITSTATUS(status) == 1 ? " (is it a joulebench that knows `worker`?)" : "");
            return;
        }
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
}

// ---- asking ----

static int code_of(const char *name)
{
    for (int code = -1; code > -64; code--)
        if (!strcmp(jb_code_name(code), name)) return code;
    return JB_E_INTERNAL;
}

static int ask(struct jb_worker *w, cJSON *question, uint64_t timeout_ns, struct jb_json_doc *out, struct jb_err *err)
{
    char text[160];
    struct jb_err why = { 0 };
    int rc = jb_wire_write(w->to, question, &why);
    if (!rc) rc = jb_wire_read(&w->from, timeout_ns, out, &why);
    if (rc == JB_E_NOT_FOUND || rc == JB_E_IO) {
        obituary(w, text, sizeof text);
        return jb_fail(err, JB_E_UNAVAILABLE, "%s: %s", w->side->name, text);
    }
    if (rc) return jb_fail(err, rc, "%s: %s", w->side->name, why.detail);
    uint64_t peak = jb_line_u64(out->root, "peak_rss_bytes");
    if (peak > w->peak_rss_bytes) w->peak_rss_bytes = peak;
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(out->root, "ok"))) return 0;
    const cJSON *code = cJSON_GetObjectItemCaseSensitive(out->root, "code"), *detail = cJSON_GetObjectItemCaseSensitive(out->root, "detail");
    rc = cJSON_IsString(code) ? code_of(code->valuestring) : JB_E_INVALID;
    jb_fail(err, rc, "%s: %s", w->side->name, cJSON_IsString(detail) ? detail->valuestring : "an answer without a word");
    jb_json_close(out);
    return rc;
}

static cJSON *question(const char *what, const struct jb_block_request *r)
{
    cJSON *o = cJSON_CreateObject();
    char *text = r ? jb_request_to_json(r) : NULL;
    cJSON *request = text ? cJSON_Parse(text) : NULL;
    free(text);
    if (o && jb_json_put_str(o, "do", what) && (!r || (request && cJSON_AddItemToObject(o, "request", request)))) return o;
    cJSON_Delete(request);
    cJSON_Delete(o);
    return NULL;
}

// ---- open ----

static cJSON *open_question(const struct jb_side *s, bool bare, bool limits)
{
    char path[4096];
    cJSON *o = question("open", NULL), *set = o ? jb_json_put_array(o, "set") : NULL;
    int n = snprintf(path, sizeof path, "%s%s%s", s->plan[0] == '/' ? "" : s->dir, s->plan[0] == '/' ? "" : "/", s->plan);
    bool ok = set && n > 0 && (size_t)n < sizeof path && jb_json_put_str(o, "plan", path) && (!s->only || jb_json_put_str(o, "only", s->only)) && (!bare || jb_json_put_bool(o, "bare", true)) &&
              (!limits || jb_json_put_bool(o, "limits", true));
    for (size_t i = 0; i < s->n_set && ok; i++) ok = jb_json_put_str(set, NULL, s->set[i]);
    if (ok) return o;
    cJSON_Delete(o);
    return NULL;
}

static int read_cell(struct jb_worker *w, const cJSON *o, struct jb_worker_cell *cell, struct jb_err *err)
{
    struct jb_err why = { 0 };
    const cJSON *request = cJSON_GetObjectItemCaseSensitive(o, "request");
    int rc = jb_facts_from_line(&cell->facts, cJSON_GetObjectItemCaseSensitive(o, "facts"), &why);
    if (!rc && cell->facts.status == JB_CELL_VALID) {
        char *text = cJSON_IsObject(request) ? jb_json_canonical(request) : NULL;
        rc = text ? jb_request_from_json(&cell->request, "request", text, strlen(text), &why) : jb_fail(&why, JB_E_INVALID, "cell %s has no request", cell->facts.label);
        free(text);
    }
    return rc ? jb_fail(err, rc, "%s: %s", w->side->name, why.detail) : 0;
}

static int read_open(struct jb_worker *w, const struct jb_json_doc *doc, struct jb_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(doc->root, "cells"), *run = cJSON_GetObjectItemCaseSensitive(doc->root, "run");
    const char *schema = NULL;
    int rc = jb_json_get_str(doc, doc->root, "schema", true, &schema, err);
    if (!rc && strcmp(schema, JB_WORKER_SCHEMA)) rc = jb_fail(err, JB_E_MISMATCH, "%s: the worker speaks \"%.40s\", not \"" JB_WORKER_SCHEMA "\"", w->side->name, schema);
    if (!rc && (!cJSON_IsArray(list) || !cJSON_IsObject(run))) rc = jb_fail(err, JB_E_INVALID, "%s: an answer without cells or run", w->side->name);
    if (rc) return rc;
    w->run = cJSON_Duplicate(run, 1);
    w->cells = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof *w->cells);
    if (!w->run || !w->cells) return jb_fail(err, JB_E_NOMEM, "%s", w->side->name);
    for (const cJSON *i = list->child; i && !rc; i = i->next) {
        rc = read_cell(w, i, &w->cells[w->n_cells], err);
        w->n_cells += rc == 0;
    }
    return rc;
}

int jb_worker_start(struct jb_worker **out, const struct jb_side *side, const char *this_program, uint64_t timeout_ns, struct jb_err *err)
{
    struct jb_json_doc doc = { 0 };
    struct jb_worker *w = calloc(1, sizeof *w);
    if (!w) return jb_fail(err, JB_E_NOMEM, "%s", side->name);
    *w = (struct jb_worker){ .side = side, .pid = -1, .to = -1, .from = { .fd = -1 } };
    int rc = program_path(side, this_program, w->program, sizeof w->program, err);
    if (!rc) rc = spawn(w, w->program, err);
    if (!rc) rc = ask(w, open_question(side, false, false), timeout_ns, &doc, err);
    if (rc == JB_E_UNSUPPORTED) rc = ask(w, open_question(side, false, true), timeout_ns, &doc, err); // a plan with power limits; an older worker knows nothing of "limits"
    if (!rc) {
        rc = read_open(w, &doc, err);
        jb_json_close(&doc);
    }
    if (rc) {
        jb_worker_stop(w);
        return rc;
    }
    *out = w;
    return 0;
}

// ---- use ----

const struct jb_worker_cell *jb_worker_cells(const struct jb_worker *w, size_t *n)
{
    *n = w->n_cells;
    return w->cells;
}

uint64_t jb_worker_peak_rss(const struct jb_worker *w) { return w->peak_rss_bytes; }

const cJSON *jb_worker_run(const struct jb_worker *w) { return w->run; }

int jb_worker_samples(struct jb_worker *w, size_t cell, struct jb_raw_samples *out, struct jb_err *err)
{
    struct jb_json_doc doc = { 0 };
    uint8_t *bytes = NULL;
    size_t n = 0;
    cJSON *o = question("samples", NULL);
    if (o && !jb_json_put_str(o, "cell", w->cells[cell].facts.id)) {
        cJSON_Delete(o);
        o = NULL;
    }
    int rc = ask(w, o, SHORT_NS, &doc, err);
    if (rc) return rc;
    rc = jb_wire_get_bytes(&doc, doc.root, "samples", &bytes, &n, err);
    if (!rc) rc = jb_raw_samples_decode(out, bytes, n, err);
    free(bytes);
    jb_json_close(&doc);
    return rc;
}

int jb_worker_warm_up(struct jb_worker *w, const struct jb_block_request *r, struct jb_warm_up *out, struct jb_err *err)
{
    struct jb_json_doc doc = { 0 };
    int rc = ask(w, question("warm_up", r), SHORT_NS, &doc, err);
    if (rc) return rc;
    *out = (struct jb_warm_up){ .steady = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(doc.root, "steady")), .median_ns = jb_line_num(doc.root, "median_ns"),
                                .elapsed_ns = jb_line_u64(doc.root, "elapsed_ns"), .chunks = (uint32_t)jb_line_u64(doc.root, "chunks") };
    jb_json_close(&doc);
    return 0;
}

int jb_worker_block(struct jb_worker *w, const struct jb_block_request *r, uint64_t timeout_ns, struct jb_block *out, struct jb_err *err)
{
    struct jb_json_doc doc = { 0 };
    int rc = ask(w, question("block", r), timeout_ns, &doc, err);
    if (rc) return rc;
    const cJSON *block = cJSON_GetObjectItemCaseSensitive(doc.root, "block");
    rc = cJSON_IsObject(block) ? jb_wire_to_block(out, &doc, block, err) : jb_fail(err, JB_E_INVALID, "%s: an answer without a block", w->side->name);
    jb_json_close(&doc);
    return rc;
}

static bool gone(struct jb_worker *w, int ms)
{
    for (int i = 0; i <= ms / 5; i++) {
        if (w->pid < 0 || waitpid(w->pid, NULL, WNOHANG) == w->pid) {
            w->pid = -1;
            return true;
        }
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    }
    return false;
}

static void end_process(struct jb_worker *w)
{
    if (w->to >= 0) {
        if (w->pid > 0) (void)jb_wire_write(w->to, question("bye", NULL), NULL);
        close(w->to);
    }
    if (w->pid > 0 && !gone(w, GOODBYE_MS)) {
        kill(w->pid, SIGTERM);
        if (!gone(w, GOODBYE_MS)) {
            kill(w->pid, SIGKILL);
            (void)waitpid(w->pid, NULL, 0);
        }
    }
    if (w->from.fd >= 0) close(w->from.fd);
    jb_wire_free(&w->from);
    w->from.fd = w->to = w->pid = -1;
}

int jb_worker_restart(struct jb_worker *w, uint64_t timeout_ns, struct jb_err *err)
{
    struct jb_json_doc doc = { 0 };
    end_process(w);
    int rc = spawn(w, w->program, err);
    if (!rc) rc = ask(w, open_question(w->side, true, false), timeout_ns, &doc, err);
    if (!rc) jb_json_close(&doc);
    return rc;
}

void jb_worker_pin(struct jb_worker *w, int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (w->pid <= 0 || (cpu < 0 ? sched_getaffinity(0, sizeof set, &set) != 0 : cpu >= CPU_SETSIZE)) return;
    if (cpu >= 0) CPU_SET((size_t)cpu, &set);
    (void)sched_setaffinity(w->pid, sizeof set, &set); // of its main thread, which runs single-stream blocks
}

void jb_worker_stop(struct jb_worker *w)
{
    if (!w) return;
    end_process(w);
    cJSON_Delete(w->run);
    free(w->cells);
    free(w);
}
