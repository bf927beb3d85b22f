// answers.json: of each cell of a stored baseline, which samples were answered right: a bit a sample, so that accuracy can be compared sample by sample without the run's raw files. Of language models
// also the query of each answered token, its label, the log probability of that, and whether the full model answers the same, so that perplexity and agreement can.
#ifndef JB_HARNESS_ANSWERS_H
#define JB_HARNESS_ANSWERS_H

#include "base/json.h"
#include "harness/compare.h"

#define JB_ANSWERS_SCHEMA "joulebench.answers/1"

int jb_answers_write(const char *path, const struct jb_run_data *d, struct jb_err *err);
int jb_answers_read(struct jb_json_doc *out, const char *path, struct jb_err *err); // jb_json_close
// Fills index, correct, text, n_samples and labelled (owned by the cell) from the entry with its id; nothing where there is none. INVALID where they contradict the cell's accuracy.
int jb_answers_cell(const struct jb_json_doc *doc, const struct jb_result_cell *cell, struct jb_side_cell *out, struct jb_err *err);

#endif
