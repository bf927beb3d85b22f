#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/exit.h"
#include "cli/signals.h"

static struct sigaction chld_found; // what the user's shell had made of SIGCHLD

static int exec_failed(const char *name, int errnum, struct jb_err *err)
{
    if (errnum == ENOENT)
        return jb_fail(err, JB_E_NOT_FOUND, "%.200s: command not found", name);
    return jb_fail_errno(err, JB_E_DENIED, errnum, "%.200s cannot be executed", name);
}

// In the child. Says by the pipe why exec failed; its end without a word says that it did not.
static void become(char *const *argv, int told)
{
    sigaction(SIGCHLD, &chld_found, NULL);
    cli_signals_restore();
    execvp(argv[0], argv);
    int errnum = errno;
    if (write(told, &errnum, sizeof errnum) < 0) {
        // the parent is gone
    }
    _exit(JB_EXIT_WRAP_NOTFOUND);
}

// The errno that the child's exec left in the pipe; 0: it is running.
static int ask(int from)
{
    int errnum = 0;
    ssize_t n;
    do
        n = read(from, &errnum, sizeof errnum);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof errnum ? errnum : 0;
}

char *const *cli_child_argv(const struct cli_list *words)
{
    union { const char **words; char *const *argv; } same = { words->item }; // they came from main's argv, which may be written
    return words->n ? same.argv : NULL;
}

int cli_child_start(struct cli_child *c, char *const *argv, struct jb_err *err)
{
    struct sigaction normal;
    int ends[2];
    memset(&normal, 0, sizeof normal);
    normal.sa_handler = SIG_DFL; // ignored from outside, children could not be waited for
    sigemptyset(&normal.sa_mask);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return jb_fail_errno(err, JB_E_IO, errno, "a pipe to the command");
    cli_signals_hold();
    pid_t pid = -1;
    int errnum = 0;
    bool stopped = cli_signals_seen() != 0;
    if (!stopped) {
        sigaction(SIGCHLD, &normal, &chld_found);
        pid = fork();
        errnum = errno;
        if (pid == 0)
            become(argv, ends[1]);
        if (pid > 0)
            cli_signals_forward(pid);
    }
    cli_signals_release();
    close(ends[1]);
    if (pid > 0)
        errnum = ask(ends[0]);
    close(ends[0]);
    if (stopped)
        return jb_fail(err, JB_E_INTERRUPTED, "stopped before the command began");
    if (pid < 0)
        return jb_fail_errno(err, JB_E_IO, errnum, "fork");
    *c = (struct cli_child){ pid, pidfd_open(pid, 0) };
    if (errnum == 0)
        return JB_OK;
    cli_child_wait(c, UINT64_MAX);
    cli_child_reap(c, NULL);
    return exec_failed(argv[0], errnum, err);
}

int cli_child_look(const char *name, const char *path, struct jb_err *err)
{
    char file[PATH_MAX];
    bool denied = false;
    if (strchr(name, '/')) {
        if (access(name, F_OK) != 0 && errno == ENOENT)
            return exec_failed(name, ENOENT, err);
        return access(name, X_OK) != 0 && errno == EACCES ? exec_failed(name, EACCES, err) : JB_OK;
    }
    if (!path)
        return JB_OK; // exec has its own idea then
    for (;;) {
        size_t n = strcspn(path, ":");
        int len = snprintf(file, sizeof file, "%.*s%s%s", (int)n, path, n ? "/" : "", name);
        if (len > 0 && len < (int)sizeof file && access(file, X_OK) == 0)
            return JB_OK;
        denied |= errno == EACCES;
        if (!path[n])
            return exec_failed(name, denied ? EACCES : ENOENT, err);
        path += n + 1;
    }
}

// Without pidfd (an old kernel): looks again every 10 ms, or waits in the kernel where there is no limit.
static bool ended(pid_t pid, bool block)
{
    siginfo_t info = { 0 };
    int rc = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | (block ? 0 : WNOHANG));
    return rc == 0 ? info.si_pid == pid : errno != EINTR;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void pause_ns(int pidfd, uint64_t ns)
{
    if (pidfd < 0 && ns > 10000000u)
        ns = 10000000u;
    struct pollfd p = { .fd = pidfd, .events = POLLIN };
    struct timespec t = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
    ppoll(&p, pidfd < 0 ? 0 : 1, &t, NULL);
}

bool cli_child_wait(struct cli_child *c, uint64_t most_ns)
{
    uint64_t start = now_ns();
    for (;;) {
        if (ended(c->pid, most_ns == UINT64_MAX))
            return true;
        uint64_t gone = now_ns() - start;
        if (most_ns == UINT64_MAX)
            continue; // a signal came
        if (gone >= most_ns)
            return false;
        pause_ns(c->pidfd, most_ns - gone);
    }
}

static uint64_t ns_of(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

int cli_child_reap(struct cli_child *c, uint64_t *cpu_ns)
{
    struct rusage use = { 0 };
    int status = 0;
    cli_signals_forward(0); // before its number can become another's
    while (wait4(c->pid, &status, 0, &use) < 0 && errno == EINTR) {
    }
    if (c->pidfd >= 0)
        close(c->pidfd);
    if (cpu_ns)
        *cpu_ns = ns_of(use.ru_utime) + ns_of(use.ru_stime);
    return WIFSIGNALED(status) ? JB_EXIT_SIGNAL_BASE + WTERMSIG(status) : WEXITSTATUS(status);
}

int cli_child_exit_of(int code)
{
    switch (code) {
    case JB_E_NOT_FOUND: return JB_EXIT_WRAP_NOTFOUND;
    case JB_E_DENIED: return JB_EXIT_WRAP_NOEXEC;
    case JB_E_INTERRUPTED: return JB_EXIT_SIGNAL_BASE + cli_signals_seen();
    default: return JB_EXIT_WRAP_OWN;
    }
}

int cli_child_fail(const struct jb_err *err)
{
    if (err->code != JB_E_INTERRUPTED)
        fprintf(stderr, "joulebench: %s\n", err->detail);
    return cli_child_exit_of(err->code);
}
