// cloze: the last word of passages, exact match. A query's prompt is the passage without it; the word is what is scored. How the file was made: workloads/llm/data/make.py.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/strbuf.h"
#include "workloads/params.h"
#include "workloads/text/text_set.h"

static const struct jb_option options[] = { { .type = JB_OPT_END } };

static int add(struct jb_text_set *t, const struct jb_passage *p, struct jb_err *err)
{
    struct jb_str s = { 0 };
    if (!p->text || !p->target || !p->text[0] || !p->target[0]) return jb_fail(err, JB_E_INVALID, "workload cloze: passage %.60s lacks context or target", p->id);
    size_t context = strlen(p->text);
    while (context && p->text[context - 1] == ' ') context--; // the space belongs to the word: tokenizers of this kind begin words with theirs
    jb_str_addf(&s, "%.*s %s", (int)context, p->text, p->target[0] == ' ' ? p->target + 1 : p->target);
    struct jb_text_query q = { .text = jb_str_get(&s), .n_bytes = s.len, .prompt_bytes = context, .forced = true };
    int rc = s.failed || jb_text_set_add(t, JB_SPLIT_TEST, &q) ? jb_fail(err, JB_E_NOMEM, "workload cloze: out of memory") : JB_OK;
    jb_str_free(&s);
    return rc;
}

static int cloze_open(void **impl, struct jb_workload_info *info, const struct jb_workload_opts *o, struct jb_err *err)
{
    struct jb_corpus c = { 0 };
    struct jb_text_set *t = calloc(1, sizeof *t);
    int rc = t ? jb_corpus_open(&c, o ? o->paths : NULL, "llm/cloze.jsonl.gz", err) : jb_fail(err, JB_E_NOMEM, "workload cloze: out of memory");
    for (uint32_t i = 0; !rc && i < c.n; i++) rc = add(t, &c.passages[i], err);
    jb_corpus_close(&c);
    if (rc) {
        jb_text_set_close(t);
        return rc;
    }
    jb_text_set_describe(t, info);
    snprintf(info->name, sizeof info->name, "cloze");
    snprintf(info->license, sizeof info->license, "public domain");
    snprintf(info->provenance, sizeof info->provenance, "passages of the test split of prose whose last word is asked for; chosen by the rule in workloads/llm/data/make.py");
    snprintf(info->note, sizeof info->note, "own passages: not comparable to LAMBADA");
    *impl = t;
    return JB_OK;
}

const struct jb_workload_ops jb_workload_cloze = {
    .name = "cloze",
    .summary = "the last word of a passage, all of its tokens right or wrong",
    .options = options,
    .open = cloze_open,
    .close = jb_text_set_close_impl,
    .text = jb_text_set_text,
};
