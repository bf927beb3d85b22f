// What the accuracy pass says each query of the performance pass must give.
#ifndef JB_HARNESS_EXPECTED_H
#define JB_HARNESS_EXPECTED_H

#include "harness/facts.h"
#include "harness/rawfile.h"

struct jb_expected { uint32_t n; uint32_t *prediction; jb_pattern *pattern; uint8_t *exit; }; // by sample index; exit 255: not in the accuracy pass

// n_split 0: as many as the largest index asks for.
int jb_expected_open(struct jb_expected *e, const struct jb_store *store, const struct jb_facts *f, uint32_t n_split, struct jb_err *err);
void jb_expected_close(struct jb_expected *e);
// Whether every row of a block gave what it must; if not, the reason.
bool jb_expected_equal(const struct jb_expected *e, const struct jb_raw_block *b, char *reason, size_t n_reason);

#endif
