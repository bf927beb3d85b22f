// The terminal, the environment (JB_CPU, JB_DATA, NO_COLOR, TERM, COLUMNS: read here only), and where installed files lie.
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "base/cpu.h"
#include "base/fs.h"
#include "base/version.h"

static const char *env(const char *name)
{
    const char *v = getenv(name);
    return v && v[0] ? v : NULL;
}

static int terminal_width(void)
{
    struct winsize w;
    const char *columns = env("COLUMNS");
    int n = columns ? atoi(columns) : ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
    return n < 40 ? 100 : n > 400 ? 400 : n;
}

// The directory of the running program; false when /proc does not tell.
static bool program_dir(char *out, size_t n)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    if (len <= 0 || (size_t)len >= sizeof path - 1)
        return false;
    path[len] = '\0';
    return jb_path_dir(out, n, path) == JB_OK;
}

// Whether BASE/NAME holds PROBE; then out (room PATH_MAX) is BASE/NAME without its dots.
static bool beside(const char *base, const char *name, const char *probe, char *out)
{
    char path[PATH_MAX + 64];
    if (snprintf(path, sizeof path, "%s/%s%s", base, name, probe) >= (int)sizeof path || !jb_path_exists(path))
        return false;
    path[strlen(path) - strlen(probe)] = '\0';
    return realpath(path, out) != NULL;
}

// Installed: ../share/joulebench beside the program's own bin directory (an installation may be moved), else PREFIX's. Built: the source tree is one
// (build/) or two (build/asan/) levels above the program. Nothing of the build machine is compiled in.
static void find_files(struct cli *c)
{
    char dir[PATH_MAX - 256];
    bool known = program_dir(dir, sizeof dir);
    if (!known || !beside(dir, "../share/joulebench", "", c->share_dir))
        snprintf(c->share_dir, sizeof c->share_dir, "%s/share/joulebench", jb_build_prefix());
    c->paths = (struct jb_paths){ .jb_data = env("JB_DATA"), .share_dir = c->share_dir };
    const char *cache = env("XDG_CACHE_HOME"), *home = env("HOME"); // as workloads/llm/models.sh has it
    int n = cache && *cache ? snprintf(c->models_dir, sizeof c->models_dir, "%s/joulebench/models", cache)
            : home && *home ? snprintf(c->models_dir, sizeof c->models_dir, "%s/.cache/joulebench/models", home) : -1;
    if (n > 0 && (size_t)n < sizeof c->models_dir) c->paths.models_dir = c->models_dir;
    if (known && (beside(dir, "..", "/workloads/workload.h", c->source_dir) ||
                  beside(dir, "../..", "/workloads/workload.h", c->source_dir)))
        c->paths.source_dir = c->source_dir;
}

// Where stdin, stdout or stderr is closed, the next file opened would get its number, and messages would go into it. Something that can neither be read nor written
// takes the place; a command that is started finds it closed as before.
static void fill_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC) < 0)
            return; // no /dev: nothing can be done
}

void cli_open(struct cli *c)
{
    memset(c, 0, sizeof *c);
    fill_standard_files();
    const char *term = env("TERM");
    bool dumb = term && strcmp(term, "dumb") == 0;
    c->out_tty = isatty(STDOUT_FILENO) == 1;
    c->err_tty = isatty(STDERR_FILENO) == 1 && !dumb;
    c->out_moves = c->out_tty && !dumb;
    c->color = c->out_tty && !dumb && !env("NO_COLOR");
    c->width = terminal_width();
    c->jb_cpu = env("JB_CPU");
    c->path = env("PATH");
    find_files(c);
}

int cli_close(struct cli *c, int exit_code)
{
    (void)c;
    bool lost = ferror(stdout) != 0;
    errno = 0;
    if (fflush(stdout) == 0 && !lost)
        return exit_code;
    int errnum = errno;
    fprintf(stderr, "joulebench: standard output could not be written%s%s\n", errnum ? ": " : "", errnum ? strerror(errnum) : "");
    return exit_code == JB_EXIT_OK ? JB_EXIT_ENVIRONMENT : exit_code;
}

int cli_mask(const struct cli *c, uint32_t *mask, struct jb_err *err)
{
    uint32_t detected = jb_cpu_detect();
    if (!c->jb_cpu) {
        *mask = detected;
        return JB_OK;
    }
    return jb_cpu_tier_mask(c->jb_cpu, detected, mask, err) < 0 ? jb_err_prefix(err, "JB_CPU") : JB_OK;
}

int cli_kernels(const struct cli *c, struct jb_kernels *out, struct jb_err *err)
{
    uint32_t mask;
    int rc = cli_mask(c, &mask, err);
    if (rc == JB_OK)
        jb_kernels_init(out, mask);
    return rc;
}

// What to do, where the code alone tells it.
static const char *advice(int code)
{
    switch (code) {
    case JB_E_NO_SPACE:
        return "free some space or choose another directory; a sweep goes on with --resume and loses no finished block";
    case JB_E_DENIED:
        return "choose a place that you may read and write, or change its permissions";
    case JB_E_BUSY:
        return "wait until that process has ended, or choose another directory";
    case JB_E_INTERNAL:
        return "this is a defect of joulebench; please report it with the command that shows it";
    default:
        return NULL;
    }
}

int cli_fail(const struct jb_err *err)
{
    const char *hint = advice(err->code);
    fprintf(stderr, "joulebench: %s\n", err->detail[0] ? err->detail : jb_code_text(err->code));
    if (hint)
        fprintf(stderr, "  %s\n", hint);
    return jb_exit_of_error(err->code);
}

int cli_usage(const char *command, const struct jb_err *err)
{
    if (err->code != JB_E_USAGE)
        return cli_fail(err);
    fprintf(stderr, "joulebench %s: %s\n  joulebench %s --help shows how it is used\n", command, err->detail, command);
    return JB_EXIT_USAGE;
}
