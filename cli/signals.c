#include "cli/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include "base/exit.h"

static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
enum { N_CAUGHT = sizeof caught / sizeof caught[0] };

static volatile int stop; // the signal's number
static volatile bool quiet;
static volatile pid_t child;
static void (*volatile at_once)(void);
static struct sigaction found[N_CAUGHT]; // before us
static bool changed[N_CAUGHT];

static void on_signal(int number, siginfo_t *info, void *context)
{
    static const char text[] = "\njoulebench: stopping; nothing that was finished is lost (once more: at once)\n";
    int saved = errno;
    (void)context;
    if (child > 0) {
        if (info->si_code != SI_KERNEL) // the terminal has told the child already
            kill(child, number);
    } else if (stop) {
        if (at_once)
            at_once();
        _exit(JB_EXIT_SIGNAL_BASE + number);
    }
    stop = number;
    if (!quiet && write(STDERR_FILENO, text, sizeof text - 1) < 0) {
        // nobody to tell
    }
    errno = saved;
}

static void catch(size_t n)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < N_CAUGHT; i++) // one handler at a time: they share `stop`
        sigaddset(&action.sa_mask, caught[i]);
    for (size_t i = 0; i < n; i++) {
        // What was ignored from outside (nohup) stays ignored.
        if (changed[i] || sigaction(caught[i], NULL, &found[i]) != 0 || found[i].sa_handler == SIG_IGN)
            continue;
        changed[i] = sigaction(caught[i], &action, NULL) == 0;
    }
}

const volatile int *cli_signals_catch(void)
{
    catch(N_CAUGHT - 1); // SIGQUIT keeps its meaning: end at once, with a core
    return &stop;
}

const volatile int *cli_signals_catch_quietly(void)
{
    quiet = true;
    catch(N_CAUGHT);
    return &stop;
}

void cli_signals_at_once(void (*last)(void))
{
    at_once = last;
}

int cli_signals_seen(void)
{
    return stop;
}

void cli_signals_forward(pid_t to)
{
    child = to;
}

static sigset_t held; // the mask before hold

void cli_signals_hold(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < N_CAUGHT; i++)
        sigaddset(&set, caught[i]);
    sigprocmask(SIG_BLOCK, &set, &held);
}

void cli_signals_release(void)
{
    sigprocmask(SIG_SETMASK, &held, NULL);
}

void cli_signals_restore(void)
{
    for (size_t i = 0; i < N_CAUGHT; i++)
        if (changed[i])
            sigaction(caught[i], &found[i], NULL);
    cli_signals_release();
}
