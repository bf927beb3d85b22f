#include "cli/gate.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <errno.h>
#include "base/fs.h"
#include "cli/measure.h"
#include "cli/table.h"
#include "reports/history.h"

typedef int (*renderer)(const struct jb_comparison *c, struct jb_str *out);

static int render(renderer f, const struct jb_comparison *c, struct jb_str *out, struct jb_err *err)
{
    return f(c, out) == JB_OK && !out->failed ? JB_OK : jb_fail(err, JB_E_NOMEM, "out of memory");
}

static int write_text(const char *dir, const char *name, renderer f, const struct jb_comparison *c, struct jb_err *err)
{
    char path[4096];
    struct jb_str s = { 0 };
    int rc = dir ? jb_path_join(path, sizeof path, dir, name, err) : JB_OK;
    if (rc == JB_OK)
        rc = render(f, c, &s, err);
    if (rc == JB_OK)
        rc = jb_write_file_atomic(dir ? path : name, jb_str_get(&s), s.len, err);
    jb_str_free(&s);
    return rc;
}

static int write_files(const struct jb_comparison *c, const char *dir, struct jb_err *err)
{
    char path[4096];
    int rc = jb_make_dirs(dir, err);
    if (rc == JB_OK)
        rc = jb_path_join(path, sizeof path, dir, "comparison.json", err);
    if (rc == JB_OK)
        rc = jb_comparison_write(c, path, err);
    if (rc == JB_OK)
        rc = write_text(dir, "comparison.md", jb_comparison_markdown, c, err);
    if (rc == JB_OK)
        rc = write_text(dir, "comparison.html", jb_comparison_html, c, err);
    return rc < 0 ? rc : write_text(dir, "junit.xml", jb_comparison_junit, c, err);
}

// Steps of one job share the file: what others wrote stays.
static int append_summary(const struct jb_comparison *c, const char *path, struct jb_err *err)
{
    struct jb_str s = { 0 };
    int rc = render(jb_comparison_markdown, c, &s, err);
    int fd = rc == JB_OK ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
    if (rc == JB_OK && fd < 0)
        rc = jb_fail_errno(err, jb_code_of_errno(errno), errno, "%s", path);
    for (size_t at = 0; rc == JB_OK && at < s.len;) {
        ssize_t n = write(fd, s.s + at, s.len - at);
        if (n > 0)
            at += (size_t)n;
        else if (errno != EINTR)
            rc = jb_fail_errno(err, jb_code_of_errno(errno), errno, "%s", path);
    }
    if (fd >= 0)
        close(fd);
    jb_str_free(&s);
    return rc;
}

static int print(const struct cli *cli, const struct jb_comparison *c, bool json, struct jb_err *err)
{
    struct jb_str text = { 0 };
    char *j = json ? jb_comparison_json(c) : NULL;
    int rc = JB_OK;
    if (!json && jb_comparison_terminal(c, cli->width, cli->color, &text) != JB_OK)
        rc = JB_E_NOMEM;
    if (rc == JB_OK && json && !j)
        rc = JB_E_NOMEM;
    if (rc == JB_OK)
        fputs(json ? j : jb_str_get(&text), stdout);
    free(j);
    jb_str_free(&text);
    return rc < 0 ? jb_fail(err, rc, "out of memory") : JB_OK;
}

// With --json stdout is a document; a CI server reads its commands from stderr as well.
static int annotate(const struct jb_comparison *c, bool json, struct jb_err *err)
{
    struct jb_str s = { 0 };
    int rc = render(jb_comparison_annotations, c, &s, err);
    if (rc == JB_OK)
        fputs(jb_str_get(&s), json ? stderr : stdout);
    jb_str_free(&s);
    return rc;
}

int cli_gate_show(const struct cli *cli, const struct jb_comparison *c, const struct cli_gate_outputs *o)
{
    struct jb_err err = { 0 };
    int rc = print(cli, c, o->json, &err);
    if (rc == JB_OK && o->dir)
        rc = write_files(c, o->dir, &err);
    if (rc == JB_OK && o->junit)
        rc = write_text(NULL, o->junit, jb_comparison_junit, c, &err);
    if (rc == JB_OK && o->summary)
        rc = append_summary(c, o->summary, &err);
    if (rc == JB_OK && o->history)
        rc = jb_history_append_gate(o->history, c, &err);
    if (rc == JB_OK && o->annotations)
        rc = annotate(c, o->json, &err);
    if (rc < 0) { // a verdict that could not be delivered is none
        int code = cli_fail(&err);
        return c->exit_code == JB_EXIT_OK ? code : c->exit_code;
    }
    return c->exit_code;
}

int cli_gate_fail(const struct jb_err *err)
{
    int code = cli_measure_fail(err);
    if (err->code == JB_E_DENIED || err->code == JB_E_IO || err->code == JB_E_EXISTS)
        return JB_EXIT_INPUT;
    return err->code == JB_E_UNAVAILABLE ? JB_EXIT_INVALID_ENV : code;
}
