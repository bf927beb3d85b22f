// The section of doctor --measure.
#include "cli/doctor.h"

#include <math.h>
#include <stdio.h>
#include "cli/table.h"
#include "reports/report.h"

// Two digits, however small.
static const char *percent(char out[24], double share)
{
    if (!isfinite(share))
        return "-";
    double x = share * 100;
    snprintf(out, 24, x >= 10 ? "%.0f %%" : x >= 1 ? "%.1f %%" : x >= 0.1 ? "%.2f %%" : "%.3f %%", x);
    return out;
}

static void add_sight(struct cli_table *t, const struct jb_noise_sight *s)
{
    char text[24];
    cli_table_addf(t, "%s%s", percent(text, s->least), s->extrapolated ? " *" : "");
}

static void print_series(const struct jb_noise *n, uint32_t load)
{
    struct cli_table t;
    char a[24], b[24], c[24], d[24];
    cli_table_open(&t, "  block|>pairs|>noise of means|>of medians|>of one alone|>disturbed|>1 min: means|>medians|>5 min: means|>medians");
    for (uint32_t i = 0; i < n->n_series; i++) {
        const struct jb_noise_series *s = &n->series[i];
        if (s->load != load)
            continue;
        cli_table_addf(&t, "  %g ms%s", s->block_ms, s->pinned ? ", bound" : "");
        cli_table_addf(&t, "%llu", (unsigned long long)s->pairs);
        cli_table_addf(&t, "%s", percent(a, s->mean.sd_log));
        cli_table_addf(&t, "%s", percent(b, s->median.sd_log));
        cli_table_addf(&t, "%s", percent(c, s->unpaired_log));
        cli_table_addf(&t, "%s", percent(d, (double)s->disturbed / (double)(2 * s->pairs)));
        for (int h = 0; h < 2; h++) {
            add_sight(&t, &s->mean.sight[h]);
            add_sight(&t, &s->median.sight[h]);
        }
    }
    cli_table_close(&t);
}

static void print_best_sight(const char *what, const struct jb_noise_spread *x)
{
    char least[24], lower[24], upper[24];
    printf("    %s:", what);
    for (int h = 0; h < JB_NOISE_HORIZONS; h++) {
        const struct jb_noise_sight *s = &x->sight[h];
        printf("%s %.0f min%s %s", h ? "," : "", s->seconds / 60, s->extrapolated ? " *" : "", percent(least, s->least));
        if (isfinite(s->lower))
            printf(" (%s to %s)", percent(lower, s->lower), percent(upper, s->upper));
    }
    putchar('\n');
}

// All horizons at the best length.
static void print_best(const struct jb_noise *n, uint32_t load)
{
    const struct jb_noise_series *s = jb_noise_find(n, load, n->load[load].best_block_ms, false);
    if (!s)
        return;
    printf("  best: blocks of %g ms; smallest visible difference, with the bounds that the noise leaves\n", s->block_ms);
    print_best_sight("means", &s->mean);
    print_best_sight("medians", &s->median);
}

static void print_drift(const struct jb_noise_drift *d)
{
    char change[24], wander[24];
    if (!isfinite(d->change)) {
        printf("  drift: not enough rounds to tell\n");
        return;
    }
    printf("  drift: %s%s from beginning to end", d->change < 0 ? "-" : "+", percent(change, fabs(d->change)));
    if (isfinite(d->wander))
        printf(", slowest tenth %s above the fastest", percent(wander, d->wander));
    if (d->p < 0.05)
        printf("; the level changed after %.0f s (p = %.2g)", d->at_s, d->p);
    putchar('\n');
}

static void print_tuning(const struct jb_noise *n)
{
    printf("\nwhat would make it quieter\n");
    for (int applies = 1; applies >= 0; applies--)
        for (uint32_t i = 0; i < n->n_tuning; i++) {
            const struct jb_tuning *t = &n->tuning[i];
            if (t->applies != (applies != 0))
                continue;
            printf("  %c %-10s ", applies ? '-' : ' ', t->what);
            cli_print_safe(t->state);
            printf(": ");
            cli_print_safe(t->effect);
            if (t->command[0]) {
                printf("\n%15srun: ", "");
                cli_print_safe(t->command);
            }
            putchar('\n');
        }
}

void cli_doctor_print_noise(const struct jb_noise *n)
{
    char others[24], steal[24], cost[24], query[24];
    printf("\nnoise: how much equal things differ here (%.0f s, pairs of equal blocks in random order), and the smallest difference to be seen from it (95 %% confidence, 80 %% power)\n", n->seconds);
    for (uint32_t l = 0; l < n->n_loads; l++) {
        jb_fmt_ns(query, n->load[l].query_ns);
        printf("\n%s: ", n->load[l].name);
        cli_print_safe(n->load[l].what);
        printf("; %s a query\n", query);
        print_series(n, l);
        print_best(n, l);
        print_drift(&n->load[l].drift);
    }
    printf("  * extrapolated: more than %g times as long as was measured\n", JB_NOISE_TRUST);
    jb_fmt_ns(cost, n->clock.cost_ns);
    printf("\nothers had %s of the CPU time, %s was stolen; the clock costs %s a reading, resolution %llu ns\n", isnan(n->others) ? "an unknown share" : percent(others, n->others),
           isnan(n->steal) ? "an unknown share" : percent(steal, n->steal), cost, (unsigned long long)n->clock.resolution_ns);
    printf("these hold for one setting; k settings in the same time see differences that are sqrt(k) times as large\n");
    if (isfinite(n->best_block_ms))
        printf("recommended: \"block_ms\": %g\n", n->best_block_ms);
    print_tuning(n);
}
