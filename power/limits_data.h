// Inside power: limits that are held, and the way to their files.
#ifndef JB_POWER_LIMITS_DATA_H
#define JB_POWER_LIMITS_DATA_H

#include <signal.h>
#include <stdatomic.h>
#include "power/limits_state.h"

// Reading and writing of a limit; returns 0 or an errno. A seam: tests put firmware that locks, rounds or refuses in its place.
struct jb_limits_io {
    int (*read)(void *self, int fd, uint64_t *uw);
    int (*write)(void *self, int fd, bool sysfs, const char *digits, size_t n);
    void *self;
};

struct jb_limits_entry {
    int fd;                      // of the limit; -1: could not be opened
    bool sysfs;
    volatile sig_atomic_t changed;
    char digits[24]; size_t n_digits; // of the original, for the handler of a signal
    uint64_t now_uw, window_us;
};

struct jb_limits {
    struct jb_limits_place place;
    struct jb_limits_state state; // saved[i] belongs to entry[i]
    struct jb_limits_entry entry[JB_LIMITS_MAX];
    atomic_size_t n;             // entries that a handler may look at
    size_t n_written;            // entries that the state file names
    struct jb_limits_io io;
};

struct jb_limits_io jb_limits_io_files(void);
// Opens for reading and writing; no symbolic link, regular files alone. 0 or an errno.
int jb_limits_file_open(const char *path, int *fd, bool *sysfs);
// What an errno at a limit's file means, with its fix. `as`: what was tried ("opened", "read", "written").
int jb_limits_fail(struct jb_err *err, int errnum, const char *path, const char *as, uint64_t uw);
// Whether b is a as the hardware rounds it: 1/8 W or 0.5 %.
bool jb_limits_same(uint64_t a_uw, uint64_t b_uw);

// limits_entry.c: entry[i] and saved[i] of l. Opening locks the limit: another process with another state file stays away. 0 or an errno.
int jb_limits_entry_open(struct jb_limits *l, size_t i);
void jb_limits_entry_close(struct jb_limits_entry *e);
int jb_limits_entry_write(struct jb_limits *l, size_t i, uint64_t uw); // 0 or an errno
int jb_limits_entry_change(struct jb_limits *l, size_t i, uint64_t uw, struct jb_err *err); // writes and reads back
int jb_limits_entry_restore(struct jb_limits *l, size_t i, struct jb_err *err);
bool jb_limits_entry_is_back(const struct jb_limits *l, size_t i, uint64_t uw); // reads `uw`: no write is needed, which firmware that locked it would refuse

// The state at its place and what of it is still so. NOT_FOUND when there is none, or one of another boot.
int jb_limits_read_left(const struct jb_limits_place *p, struct jb_limits_state *s, struct jb_limits_left *left, struct jb_err *err);
// Makes the limits of an earlier process l's. What cannot be opened now may be there again when it is put back.
int jb_limits_take_over(struct jb_limits *l, const struct jb_limits_state *s, struct jb_err *err);
void jb_limits_free(struct jb_limits *l); // closes, puts nothing back
// The directory of zones for a root as in jb_power_opts, without symbolic links and dots.
int jb_limits_root(const char *root, char *out, size_t room, struct jb_err *err);

#endif
