// A made-up but realistic result: the fashion sweep, about sixty cells. Deterministic.
#ifndef JB_TESTS_REPORTS_FIXTURE_H
#define JB_TESTS_REPORTS_FIXTURE_H

#include "reports/report.h"
#include "reports/result.h"

enum jb_fixture { JB_FIXTURE_NO_ENERGY, JB_FIXTURE_REPLAYED, JB_FIXTURE_OTHER_DEVICE };
struct jb_result *jb_fixture_open(enum jb_fixture kind); // owned: jb_result_close
void jb_fixture_make_guest(struct jb_result *r);         // JB_FIXTURE_NO_ENERGY as under a hypervisor: joules of source guest-rapl among the modelled ones
struct jb_result *jb_fixture_hostile(void);              // every text is an attack on some format
extern const char *const jb_hostile_text;

// A fresh directory below $TMPDIR or /tmp; removed with everything in it.
void jb_temp_dir(char out[256]);
void jb_temp_remove(const char *dir);
char *jb_slurp(const char *dir, const char *name); // owned text, or NULL

#endif
