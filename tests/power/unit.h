// What every test of this folder includes: fabricated powercap trees in a temporary directory.
#ifndef JB_TESTS_POWER_UNIT_H
#define JB_TESTS_POWER_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka needs the four above first
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "power/power.h"
#include "power/source.h"

#define N_ELEMENTS(a) (sizeof(a) / sizeof(a)[0])
#define RANGE_UJ 262143328850u // (2^32 - 1) / 2^14 J

// A fresh directory below /tmp; removed with everything in it by unit_tree_close.
struct unit_tree { char root[64]; };
void unit_tree_open(struct unit_tree *t);
void unit_tree_close(struct unit_tree *t);
// Writes ROOT/path in place, making directories. Never O_TRUNC on an existing file: readers would see it empty.
void unit_put(const struct unit_tree *t, const char *path, const char *text);
void unit_put_u64(const struct unit_tree *t, const char *path, uint64_t value);
void unit_remove(const struct unit_tree *t, const char *path);
void unit_path(const struct unit_tree *t, const char *path, char out[256]);
// A zone directory with name, energy_uj 0 and range.
void unit_zone(const struct unit_tree *t, const char *path, const char *name, uint64_t energy_uj, uint64_t range_uj);
void unit_counter(const struct unit_tree *t, const char *zone, uint64_t energy_uj);
// One socket: package-0 with core and dram inside.
void unit_one_socket(const struct unit_tree *t);
#define PKG0 "intel-rapl/intel-rapl:0"
#define CORE0 PKG0 "/intel-rapl:0:0"
#define DRAM0 PKG0 "/intel-rapl:0:1"

struct jb_power_opts unit_opts(const struct unit_tree *t, struct jb_fake_clock *clock);

#endif
