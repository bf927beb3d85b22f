// Power limits: the constraints of powercap zones. What is changed is written down before the first change, on the disk, and always put back:
// on close, on error, from a signal handler, and after a SIGKILL by jb_limits_restore_file.
#ifndef JB_POWER_LIMITS_H
#define JB_POWER_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define JB_LIMITS_MAX 128

struct jb_limit {
    char zone[160];          // below the root: "intel-rapl/intel-rapl:0"
    char label[80];          // "package-0"
    int constraint;          // number in the file's name
    char name[32];           // "long_term", "short_term", "peak_power"
    char path[256];          // of its power_limit_uw
    uint64_t limit_uw;
    uint64_t min_uw, max_uw; // 0: the kernel does not say
    uint64_t window_us;      // 0: not said
    bool enabled;            // the zone's `enabled`
    bool writable;
    int errnum;              // why it cannot be read or written; 0
    char why[160];           // in words, with the fix: locked by the firmware, read-only, not root; empty
};
// root as in jb_power_opts. A zone without constraints is no error. UNAVAILABLE: no root or no zone.
int jb_limits_list(const char *root, struct jb_limit *out, size_t room, size_t *n, struct jb_err *err);

struct jb_limits; // the right to change limits; one at a time on a machine and root (the state file is locked)
// state: path of the state file; NULL: jb_limits_state_path. EXISTS: another process holds it, or an earlier one left limits behind (restore first); the text says which.
int jb_limits_open(struct jb_limits **out, const char *root, const char *state, struct jb_err *err);
// Sets `watts` on the constraint `name` (NULL: "long_term") of the zones whose label matches `zone` (NULL: every top-level package; fnmatch). The first call saves the state file (synced,
// renamed) before anything is written. Each write has the exact length and is read back. INVALID: below the platform's minimum or above its maximum; DENIED: read-only or no right;
// UNAVAILABLE: locked, or another value was read back. On failure what this call changed is put back.
int jb_limits_set(struct jb_limits *l, const char *zone, const char *name, double watts, struct jb_err *err);
// Puts everything back and removes the state file when all of it was; else the first failure, and the state file stays.
int jb_limits_restore(struct jb_limits *l, struct jb_err *err);
// Restores if need be. Accepts NULL.
void jb_limits_close(struct jb_limits *l);
// Only write(2) on descriptors that are open: for a handler of a fatal signal. The state file stays.
void jb_limits_restore_in_signal(const struct jb_limits *l);

// What an earlier process left: 0 and *n > 0 with a text, or *n = 0. Reads the file strictly; after a reboot the kernel's own limits hold, so a state of another boot is none (stale).
int jb_limits_pending(const char *state, size_t *n, char *text, size_t room, struct jb_err *err);
// Puts back what a state file says. NOT_FOUND: there is none.
int jb_limits_restore_file(const char *state, size_t *n_restored, struct jb_err *err);
// $JOULEBENCH_STATE_DIR, else /run/joulebench for root, else $XDG_RUNTIME_DIR/joulebench, else ~/.local/state/joulebench; + "/limits.json". The environment is the caller's to read.
struct jb_limits_env { const char *state_dir, *runtime_dir, *home; bool root; };
int jb_limits_state_path(const struct jb_limits_env *e, char *out, size_t room, struct jb_err *err);

#endif
