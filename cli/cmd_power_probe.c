#include <stdio.h>
#include "cli/output.h"
#include "cli/power.h"

struct opts { bool json; struct cli_power_opts power; };

static const struct cli_option options[] = {
    { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "print JSON" },
    CLI_POWER_ROWS(struct opts, power),
    { .type = CLI_END },
};

static const struct cli_example examples[] = {
    { "joulebench power probe", "a block for each source: available, or why not and what would unlock it" },
    { "joulebench power probe --power-root ./tree", "the same on a tree that stands for /sys" },
    { NULL, NULL },
};

static int run(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    struct jb_power_opts power;
    struct jb_power_probe probe[JB_POWER_MAX_SOURCES];
    size_t n = 0;
    (void)c, (void)args;
    cli_power_fill(&power, &o->power);
    int rc = jb_power_probe_all(&power, probe, JB_POWER_MAX_SOURCES, &n);
    if (rc < 0) {
        jb_fail(&err, rc, "probing the power sources: %s", jb_code_text(rc));
        return cli_fail(&err);
    }
    if (o->json) {
        cJSON *root = cli_power_json("probe");
        cli_power_put_probes(root, "sources", probe, n);
        return cli_print_json(root);
    }
    cli_power_print_probes(probe, n);
    return JB_EXIT_OK;
}

const struct cli_command cli_command_power_probe = {
    .name = "power probe",
    .arguments = "",
    .summary = "each energy source: available, or the exact reason and what would unlock it",
    .about = "Asks every power source whether it can be read here. Of one that can: the class of its figures, what it sums and what it leaves out, the cost of a read. "
             "Of one that cannot: the path, its mode bits, the error number, the reason, and the command that would unlock it.",
    .options = options,
    .examples = examples,
    .opts_bytes = sizeof(struct opts),
    .run = run,
};
