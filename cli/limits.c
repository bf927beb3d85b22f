#include "cli/limits.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/signals.h"

#define ROOTS_STATE "/run/joulebench/limits.json"

int cli_limits_state(const char *given, char out[CLI_LIMITS_PATH], struct jb_err *err)
{
    struct jb_limits_env e = { getenv("JOULEBENCH_STATE_DIR"), getenv("XDG_RUNTIME_DIR"), getenv("HOME"), geteuid() == 0 };
    if (!given)
        return jb_limits_state_path(&e, out, CLI_LIMITS_PATH, err);
    if (strlen(given) >= CLI_LIMITS_PATH)
        return jb_fail(err, JB_E_RANGE, "%.100s...: the path is too long", given);
    memcpy(out, given, strlen(given) + 1);
    return JB_OK;
}

static void put_safe(const char *text)
{
    for (; *text; text++)
        fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, stderr);
}

bool cli_limits_notice(const char *given)
{
    struct jb_err err = { 0 };
    struct jb_limits_left left = { 0 };
    char state[CLI_LIMITS_PATH];
    int rc = cli_limits_state(given, state, &err);
    if (rc == JB_OK)
        rc = jb_limits_pending(state, &left, &err);
    if (rc == JB_OK && left.n) {
        fprintf(stderr, "joulebench: power limits are not what they were: ");
        put_safe(left.text);
        if (!left.running)
            fprintf(stderr, "\n  joulebench power limits restore --state '%s' puts them back", state);
        fputc('\n', stderr);
    } else if (rc < 0 && rc != JB_E_UNAVAILABLE && rc != JB_E_NOMEM) {
        fprintf(stderr, "joulebench: whether power limits were left changed is not known: ");
        put_safe(err.detail);
        fputc('\n', stderr);
    }
    // Root's limits hold for everybody, but only root can read what they were.
    if (!given && geteuid() != 0 && strcmp(state, ROOTS_STATE) != 0 && access(ROOTS_STATE, F_OK) == 0)
        fprintf(stderr, "joulebench: root has set power limits, or left them (" ROOTS_STATE ")\n  sudo joulebench power limits restore puts them back\n");
    return rc == JB_OK && left.n > 0;
}

// ---- the guard ----

static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP, SIGQUIT, SIGPIPE, SIGALRM, SIGVTALRM, SIGPROF, SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ };
enum { N_FATAL = sizeof fatal / sizeof fatal[0] };

static const struct jb_limits *volatile guarded; // a handler has no other way to it
static struct sigaction found[N_FATAL];
static bool changed[N_FATAL];
static char stack[65536]; // for the handler: the other one may be what overflowed

static void put_back(void)
{
    jb_limits_restore_in_signal(guarded);
}

static void on_fatal(int number)
{
    int saved = errno;
    put_back();
    raise(number); // once this handler returns, with the default meaning (SA_RESETHAND)
    errno = saved;
}

static void catch(void)
{
    struct sigaction action;
    stack_t alternative = { .ss_sp = stack, .ss_size = sizeof stack };
    memset(&action, 0, sizeof action);
    action.sa_handler = on_fatal;
    action.sa_flags = (int)(SA_RESETHAND | SA_ONSTACK);
    sigfillset(&action.sa_mask);
    sigaltstack(&alternative, NULL);
    for (size_t i = 0; i < N_FATAL; i++) // what is ignored, or is handled by somebody else, stays so
        if (!changed[i] && sigaction(fatal[i], NULL, &found[i]) == 0 && found[i].sa_handler == SIG_DFL)
            changed[i] = sigaction(fatal[i], &action, NULL) == 0;
}

static void release(void)
{
    for (size_t i = 0; i < N_FATAL; i++)
        if (changed[i])
            sigaction(fatal[i], &found[i], NULL);
    memset(changed, 0, sizeof changed);
}

void cli_limits_guard(const struct jb_limits *l)
{
    if (l) {
        guarded = l;
        cli_signals_at_once(put_back);
        catch();
    } else if (guarded) {
        release();
        cli_signals_at_once(NULL);
        guarded = NULL;
    }
}
