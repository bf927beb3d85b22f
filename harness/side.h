// One side of a live comparison: which program runs which plan. JSON: {"name": "candidate", "joulebench": "path of the program (this one)", "plan": "plan.json", "set": ["KEY=VALUE"], "only": "PATTERN",
// "env": ["NAME=VALUE"], "args": ["--power=SOURCE"]}; paths count from the file's own folder.
#ifndef JB_HARNESS_SIDE_H
#define JB_HARNESS_SIDE_H

#include "base/err.h"
#include "base/json.h"

#define JB_SIDE_MAX 32

struct jb_side {
    struct jb_json_doc doc;          // owns the texts (name: from `path` when the file gives none, borrowed)
    char dir[1024];
    const char *name, *program, *plan, *only; // program NULL: this one; only NULL: all cells
    const char *set[JB_SIDE_MAX]; size_t n_set;
    const char *env[JB_SIDE_MAX]; size_t n_env; // "NAME=VALUE"
    const char *arg[JB_SIDE_MAX]; size_t n_arg; // options of `joulebench worker` ("--power=powercap"); the caller may append its own, borrowed
};
int jb_side_read(struct jb_side *out, const char *path, struct jb_err *err);
void jb_side_close(struct jb_side *s);

#endif
