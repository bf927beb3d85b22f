#include "cli/live.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void word(struct cli_live *l, const char *name, const char *value)
{
    if (value && l->n_words < CLI_LIVE_WORDS)
        snprintf(l->word[l->n_words++], sizeof *l->word, "--%s%s%s", name, *value ? "=" : "", value);
}

// What differs from the defaults: a side's own "args" stand before, and these win.
static void power_words(struct cli_live *l, const struct cli_power_opts *p)
{
    char number[40];
    word(l, "power", p->source && strcmp(p->source, "auto") ? p->source : NULL);
    word(l, "power-root", p->root);
    word(l, "power-trace", p->trace);
    word(l, "power-external", p->external);
    word(l, "power-external-joules", p->external_joules ? "" : NULL);
    snprintf(number, sizeof number, "%lld", (long long)p->external_offset_ns);
    word(l, "power-external-offset", p->external_offset_ns ? number : NULL);
    word(l, "trust-guest-rapl", p->trust_guest_rapl ? "" : NULL);
    snprintf(number, sizeof number, "%.17g", p->max_power_w);
    word(l, "max-power-w", p->max_power_w > 0 ? number : NULL);
}

static int pass_on(struct jb_side *s, const struct cli_live *l, struct jb_err *err)
{
    for (size_t i = 0; i < l->n_words; i++) {
        if (s->n_arg == JB_SIDE_MAX)
            return jb_fail(err, JB_E_RANGE, "%s: more than %d options for the worker", s->name, JB_SIDE_MAX);
        s->arg[s->n_arg++] = l->word[i];
    }
    return JB_OK;
}

static int open_sides(struct cli_live *l, const char *path_a, const char *path_b, struct jb_err *err)
{
    int rc = jb_side_read(&l->a, path_a, err);
    if (rc == JB_OK)
        rc = jb_side_read(&l->b, path_b, err);
    if (rc == JB_OK)
        rc = pass_on(&l->a, l, err);
    return rc < 0 ? rc : pass_on(&l->b, l, err);
}

int cli_live_open(struct cli_live *l, const struct cli *c, const char *path_a, const char *path_b, const struct cli_power_opts *power, const char *limits_state, struct jb_err *err)
{
    memset(l, 0, sizeof *l);
    bool state = cli_limits_state(limits_state, l->state, err) == JB_OK;
    if (!state && limits_state)
        return err->code;
    ssize_t n = readlink("/proc/self/exe", l->program, sizeof l->program - 1);
    l->program[n > 0 ? n : 0] = '\0';
    int rc = cli_measure_open(&l->measure, c, NULL, NULL, err);
    if (rc < 0)
        return rc;
    const struct jb_sweep_opts *s = &l->measure.sweep;
    l->opts = (struct jb_live_opts){ .a = &l->a, .b = &l->b, .this_program = l->program, .clock = s->clock, .stop = s->stop, .progress = s->progress, .progress_user = s->progress_user,
                                     .limits_state = state ? l->state : NULL, .limits_held = cli_limits_guard };
    cli_power_fill(&l->opts.power, power);
    (void)cli_limits_notice(limits_state);
    power_words(l, power);
    return open_sides(l, path_a, path_b, err);
}

void cli_live_close(struct cli_live *l)
{
    cli_measure_close(&l->measure);
    jb_side_close(&l->a);
    jb_side_close(&l->b);
}
