// trust COMMAND [name=value]...
#include "tests/trust/trust.h"

#include <stdlib.h>
#include <string.h>

static const struct { const char *name; int (*run)(const struct trust_args *a); const char *about; } commands[] = {
    { "coverage", trust_coverage, "intervals cover the truth of simulated data: repetitions=2000 scene=NAME resamples=2000 seed=1" },
    { "needs", trust_needs, "coverage of percentiles by number of blocks and queries: repetitions=1000 p=0.99" },
    { "stopping", trust_stopping, "cells that may end early: repetitions=2000" },
    { "peeking", trust_peeking, "bets looked at after every pair: repetitions=2000 pairs=1000" },
    { "accuracy", trust_accuracy, "verdicts on k flipped predictions: repetitions=10000" },
    { "record", trust_record, "a live A/A run to a file: program=JOULEBENCH a=A.json b=B.json out=FILE seconds=60" },
    { "permuted", trust_permuted, "gates of permuted labels: pairs=FILE gates=10000" },
    { "line", trust_line, "comparison.json as one line: file=FILE part=NAME seed=N exit=CODE wall=SECONDS" },
    { "count", trust_count, "lines of gates, counted: file=FILE part=NAME" },
};

const char *trust_arg(const struct trust_args *a, const char *name, const char *otherwise)
{
    size_t n = strlen(name);
    for (int i = 0; i < a->n; i++)
        if (!strncmp(a->item[i], name, n) && a->item[i][n] == '=') return a->item[i] + n + 1;
    return otherwise;
}

double trust_number(const struct trust_args *a, const char *name, double otherwise)
{
    const char *text = trust_arg(a, name, NULL);
    return text ? strtod(text, NULL) : otherwise;
}

double trust_upper_tail(uint64_t k, uint64_t n, double p) { return k ? 1 - jb_binomial_cdf(k - 1, n, p) : 1; }

int main(int argc, char **argv)
{
    struct trust_args a = { argc - 2, argv + 2 };
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(argv[1], commands[i].name)) return commands[i].run(&a);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) fprintf(stderr, "trust %-9s %s\n", commands[i].name, commands[i].about);
    return 2;
}
