#include "cli/gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/live.h"
#include "harness/gate.h"

struct opts {
    const char *baseline, *candidate, *rules, *only, *noise, *inconclusive, *output, *junit, *summary, *history, *limits_state;
    bool live, json, annotations;
    double seconds, block_ms, instance_s;
    int64_t seed;
    struct cli_power_opts power;
};

static const struct cli_option options[] = {
    { "baseline", 0, CLI_TEXT, offsetof(struct opts, baseline), "DIR", NULL, 0, 0, "a stored baseline (joulebench gate record), or the directory of a run" },
    { "candidate", 0, CLI_TEXT, offsetof(struct opts, candidate), "DIR", NULL, 0, 0, "the directory of the run to be judged" },
    { "live", 0, CLI_FLAG, offsetof(struct opts, live), NULL, NULL, 0, 0, "A and B are sides (JSON): both are measured now, block by block in turns" },
    { "rules", 0, CLI_TEXT, offsetof(struct opts, rules), "FILE", NULL, 0, 0, "margins and error rate (docs/schema/gate.schema.json); without it accuracy 0.5 points, p50 and mean 5 %, joules 5 % if measured" },
    { "seconds", 0, CLI_F64, offsetof(struct opts, seconds), "S", "60", 0.1, 1e6, "with --live: longest time of measuring; it ends as soon as all is decided" },
    { "block-ms", 0, CLI_F64, offsetof(struct opts, block_ms), "MS", "3", 0, 60000, "with --live: length of a block; 0: the plan's" },
    { "restart-s", 0, CLI_F64, offsetof(struct opts, instance_s), "S", "0.3", 0, 1e6, "with --live: both workers are restarted after so long, as where memory lies in a process changes its latencies; 0: never" },
    { "only", 0, CLI_TEXT, offsetof(struct opts, only), "PATTERN", NULL, 0, 0, "only cells whose label matches, as in a shell: '*int8*'" },
    { "noise", 0, CLI_TEXT, offsetof(struct opts, noise), "FILE", NULL, 0, 0, "of doctor --measure: what it learned on this machine decides whether latencies are divided by the reference kernel, not the plans; needed where live sides say \"normalise\": \"doctor\"" },
    { "inconclusive", 0, CLI_CHOICE, offsetof(struct opts, inconclusive), "pass|fail|own", "own", 0, 0, "what an undecided gate ends with: 0, 10, or 11 of its own" },
    { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "print comparison.json instead of the table" },
    { "output", 'o', CLI_TEXT, offsetof(struct opts, output), "DIR", NULL, 0, 0, "write comparison.json, comparison.md, comparison.html and junit.xml into DIR" },
    { "junit", 0, CLI_TEXT, offsetof(struct opts, junit), "FILE", NULL, 0, 0, "write JUnit XML" },
    { "summary", 0, CLI_TEXT, offsetof(struct opts, summary), "FILE", NULL, 0, 0, "append Markdown to FILE; without it to $GITHUB_STEP_SUMMARY where that is set" },
    { "annotations", 0, CLI_FLAG, offsetof(struct opts, annotations), NULL, NULL, 0, 0, "print GitHub annotations; always where GITHUB_ACTIONS is \"true\"" },
    { "history", 0, CLI_TEXT, offsetof(struct opts, history), "FILE", NULL, 0, 0, "append a line about this gate to FILE (joulebench report --history)" },
    { "seed", 0, CLI_I64, offsetof(struct opts, seed), "N", "1", 0, 9e15, "of the order of live blocks and of resampling" },
    CLI_LIVE_LIMITS_ROW(struct opts, limits_state),
    CLI_POWER_ROWS(struct opts, power),
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench gate --live main.json topic.json --rules gate.json --seconds 60", "two builds in turns on one machine: the way to judge latency and joules" },
    { "joulebench gate --baseline baseline --candidate out --junit gate.xml", "a run against a stored baseline: accuracy, MACs, bytes" },
    { "joulebench gate --live a.json b.json --inconclusive=pass", "for those who must choose" },
    { NULL, NULL },
};

// ---- the two kinds ----

static enum jb_inconclusive_as as_of(const struct opts *o)
{
    return !strcmp(o->inconclusive, "pass") ? JB_INCONCLUSIVE_PASS : !strcmp(o->inconclusive, "fail") ? JB_INCONCLUSIVE_FAIL : JB_INCONCLUSIVE_OWN;
}

static int judge_live(struct cli *cli, const struct opts *o, const struct cli_list *args, const struct jb_gate_rules *r, const struct jb_compare_opts *compare, struct jb_comparison **out, struct jb_err *err)
{
    struct cli_live l;
    int rc = cli_live_open(&l, cli, args->item[0], args->item[1], &o->power, o->limits_state, err);
    l.opts.seconds = o->seconds;
    l.opts.block_ms = o->block_ms;
    l.opts.instance_s = o->instance_s;
    l.opts.only = o->only;
    l.opts.seed = (uint64_t)o->seed;
    if (rc == JB_OK)
        rc = jb_gate_live(&l.opts, r, compare, as_of(o), out, err);
    cli_live_close(&l);
    return rc;
}

static int judge(struct cli *cli, const struct opts *o, const struct cli_list *args, struct jb_comparison **out, struct jb_err *err)
{
    struct jb_gate_rules r;
    struct jb_compare_opts compare;
    struct jb_noise_rule learned;
    jb_compare_opts_default(&compare);
    compare.only = o->only;
    compare.seed = (uint64_t)o->seed;
    int rc = o->noise ? jb_noise_rule_read(&learned, o->noise, err) : JB_OK;
    compare.learned = o->noise ? &learned : NULL;
    if (rc < 0)
        return rc;
    if (o->rules)
        rc = jb_gate_rules_read(&r, o->rules, err);
    else if (o->live)
        jb_gate_rules_default(&r);
    else
        jb_gate_rules_default_past(&r);
    if (rc < 0)
        return rc;
    rc = o->live ? judge_live(cli, o, args, &r, &compare, out, err) : jb_gate_past(o->baseline, o->candidate, &r, &compare, as_of(o), out, err);
    jb_gate_rules_free(&r);
    return rc;
}

static int usage(const char *text)
{
    struct jb_err err = { 0 };
    jb_fail(&err, JB_E_USAGE, "%s", text);
    return cli_usage("gate", &err);
}

static int run(struct cli *cli, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    struct jb_comparison *c = NULL;
    if (o->live && (args->n != 2 || o->baseline || o->candidate))
        return usage("--live takes two sides: joulebench gate --live A.json B.json");
    if (!o->live && (args->n || !o->baseline || !o->candidate))
        return usage("say what is judged: --baseline DIR --candidate DIR, or --live A.json B.json");
    int rc = judge(cli, o, args, &c, &err);
    if (rc < 0)
        return cli_gate_fail(&err);
    const char *actions = getenv("GITHUB_ACTIONS"), *summary = getenv("GITHUB_STEP_SUMMARY");
    struct cli_gate_outputs to = { .dir = o->output, .junit = o->junit, .summary = o->summary ? o->summary : summary && *summary ? summary : NULL, .history = o->history, .json = o->json,
                                   .annotations = o->annotations || (actions && !strcmp(actions, "true")) };
    int exit_code = cli_gate_show(cli, c, &to);
    jb_comparison_close(c);
    return exit_code;
}

const struct cli_command cli_gate_check = {
    .name = "gate check",
    .arguments = "[A.json B.json]",
    .summary = "judge a candidate against a baseline (what gate does when no sub-command is named)",
    .about = "Each metric that the rules name is judged against its margin: pass (the interval lies inside), fail (worse by more than the margin, at a family-wise error rate of 1 % after Holm's "
             "correction over metrics and cells), or inconclusive. The gate passes when every metric does.\n\n"
             "Live (the way to judge latency and joules): both sides are measured in turns, in random order, each in a worker of its own. The workers are restarted again and again, and every start, the median of "
             "its pairs, is one bet, as where memory lies in a process changes its latencies by per cents. The bets decide as soon as they can, with an error rate that holds however often they are looked at, "
             "up to --seconds; a margin of 1 % took 5 to 20 seconds on a quiet machine. A side is a JSON file as for compare --live. Against a stored baseline only accuracy, MACs and bytes are judged unless "
             "rules name more: two runs at two times differ by what the machine did in between.\n\n"
             "Language models: rules may also name perplexity, agreement (with the full model), exact_match and ttft (docs/ci/language-model.json). Queries are what counts there, not tokens: those of one text "
             "depend on each other.\n\n"
             "Exit codes: 0 pass, 10 fail, 11 inconclusive, 12 invalid environment, 13 nothing measured (joules asked for and no sensor), 2 bad input, or nothing that could be compared; the first of 2, 10, 12, "
             "13, 11 counts.",
    .options = options,
    .examples = examples,
    .max_args = 2,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};

// ---- the command with its sub-commands ----

static const struct cli_command *const subs[] = { &cli_gate_check, &cli_gate_record, NULL };
static const struct cli_option no_options[] = { { .type = CLI_END } };

static const struct cli_example gate_examples[] = {
    { "joulebench gate --live main.json topic.json --rules gate.json --seconds 60", "judges two builds in turns; gate check is meant where no sub-command is named" },
    { "joulebench gate record out -o baseline", "keeps a run as baseline" },
    { "joulebench gate --baseline baseline --candidate out", "judges what can be judged against it" },
    { NULL, NULL },
};

const struct cli_command cli_gate = {
    .name = "gate",
    .arguments = "",
    .summary = "pass, fail or say \"inconclusive\": accuracy, latency and joules against margins",
    .about = "A release gate with an exit code for each verdict: 0 pass, 10 fail, 11 inconclusive, 12 invalid environment, 13 nothing measured, 2 bad input.",
    .options = no_options,
    .examples = gate_examples,
    .subs = subs,
    .otherwise = &cli_gate_check,
};
