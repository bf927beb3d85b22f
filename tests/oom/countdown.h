// Fails one allocation after another. The linker's --wrap puts these functions in front of malloc and its kin for the objects of joulebench
// and of the test; cJSON is pointed at them too. The product knows nothing of it.
#ifndef JB_TESTS_OOM_COUNTDOWN_H
#define JB_TESTS_OOM_COUNTDOWN_H

#include <stdbool.h>

// Does one thing from open to close, and gives back all that it took. Returns 0 or a JB_E_* code; `user` is handed through.
typedef int (*oom_body)(void *user);

// Runs `body` undisturbed (it must succeed), then once for each allocation it makes, with that one failing, and again with that one and all
// later ones failing. Each run must return JB_E_NOMEM, or 0 where the code can do without; none may leak. A cmocka assertion fails otherwise.
void oom_countdown(const char *name, oom_body body, void *user);

#endif
