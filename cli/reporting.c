#include "cli/reporting.h"

#include <stdio.h>
#include "cli/table.h"

int cli_reports_write(const struct jb_result *const *r, size_t n, const char *dir, const struct cli_report_opts *o, struct jb_err *err)
{
    char reason[256] = "";
    struct jb_report_opts opts = { .dir = dir, .gnuplot = o->no_plots ? NULL : o->gnuplot, .title = o->title, .across = o->across, .across_reason = o->across_reason };
    int rc = jb_report_write_all(r, n, &opts, reason, err);
    if (rc == JB_OK && reason[0] && !o->no_plots)
        fprintf(stderr, "joulebench: no plots: %s\n", reason);
    return rc;
}

int cli_reports_summary(const struct cli *c, const struct jb_result *r, struct jb_err *err)
{
    struct jb_str text = { 0 };
    int rc = jb_report_terminal(r, c->width, c->color, &text);
    if (rc == JB_OK && text.failed)
        rc = JB_E_NOMEM;
    if (rc == JB_OK)
        fputs(jb_str_get(&text), stdout);
    else
        jb_fail(err, rc, "the summary: %s", jb_code_text(rc));
    jb_str_free(&text);
    return rc;
}

int cli_reports_judge(const struct jb_result *r, bool named)
{
    enum { SHOWN = 5 };
    size_t bad = 0;
    for (size_t i = 0; i < r->n_cells; i++) {
        const struct jb_result_cell *cell = &r->cells[i];
        if (cell->status != JB_CELL_FAILED && cell->status != JB_CELL_INVALID)
            continue;
        if (bad++ < SHOWN && named) {
            struct jb_err line = { 0 };
            jb_fail(&line, JB_E_INVALID, "%s: %s: %s", jb_cell_status_name(cell->status), cell->label ? cell->label : "?", cell->reason ? cell->reason : "no reason given");
            fprintf(stderr, "joulebench: %s\n", line.detail); // one line, control characters neutralised
        }
    }
    if (bad && (!named || bad > SHOWN))
        fprintf(stderr, "joulebench: %zu of %zu cells failed or are invalid; report.md and results.json name them all\n", bad, r->n_cells);
    return bad ? JB_EXIT_CELL : JB_EXIT_OK;
}
