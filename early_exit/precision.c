// Precision schedules: parsing into canonical spelling, and the precision of a stage.
#include "early_exit/precision.h"
#include <stdio.h>
#include <string.h>

static const char escalate_word[] = "escalate:";

// One precision name of `n` bytes; -1 when unknown.
static int parse_word(const char *text, size_t n)
{
    char word[16];
    if (n == 0 || n >= sizeof word) return -1;
    memcpy(word, text, n);
    word[n] = 0;
    return jb_precision_parse(word);
}

// Rising fidelity. Not the order of the enum: that one is free to grow.
static int fidelity(int p)
{
    return p == JB_PREC_F32 ? 3 : p == JB_PREC_INT8 ? 2 : p == JB_PREC_INT4 ? 1 : 0;
}

static int parse_escalate(struct jb_schedule *s, const char *text, struct jb_err *err)
{
    const char *rest = text + sizeof escalate_word - 1;
    const char *arrow = strchr(rest, '>');
    int low = arrow ? parse_word(rest, (size_t)(arrow - rest)) : -1;
    int high = arrow ? parse_word(arrow + 1, strlen(arrow + 1)) : -1;
    if (low < 0 || high < 0)
        return jb_fail(err, JB_E_INVALID, "precision \"%.64s\": must read escalate:LOW>HIGH with f32, int8 or int4", text);
    if (fidelity(low) >= fidelity(high))
        return jb_fail(err, JB_E_INVALID, "precision \"%.64s\": escalates from %s to %s, which is not higher", text, jb_precision_name(low), jb_precision_name(high));
    s->escalate = true;
    s->low = (enum jb_precision)low;
    s->high = (enum jb_precision)high;
    s->used = 1u << low | 1u << high;
    snprintf(s->text, sizeof s->text, "%s%s>%s", escalate_word, jb_precision_name(low), jb_precision_name(high));
    return JB_OK;
}

// The shortest spelling: the last word holds for the rest, so repeats at the end are dropped.
static void spell(struct jb_schedule *s, uint32_t n_stages)
{
    uint32_t n = n_stages;
    while (n > 1 && s->stage[n - 1] == s->stage[n - 2]) n--;
    size_t at = 0;
    for (uint32_t i = 0; i < n; i++)
        at += (size_t)snprintf(s->text + at, sizeof s->text - at, "%s%s", i ? "," : "", jb_precision_name(s->stage[i]));
}
_Static_assert(JB_MAX_STAGES * sizeof "int8" <= sizeof((struct jb_schedule *)0)->text, "a word for every stage must fit");

static int parse_list(struct jb_schedule *s, const char *text, uint32_t n_stages, struct jb_err *err)
{
    const char *at = text;
    uint32_t n = 0;
    for (;;) {
        size_t len = strcspn(at, ",");
        int p = parse_word(at, len);
        if (p < 0) return jb_fail(err, JB_E_INVALID, "precision \"%.64s\": \"%.*s\" is none of f32, int8, int4", text, (int)(len < 32 ? len : 32), at);
        if (n == n_stages) return jb_fail(err, JB_E_INVALID, "precision \"%.64s\": more words than the model has stages (%u)", text, n_stages);
        s->stage[n++] = (enum jb_precision)p;
        if (!at[len]) break;
        at += len + 1;
    }
    for (; n < JB_MAX_STAGES; n++) s->stage[n] = s->stage[n - 1];
    for (uint32_t i = 0; i < n_stages; i++) s->used |= 1u << s->stage[i];
    s->low = s->high = s->stage[0];
    spell(s, n_stages);
    return JB_OK;
}

int jb_schedule_parse(struct jb_schedule *out, const char *text, uint32_t n_stages, struct jb_err *err)
{
    struct jb_schedule s = {0};
    if (!text) return jb_fail(err, JB_E_INVALID, "no precision given");
    if (n_stages < 1 || n_stages > JB_MAX_STAGES) return jb_fail(err, JB_E_RANGE, "%u stages, must be 1 to %d", n_stages, JB_MAX_STAGES);
    bool escalate = strncmp(text, escalate_word, sizeof escalate_word - 1) == 0;
    int rc = escalate ? parse_escalate(&s, text, err) : parse_list(&s, text, n_stages, err);
    if (rc == JB_OK) *out = s;
    return rc;
}

enum jb_precision jb_schedule_at(const struct jb_schedule *s, uint32_t stage, uint32_t unconfident)
{
    if (s->escalate) return unconfident > 0 ? s->high : s->low;
    return s->stage[stage];
}
