// Inside power: the state file of changed limits. It is read by root and leads to writes, so nothing in it is believed: every path is derived anew from root, zone and number.
#ifndef JB_POWER_LIMITS_STATE_H
#define JB_POWER_LIMITS_STATE_H

#include "power/limits.h"

#define JB_LIMITS_SCHEMA "joulebench.limits/1"
#define JB_LIMITS_MAX_BYTES (256u << 10)
#define JB_LIMITS_MAX_UW 1000000000000000u // what no limit exceeds

struct jb_limits_saved {
    char zone[160], label[80], name[32];
    int constraint;
    char path[320];
    uint64_t original_uw;
};

struct jb_limits_state {
    char boot_id[64];        // /proc/sys/kernel/random/boot_id; "unknown" where there is none
    long pid;
    uint64_t process_start;  // of pid, in clock ticks since boot: a pid alone may be another process by now
    char started[32];        // ISO 8601, for people
    bool kept;
    char root[128];          // absolute, without "." and ".."
    struct jb_limits_saved saved[JB_LIMITS_MAX]; // in the order in which they were changed
    size_t n;
};

// ROOT/ZONE/constraint_N_power_limit_uw. RANGE when it does not fit.
int jb_limits_file_of(const char *root, const char *zone, int constraint, char *out, size_t room, struct jb_err *err);
// Strict: INVALID names file, line and reason.
int jb_limits_state_parse(struct jb_limits_state *out, const char *name, const char *text, size_t n_bytes, struct jb_err *err);
char *jb_limits_state_print(const struct jb_limits_state *s); // owned; NULL on out of memory
void jb_limits_state_init(struct jb_limits_state *s);         // this boot, this process, no limits
bool jb_limits_state_is_stale(const struct jb_limits_state *s);   // of another boot
bool jb_limits_state_is_running(const struct jb_limits_state *s); // its process runs, and is not this one

// The place of a state file: its directory, checked (owned by this user or root, and nobody else may change it), and the file's name in it.
struct jb_limits_place { int dir, lock; char path[512], name[128]; }; // -1: not open
int jb_limits_place_open(struct jb_limits_place *p, const char *path, bool create, struct jb_err *err); // NOT_FOUND: no directory
int jb_limits_place_lock(struct jb_limits_place *p, struct jb_err *err); // BUSY
void jb_limits_place_close(struct jb_limits_place *p);
// NOT_FOUND: no file. DENIED: not readable, or not of this user or root alone.
int jb_limits_place_read(const struct jb_limits_place *p, struct jb_limits_state *out, struct jb_err *err);
// A temporary file, synced, renamed, the directory synced. Under the lock.
int jb_limits_place_write(const struct jb_limits_place *p, const struct jb_limits_state *s, struct jb_err *err);
int jb_limits_place_remove(const struct jb_limits_place *p, struct jb_err *err);

#endif
