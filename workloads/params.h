// Parameters of a workload: texts by name, held against the rows of its option table.
#ifndef JB_WORKLOADS_PARAMS_H
#define JB_WORKLOADS_PARAMS_H

#include "workloads/workload.h"

// Every name is a row, every value parses and lies in its range, every required one is there. After this the getters cannot fail.
int jb_params_check(const char *workload, const struct jb_option *rows, const struct jb_workload_opts *o, struct jb_err *err);
// The given text (the last one of a name), else the default; NULL: neither.
const char *jb_params_text(const struct jb_option *rows, const struct jb_workload_opts *o, const char *name);
int64_t jb_params_i64(const struct jb_option *rows, const struct jb_workload_opts *o, const char *name);

#endif
