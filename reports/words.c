// The summary in words, names of runs, and text made fit for one line.
#include "reports/view.h"

#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

// Letters that steer a terminal or turn the direction of text are not letters of a name.
static bool is_steering(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

size_t jb_add_plain(struct jb_str *b, const char *text, size_t max_columns)
{
    size_t n = strlen(text), columns = 0, i = 0, cut_at = 0, cut_len = b->len;
    while (i < n) {
        uint32_t c = 0;
        size_t len = jb_utf8_step(text + i, n - i, &c);
        if (max_columns && columns == (max_columns > 3 ? max_columns - 3 : max_columns)) {
            cut_at = columns;
            cut_len = b->len;
        }
        if (max_columns && columns == max_columns) { // one too many: go back and mark the cut
            if (b->s)
                b->s[cut_len] = '\0';
            b->len = cut_len;
            jb_str_add(b, max_columns > 3 ? "..." : "");
            return max_columns > 3 ? cut_at + 3 : cut_at;
        }
        if (len && (c == '\n' || c == '\r' || c == '\t'))
            jb_str_add(b, " ");
        else if (len == 0 || is_steering(c))
            jb_str_add(b, "?");
        else
            jb_str_addn(b, text + i, len);
        i += len ? len : 1;
        columns++;
    }
    return columns;
}

void jb_run_label(char out[96], const struct jb_result *r, size_t index, size_t n)
{
    struct jb_str b = {0};
    if (n > 1)
        jb_str_addf(&b, index < 26 ? "%c " : "%c+ ", (int)('A' + index % 26));
    jb_add_plain(&b, jb_text(r->name, "run"), 20);
    snprintf(out, 96, "%s", jb_str_get(&b));
    jb_str_free(&b);
}

static void ratio_text(char out[64], double full, double cost, const char *what)
{
    double x = full / cost;
    if (!isfinite(x))
        out[0] = '\0';
    else if (x >= 1.005)
        snprintf(out, 64, "%.1f times less %s", x, what);
    else if (x <= 0.995)
        snprintf(out, 64, "%.2f times the %s", 1 / x, what);
    else
        snprintf(out, 64, "the same %s", what);
}

static void say_group(const struct jb_view *v, const struct jb_group *g, jb_sentence_fn say, void *user)
{
    char percent[24], ns[32], times[64], macs[64];
    struct jb_str b = {0};
    if (g->tokens && g->answer != JB_NO_CELL && jb_language_answer(v->r, &v->r->cells[g->answer], &b)) {
        say(user, "answer", jb_str_get(&b));
        jb_str_free(&b);
        return;
    }
    if (g->answer == JB_NO_CELL) {
        jb_str_addf(&b, "%s: no valid setting was measured.", g->label);
        say(user, "answer", jb_str_get(&b));
        jb_str_free(&b);
        return;
    }
    const struct jb_result_cell *c = &v->r->cells[g->answer];
    jb_fmt_percent(percent, c->accuracy.value);
    if (g->cost == JB_COST_MEAN) {
        jb_fmt_ns(ns, c->latency_mean_ns);
    } else {
        jb_fmt_count(ns, c->macs_mean);
        strcat(ns, " MACs");
    }
    jb_str_addf(&b, "%s: the cheapest setting within %.1f points of the best is %s: %s at %s a %s", g->label, JB_ANSWER_WITHIN * 100, jb_text(c->label, "?"), percent,
        ns, g->unit);
    if (g->full != JB_NO_CELL && g->full != g->answer) {
        const struct jb_result_cell *f = &v->r->cells[g->full];
        ratio_text(times, f->latency_mean_ns, c->latency_mean_ns, "time");
        ratio_text(macs, f->macs_mean, c->macs_mean, "arithmetic");
        jb_str_addf(&b, ", %s%s%s than the full network", times, times[0] && macs[0] ? " and " : "", macs);
    } else if (g->full == g->answer) {
        jb_str_add(&b, "; it is a full network: adapting does not pay here");
    }
    jb_str_add(&b, ".");
    say(user, "answer", jb_str_get(&b));
    jb_str_free(&b);
}

static void say_joules(const struct jb_view *v, const struct jb_group *g, jb_sentence_fn say, void *user)
{
    struct jb_str b = {0};
    if (g->joules != JB_NO_CELL && jb_energy_answer(v->r, &v->r->cells[g->joules], &b))
        say(user, "answer", jb_str_get(&b));
    jb_str_free(&b);
}

void jb_view_sentences(const struct jb_view *v, jb_sentence_fn say, void *user)
{
    bool answered = false;
    for (size_t i = 0; i < v->r->n_sentences; i++) // whether the figures count comes before the figures
        if (v->r->sentences[i].text && strcmp(jb_text(v->r->sentences[i].kind, ""), "validity") == 0)
            say(user, "validity", v->r->sentences[i].text);
    for (size_t i = 0; i < v->r->n_sentences; i++)
        answered |= strcmp(jb_text(v->r->sentences[i].kind, ""), "answer") == 0;
    for (size_t i = 0; i < v->n_groups && !answered; i++)
        say_joules(v, &v->groups[i], say, user);
    for (size_t i = 0; i < v->n_groups && !answered; i++)
        say_group(v, &v->groups[i], say, user);
    if (!answered && !v->n_groups)
        say(user, "answer", "Nothing was measured.");
    for (size_t i = 0; i < v->r->n_sentences; i++)
        if (v->r->sentences[i].text && strcmp(jb_text(v->r->sentences[i].kind, ""), "validity"))
            say(user, jb_text(v->r->sentences[i].kind, ""), v->r->sentences[i].text);
    if (!v->r->complete)
        say(user, "warning", "This run was interrupted: cells that were not measured are absent.");
}
