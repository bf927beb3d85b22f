#include "cli/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "base/exit.h"

static volatile int stop; // the signal's number

static void on_signal(int number)
{
    static const char text[] = "\njoulebench: stopping; nothing that was finished is lost (once more: at once)\n";
    int saved = errno;
    if (stop)
        _exit(JB_EXIT_SIGNAL_BASE + number);
    stop = number;
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) {
        // nobody to tell
    }
    errno = saved;
}

const volatile int *cli_signals_catch(void)
{
    static const int caught[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof caught / sizeof caught[0]; i++) {
        struct sigaction before;
        // What was ignored from outside (nohup) stays ignored.
        if (sigaction(caught[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(caught[i], &action, NULL);
    }
    return &stop;
}

int cli_signals_seen(void)
{
    return stop;
}
