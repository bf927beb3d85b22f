// Made-up comparisons. Deterministic.
#ifndef JB_TESTS_REPORTS_COMPARISON_FIXTURE_H
#define JB_TESTS_REPORTS_COMPARISON_FIXTURE_H

#include "reports/comparison.h"

struct jb_comparison *jb_comparison_fixture(bool gate);   // owned: jb_comparison_close. Three cells: one compared with differences, one without, one not compared
struct jb_comparison *jb_comparison_fixture_hostile(void); // every text is an attack on some format

#endif
