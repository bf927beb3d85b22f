// decode: free generation from fixed prompts in ChatML. What is right is what the full model writes: matching fraction and first divergence.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/strbuf.h"
#include "workloads/params.h"
#include "workloads/text/text_set.h"

static const struct jb_option options[] = {
    { "n", JB_OPT_I64, "0", 0, 65536, "tokens to write for every prompt; 0: as many as the prompt's line says" },
    { .type = JB_OPT_END },
};

// ChatML as SmolLM2's template writes it; the template adds a system text of its own when there is none, so the prompts bring theirs.
static int add(struct jb_text_set *t, const struct jb_passage *p, uint32_t n, struct jb_err *err)
{
    struct jb_str s = { 0 };
    if (!p->user) return jb_fail(err, JB_E_INVALID, "workload decode: prompt %.60s has no user text", p->id);
    if (p->system && p->system[0]) jb_str_addf(&s, "<|im_start|>system\n%s<|im_end|>\n", p->system);
    jb_str_addf(&s, "<|im_start|>user\n%s<|im_end|>\n<|im_start|>assistant\n", p->user);
    struct jb_text_query q = { .text = jb_str_get(&s), .n_bytes = s.len, .prompt_bytes = s.len, .n_new = n ? n : p->n ? p->n : 64, .chat = true };
    int rc = s.failed || jb_text_set_add(t, JB_SPLIT_TEST, &q) ? jb_fail(err, JB_E_NOMEM, "workload decode: out of memory") : JB_OK;
    jb_str_free(&s);
    return rc;
}

static int decode_open(void **impl, struct jb_workload_info *info, const struct jb_workload_opts *o, struct jb_err *err)
{
    struct jb_corpus c = { 0 };
    struct jb_text_set *t = calloc(1, sizeof *t);
    int rc = t ? jb_corpus_open(&c, o ? o->paths : NULL, "llm/prompts.jsonl", err) : jb_fail(err, JB_E_NOMEM, "workload decode: out of memory");
    for (uint32_t i = 0; !rc && i < c.n; i++) rc = add(t, &c.passages[i], (uint32_t)jb_params_i64(options, o, "n"), err);
    jb_corpus_close(&c);
    if (rc) {
        jb_text_set_close(t);
        return rc;
    }
    jb_text_set_describe(t, info);
    snprintf(info->name, sizeof info->name, "decode");
    snprintf(info->license, sizeof info->license, "Apache-2.0");
    snprintf(info->provenance, sizeof info->provenance, "prompts written for joulebench (workloads/llm/data/prompts.jsonl)");
    snprintf(info->note, sizeof info->note, "greedy text parts from the full model's for good at the first near tie: compare matching fractions, not texts");
    *impl = t;
    return JB_OK;
}

const struct jb_workload_ops jb_workload_decode = {
    .name = "decode",
    .summary = "greedy text from fixed prompts: time to first token, time per token, and how long it follows the full model",
    .options = options,
    .open = decode_open,
    .close = jb_text_set_close_impl,
    .text = jb_text_set_text,
};
