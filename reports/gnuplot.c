// gnuplot as a child process: an argument vector, no shell, a time limit, and its complaints in the error.
#include "reports/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int start(const char *program, const char *dir, const char *script, int out, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    char *argv[] = {(char *)program, "-d", (char *)script, NULL}; // -d: no start-up files of the user
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc)
        return rc;
    if ((rc = posix_spawnattr_init(&attr))) {
        posix_spawn_file_actions_destroy(&actions);
        return rc;
    }
    sigemptyset(&none);
    sigfillset(&all);
    if (!rc) rc = posix_spawnattr_setsigmask(&attr, &none);
    if (!rc) rc = posix_spawnattr_setsigdefault(&attr, &all);
    if (!rc) rc = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (!rc) rc = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!rc) rc = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (!rc) rc = posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
    if (!rc) rc = posix_spawn_file_actions_addchdir_np(&actions, dir);
    if (!rc) rc = posix_spawnp(pid, program, &actions, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

// Reads what the child says until it closes its end or the time is over; keeps the first bytes. False: time over.
static bool listen_to(int fd, double until, char *said, size_t room)
{
    size_t kept = 0;
    char chunk[1024];
    for (;;) {
        double left = until - now_s();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = left > 0 ? poll(&p, 1, (int)(left * 1000) + 1) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return false;
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        size_t take = (size_t)n < room - 1 - kept ? (size_t)n : room - 1 - kept;
        memcpy(said + kept, chunk, take);
        kept += take;
        said[kept] = '\0';
    }
    return true;
}

static bool wait_for(pid_t pid, double until, int *status)
{
    for (;;) {
        pid_t got = waitpid(pid, status, WNOHANG);
        if (got == pid)
            return true;
        if (got < 0 && errno != EINTR)
            return false;
        if (now_s() > until)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
}

// The last line with text in it: gnuplot repeats the command and points with '^' before it says what is wrong.
static const char *complaint(char *said)
{
    size_t n = strlen(said);
    while (n && strchr(" \n\r\t", said[n - 1]))
        said[--n] = '\0';
    const char *line = strrchr(said, '\n');
    line = line ? line + 1 : said;
    while (*line == ' ' || *line == '\t')
        line++;
    return *line ? line : "it said nothing";
}

int jb_gnuplot_run(const char *program, const char *dir, const char *script, struct jb_err *err)
{
    int fds[2], status = 0;
    char said[2048] = "";
    pid_t pid = -1;
    if (pipe2(fds, O_CLOEXEC))
        return jb_fail_errno(err, JB_E_IO, errno, "%s: cannot make a pipe", program);
    char *full = strchr(program, '/') ? realpath(program, NULL) : NULL; // it starts in another directory
    int rc = start(full ? full : program, dir, script, fds[1], &pid);
    free(full);
    close(fds[1]);
    if (rc) {
        close(fds[0]);
        return jb_fail_errno(err, rc == ENOENT || rc == EACCES ? JB_E_UNAVAILABLE : JB_E_IO, rc, "cannot run %s", program);
    }
    double until = now_s() + JB_GNUPLOT_SECONDS;
    bool done = listen_to(fds[0], until, said, sizeof said) && wait_for(pid, until, &status);
    close(fds[0]);
    if (!done) {
        kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        return jb_fail(err, JB_E_BUSY, "%s did not finish %s within %d s", program, script, JB_GNUPLOT_SECONDS);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return jb_fail(err, JB_E_UNAVAILABLE, "cannot run %s", program);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return jb_fail(err, JB_E_IO, "%s failed on %s: %s", program, script, complaint(said));
    return JB_OK;
}
