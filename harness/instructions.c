// Counting by the CPU (PAPI) and by valgrind.
#include "harness/instructions.h"

#include "base/json.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <papi.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENT "perf::INSTRUCTIONS:u"
#define MAX_TEXT 65536
#define MAX_JSON ((size_t)64 << 20)
#define MAX_WORDS 256

extern char **environ;

__attribute__((format(printf, 2, 3))) static void refuse(struct jb_instructions *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(out->reason, sizeof out->reason, format, args);
    va_end(args);
    out->per_query = NAN;
}

static void open_figure(struct jb_instructions *out, const char *source, uint32_t queries)
{
    memset(out, 0, sizeof *out);
    out->per_query = NAN;
    out->queries = queries;
    snprintf(out->source, sizeof out->source, "%s", source);
}

// ---- by the CPU ----

static int count_once(int set, jb_instructions_fn run, void *user, long long *value, int *run_rc)
{
    int rc = PAPI_start(set);
    if (rc != PAPI_OK) return rc;
    *run_rc = run(user);
    return PAPI_stop(set, value);
}

// PAPI's state belongs to the process: nobody here shuts it down.
void jb_instructions_papi(struct jb_instructions *out, const char *kernels, uint32_t queries, jb_instructions_fn run, void *user)
{
    int set = PAPI_NULL, run_rc = 0;
    long long value[2] = {0, 0};
    open_figure(out, "papi", queries);
    snprintf(out->kernels, sizeof out->kernels, "%s", kernels);
    int rc = PAPI_is_initialized() == PAPI_NOT_INITED && PAPI_library_init(PAPI_VER_CURRENT) != PAPI_VER_CURRENT ? PAPI_ENOINIT : PAPI_OK;
    if (rc == PAPI_OK) rc = PAPI_create_eventset(&set);
    if (rc == PAPI_OK) rc = PAPI_add_named_event(set, EVENT);
    for (int i = 0; i < 2 && rc == PAPI_OK && !run_rc; i++) rc = count_once(set, run, user, &value[i], &run_rc);
    if (set != PAPI_NULL) {
        (void)PAPI_cleanup_eventset(set);
        (void)PAPI_destroy_eventset(&set);
    }
    long long least = value[0] < value[1] ? value[0] : value[1];
    if (rc == PAPI_ENOEVNT)
        refuse(out, "PAPI has no " EVENT " here: %s; this CPU, or the virtual machine, shows no counter of instructions (--count-instructions callgrind needs none)", PAPI_strerror(rc));
    else if (rc != PAPI_OK)
        refuse(out, "PAPI cannot count " EVENT ": %s%s", PAPI_strerror(rc), rc == PAPI_EPERM || rc == PAPI_ESYS ? " (sudo sysctl kernel.perf_event_paranoid=2 allows it)" : "");
    else if (run_rc)
        refuse(out, "a query failed while its instructions were counted (%s)", jb_code_text(run_rc));
    else if (least <= 0 || !queries)
        refuse(out, "the counter " EVENT " stands still");
    else
        out->per_query = (double)least / queries;
}

// ---- by valgrind ----

bool jb_instructions_collected(const char *text, uint64_t *out)
{
    const char *at = strstr(text, "Collected : ");
    if (!at) return false;
    uint64_t v = 0;
    int digits = 0;
    for (at += strlen("Collected : "); (*at >= '0' && *at <= '9') || (*at == ',' && digits); at++) {
        if (*at == ',') continue;
        if (++digits > 18) return false;
        v = v * 10 + (uint64_t)(*at - '0');
    }
    *out = v;
    return digits > 0 && (*at == '\n' || *at == ' ' || *at == '\0'); // several events stand side by side: instructions are the first
}

// stdout and stderr into files; no shell. Returns 0 and the exit status, or an errno.
static int run_child(char *const *argv, int out, int err, int *status)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc) return rc;
    rc = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!rc) rc = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (!rc) rc = posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
    if (!rc) rc = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    while (!rc && waitpid(pid, status, 0) != pid)
        if (errno != EINTR) rc = errno;
    return rc;
}

// Its last line that is not valgrind's own.
static void last_line(char *text, char *out, size_t room)
{
    out[0] = '\0';
    for (char *line = text, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        if (*line && strncmp(line, "==", 2) != 0) snprintf(out, room, "%s", line);
    }
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = '?';
}

// "op=symbol ..." of what `run --json` printed.
static void read_kernels(struct jb_instructions *out, int fd)
{
    struct jb_json_doc doc;
    char path[64];
    size_t n = 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (jb_json_read(&doc, path, MAX_JSON, NULL) != JB_OK) return;
    const cJSON *i;
    cJSON_ArrayForEach(i, cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(doc.root, "environment"), "kernels"))
        if (cJSON_IsString(i) && n < sizeof out->kernels) n += (size_t)snprintf(out->kernels + n, sizeof out->kernels - n, "%s%s=%s", n ? " " : "", i->string, i->valuestring);
    jb_json_close(&doc);
}

static void judge(struct jb_instructions *out, int rc, int status, char *text, const char *valgrind, const char *within)
{
    uint64_t count = 0;
    bool told = jb_instructions_collected(text, &count);
    char line[160];
    last_line(text, line, sizeof line);
    if (rc == ENOENT)
        refuse(out, "%.100s is not there: sudo apt-get install valgrind", valgrind);
    else if (rc)
        refuse(out, "%.100s cannot be started: %s", valgrind, strerror(rc));
    else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        refuse(out, "the program failed under valgrind (%s %d)%s%s", WIFEXITED(status) ? "exit code" : "signal", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), line[0] ? ": " : "", line);
    else if (!told)
        refuse(out, "valgrind did not say what it collected");
    else if (!count || !out->queries)
        refuse(out, "valgrind saw no instruction within %s: was the program stripped of its symbols?", within);
    else
        out->per_query = (double)count / out->queries;
}

void jb_instructions_callgrind(struct jb_instructions *out, const char *valgrind, const char *program, char *const *words, const char *within, uint32_t queries)
{
    char toggle[128], tool[] = "--tool=callgrind", start[] = "--collect-atstart=no", file[] = "--callgrind-out-file=/dev/null", *argv[MAX_WORDS + 8];
    int n = 0, status = 0, fd = memfd_create("joulebench-callgrind", MFD_CLOEXEC), json = memfd_create("joulebench-json", MFD_CLOEXEC);
    char *text = calloc(1, MAX_TEXT + 1);
    open_figure(out, "callgrind", queries);
    valgrind = valgrind ? valgrind : "valgrind";
    snprintf(toggle, sizeof toggle, "--toggle-collect=%s", within);
    argv[n++] = (char *)(uintptr_t)valgrind;
    argv[n++] = tool;
    argv[n++] = start;
    argv[n++] = file;
    argv[n++] = toggle;
    argv[n++] = (char *)(uintptr_t)program;
    for (; *words && n < MAX_WORDS + 7; words++) argv[n++] = *words;
    argv[n] = NULL;
    if (fd < 0 || json < 0 || !text) refuse(out, "no memory for what valgrind says");
    else if (*words) refuse(out, "too many words for a program under valgrind");
    else {
        int rc = run_child(argv, json, fd, &status);
        if (!rc && pread(fd, text, MAX_TEXT, 0) < 0) rc = errno;
        judge(out, rc, status, text, valgrind, within);
        if (isfinite(out->per_query)) read_kernels(out, json);
    }
    free(text);
    if (json >= 0) close(json);
    if (fd >= 0) close(fd);
}
