// A made-up result of a language model: prose, cloze and decode with final, gate, maxprob, fixed exits, frozen fills and K/V in int8. Deterministic.
#ifndef JB_TESTS_REPORTS_LANGUAGE_FIXTURE_H
#define JB_TESTS_REPORTS_LANGUAGE_FIXTURE_H

#include "reports/report.h"
#include "reports/result.h"

// pays: stopping early saves time at the same quality (only then); joules: with replayed ones.
struct jb_result *jb_language_fixture(bool pays, bool joules); // owned: jb_result_close

#endif
