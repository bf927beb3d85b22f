// A baseline: what `gate --baseline` needs of a run, and nothing more: its result with the environment, and which samples were answered right; no raw figures.
#include "harness/gate.h"

#include "base/fs.h"
#include "harness/answers.h"
#include <stdio.h>
#include <stdlib.h>

static bool any_valid(const struct jb_result *r)
{
    for (size_t i = 0; i < r->n_cells; i++)
        if (r->cells[i].status == JB_CELL_VALID) return true;
    return false;
}

// A directory that holds a run (a journal) is no place for a baseline: the journal would be read instead.
int jb_gate_record(const char *run_dir, const char *baseline_dir, struct jb_run_data **out, struct jb_err *err)
{
    char journal[4096], results[4096], answers[4096];
    struct jb_run_data *d = NULL;
    int rc = jb_path_join(journal, sizeof journal, baseline_dir, "journal.jsonl", err);
    if (!rc) rc = jb_path_join(results, sizeof results, baseline_dir, "results.json", err);
    if (!rc && jb_path_exists(journal)) rc = jb_fail(err, JB_E_EXISTS, "%s holds a run: give the baseline a directory of its own (-o DIR)", baseline_dir);
    if (!rc) rc = jb_run_data_open(&d, run_dir, err);
    if (!rc && !any_valid(jb_run_data_result(d))) rc = jb_fail(err, JB_E_INVALID, "%s: no valid cell: nothing could be compared with such a baseline", run_dir);
    if (!rc && !jb_run_data_result(d)->complete) rc = jb_fail(err, JB_E_INVALID, "%s: the run was interrupted; end it first: joulebench sweep ... -o %s --resume", run_dir, run_dir);
    if (!rc) rc = jb_make_dirs(baseline_dir, err);
    if (!rc) rc = jb_path_join(answers, sizeof answers, baseline_dir, "answers.json", err);
    if (!rc) rc = jb_answers_write(answers, d, err);
    if (!rc) rc = jb_result_write(jb_run_data_result(d), results, err);
    if (rc) jb_run_data_close(d);
    else *out = d;
    return rc;
}
