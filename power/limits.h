// Power limits: the constraints of powercap zones. What is changed is written down before the first change, on the disk, and always put back:
// on close, on error, from a signal handler, and after a SIGKILL by jb_limits_restore_file.
#ifndef JB_POWER_LIMITS_H
#define JB_POWER_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define JB_LIMITS_MAX 128
#define JB_LIMITS_MAX_W 1e6

struct jb_limit {
    char zone[160];          // below the root: "intel-rapl/intel-rapl:0"
    char label[80];          // "package-0"
    int constraint;          // number in the file's name
    char name[32];           // "long_term", "short_term", "peak_power"; "constraint_3" when the kernel gives none
    char path[320];          // of its power_limit_uw
    bool readable;           // false: limit_uw is not known, errnum and why say why
    uint64_t limit_uw;
    uint64_t min_uw, max_uw; // 0: the kernel does not say
    uint64_t window_us;      // 0: not said
    bool enabled;            // the zone's `enabled`; true where there is no such switch
    bool writable;           // as far as can be known without a write: firmware may have locked it all the same
    int errnum;              // why it cannot be read or written; 0
    char why[160];           // in words, with the fix: read-only, not root, switched off; empty
};
// root as in jb_power_opts. A zone without constraints is no error. UNAVAILABLE: no root or no zone. RANGE: more than `room`.
int jb_limits_list(const char *root, struct jb_limit *out, size_t room, size_t *n, struct jb_err *err);

struct jb_limits; // the right to change limits; one at a time for a state file (locked) and for a constraint (each is locked when it is first changed)
// state: path of the state file; its directory is created. BUSY: another process holds it. EXISTS: an earlier process left limits behind that are still in force (restore
// them first; the text says which) unless `adopt`: then these become this one's, and what was before them stays what is put back.
// DENIED: the directory or the file may be changed by other users.
int jb_limits_open(struct jb_limits **out, const char *root, const char *state, bool adopt, struct jb_err *err);
// Sets `watts` on the constraint `name` (NULL: "long_term") of the zones whose label, path or last part of the path matches `zone` (fnmatch; NULL: every top-level package; one of
// intel-rapl-mmio, a second way to the same package of which the lower limit holds, only where it would hold the package lower). The first call saves the state file (synced, renamed)
// before anything is written. Each write has the exact length and is read back; the kernel rounds to the hardware's unit, so a difference of 1/8 W or 0.5 % is accepted.
// NOT_FOUND: no such constraint. INVALID: below the platform's minimum, above its maximum, or refused as a value. DENIED: read-only or no right. UNAVAILABLE: locked by the firmware,
// switched off, vanished, or another value was read back. BUSY: another process changes it. On failure what this call changed is put back.
int jb_limits_set(struct jb_limits *l, const char *zone, const char *name, double watts, struct jb_err *err);
// Puts everything back, last change first, and removes the state file when all of it was; else the first failure, and the state file stays. May be repeated.
int jb_limits_restore(struct jb_limits *l, struct jb_err *err);
// Restores if need be. Accepts NULL.
void jb_limits_close(struct jb_limits *l);
// Closes and leaves limits and state file in place, for jb_limits_restore_file. Where nothing is changed, no file stays. Accepts NULL.
int jb_limits_leave(struct jb_limits *l, struct jb_err *err);
// Only lseek(2), write(2) and ftruncate(2) on descriptors that are open: for a handler of a fatal signal. The state file stays. Accepts NULL.
void jb_limits_restore_in_signal(const struct jb_limits *l);

// The limits in force through l, for checks and reports. set_uw is what was read back.
struct jb_limits_held { const char *zone, *label, *name; uint64_t original_uw, set_uw, window_us; };
size_t jb_limits_n_held(const struct jb_limits *l);
void jb_limits_held(const struct jb_limits *l, size_t i, struct jb_limits_held *out);

// What an earlier process left in force; n = 0: nothing. Reads the file strictly; after a reboot the kernel's own limits hold, so a state of another boot is none.
struct jb_limits_left {
    size_t n;                // constraints that are not what they were
    bool running;            // the process that changed them still runs, and will put them back
    bool kept;               // they were left on purpose (jb_limits_leave)
    long pid;
    char root[128];          // of the zones; empty: there is no state
    char text[400];          // one line: who, and what is in force instead of what
};
int jb_limits_pending(const char *state, struct jb_limits_left *out, struct jb_err *err);
// Puts back what a state file says and removes it; *n_restored: constraints that were not what they should be. NOT_FOUND: there is none. BUSY: its process still runs.
int jb_limits_restore_file(const char *state, size_t *n_restored, struct jb_err *err);
// Removes the state file of zones that are gone for good. NOT_FOUND, BUSY as above.
int jb_limits_forget(const char *state, struct jb_err *err);

// $JOULEBENCH_STATE_DIR, else /run/joulebench for root, else $XDG_RUNTIME_DIR/joulebench, else ~/.local/state/joulebench; + "/limits.json". The environment is the caller's to read.
struct jb_limits_env { const char *state_dir, *runtime_dir, *home; bool root; };
int jb_limits_state_path(const struct jb_limits_env *e, char *out, size_t room, struct jb_err *err);

#endif
