// joulebench power limits list | set | restore.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/child.h"
#include "cli/limits.h"
#include "cli/output.h"
#include "cli/power.h"
#include "cli/signals.h"
#include "cli/table.h"

struct opts { const char *root, *state, *zone, *constraint; bool json, forget; };

#define ROOT_ROW { "power-root", 0, CLI_TEXT, offsetof(struct opts, root), "DIR", NULL, 0, 0, "power zones below DIR instead of the system's own" }
#define STATE_ROW                                                                                                                                 \
    { "state", 0, CLI_TEXT, offsetof(struct opts, state), "FILE", NULL, 0, 0,                                                                     \
      "where it is written down what the limits were; without it limits.json in $JOULEBENCH_STATE_DIR or the user's state directory" }
#define JSON_ROW { "json", 0, CLI_FLAG, offsetof(struct opts, json), NULL, NULL, 0, 0, "print JSON" }

// The error's own text says what to do.
static int fail(const struct jb_err *err)
{
    fprintf(stderr, "joulebench: %s\n", err->detail[0] ? err->detail : jb_code_text(err->code));
    return jb_exit_of_error(err->code);
}

static double watts(uint64_t uw)
{
    return (double)uw * 1e-6;
}

static void put_uw(cJSON *o, const char *key, bool known, uint64_t uw)
{
    if (known)
        jb_json_put_u64(o, key, uw);
    else
        jb_json_put_null(o, key);
}

// ---- list ----

static void list_json(cJSON *list, const struct jb_limit *x)
{
    cJSON *o = jb_json_put_object(list, NULL);
    jb_json_put_str(o, "zone", x->zone);
    jb_json_put_str(o, "label", x->label);
    jb_json_put_u64(o, "constraint", (uint64_t)x->constraint);
    jb_json_put_str(o, "name", x->name);
    jb_json_put_str(o, "path", x->path);
    put_uw(o, "limit_uw", x->readable, x->limit_uw);
    put_uw(o, "min_uw", x->min_uw, x->min_uw);
    put_uw(o, "max_uw", x->max_uw, x->max_uw);
    put_uw(o, "window_us", x->window_us, x->window_us);
    jb_json_put_bool(o, "enabled", x->enabled);
    jb_json_put_bool(o, "writable", x->writable);
    jb_json_put_str(o, "reason", x->why[0] ? x->why : NULL);
}

static void add_watts(struct cli_table *t, bool known, uint64_t uw)
{
    if (known)
        cli_table_addf(t, "%.6g W", watts(uw));
    else
        cli_table_addf(t, "-");
}

static int list_table(const struct jb_limit *x, size_t n)
{
    struct cli_table t;
    if (n == 0) {
        printf("none of the power zones has a limit\n");
        return JB_EXIT_OK;
    }
    cli_table_open(&t, "zone|constraint|>limit|>min|>max|>window|");
    for (size_t i = 0; i < n; i++, x++) {
        cli_table_addf(&t, "%s", x->label);
        cli_table_addf(&t, "%s", x->name);
        add_watts(&t, x->readable, x->limit_uw);
        add_watts(&t, x->min_uw, x->min_uw);
        add_watts(&t, x->max_uw, x->max_uw);
        if (x->window_us)
            cli_table_addf(&t, "%.4g s", (double)x->window_us * 1e-6);
        else
            cli_table_addf(&t, "-");
        cli_table_addf(&t, "%s", x->why);
    }
    if (cli_table_close(&t) == JB_OK)
        return JB_EXIT_OK;
    struct jb_err err = { 0 };
    jb_fail(&err, JB_E_NOMEM, "out of memory");
    return fail(&err);
}

static int run_list(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    size_t n = 0;
    (void)c, (void)args;
    struct jb_limit *x = calloc(JB_LIMITS_MAX, sizeof *x);
    int rc = x ? jb_limits_list(o->root, x, JB_LIMITS_MAX, &n, &err) : jb_fail(&err, JB_E_NOMEM, "out of memory"), exit_code;
    cli_limits_notice(o->state);
    if (rc < 0) {
        exit_code = fail(&err);
    } else if (o->json) {
        cJSON *root = cli_power_json("limits");
        cJSON *list = jb_json_put_array(root, "limits");
        for (size_t i = 0; i < n; i++)
            list_json(list, &x[i]);
        exit_code = cli_print_json(root);
    } else {
        exit_code = list_table(x, n);
    }
    free(x);
    return exit_code;
}

// ---- set ----

static bool parse_watts(const char *text, double *out)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || !isfinite(v) || (*end && strcmp(end, "W") != 0))
        return false;
    *out = v;
    return true;
}

static cJSON *set_json(const struct jb_limits *l, const char *state)
{
    cJSON *root = cli_power_json("limits-set");
    jb_json_put_str(root, "state", state);
    cJSON *list = jb_json_put_array(root, "limits");
    for (size_t i = 0; i < jb_limits_n_held(l); i++) {
        struct jb_limits_held h;
        jb_limits_held(l, i, &h);
        cJSON *o = jb_json_put_object(list, NULL);
        jb_json_put_str(o, "zone", h.zone);
        jb_json_put_str(o, "label", h.label);
        jb_json_put_str(o, "name", h.name);
        jb_json_put_u64(o, "original_uw", h.original_uw);
        jb_json_put_u64(o, "limit_uw", h.set_uw);
    }
    return root;
}

static void say_set(FILE *to, const struct jb_limits *l)
{
    for (size_t i = 0; i < jb_limits_n_held(l); i++) {
        struct jb_limits_held h;
        jb_limits_held(l, i, &h);
        fprintf(to, "%s %s: %.6g W, was %.6g W\n", h.label, h.name, watts(h.set_uw), watts(h.original_uw));
    }
}

// The command, with the limits around it. Its standard output is its own: what is said here goes to stderr.
static int around(struct jb_limits *l, const struct opts *o, const char *state, char *const *argv)
{
    struct jb_err err = { 0 };
    struct cli_child child;
    int exit_code;
    if (o->json)
        (void)cli_power_print_line(stderr, set_json(l, state));
    else
        say_set(stderr, l);
    int rc = cli_child_start(&child, argv, &err);
    if (rc == JB_OK) {
        cli_child_wait(&child, UINT64_MAX);
        exit_code = cli_child_reap(&child, NULL);
    } else
        exit_code = cli_child_fail(&err);
    rc = jb_limits_restore(l, &err);
    if (rc < 0) {
        fprintf(stderr, "joulebench: the power limits could not be put back: %s\n  joulebench power limits restore --state '%s' tries again\n", err.detail, state);
        if (exit_code == JB_EXIT_OK)
            exit_code = JB_EXIT_WRAP_OWN;
    }
    return exit_code;
}

static int leave(struct jb_limits *l, const struct opts *o, const char *state)
{
    struct jb_err err = { 0 };
    cJSON *root = o->json ? set_json(l, state) : NULL;
    if (!o->json)
        say_set(stdout, l);
    int rc = jb_limits_leave(l, &err), exit_code = JB_EXIT_OK;
    if (o->json)
        exit_code = cli_print_json(root);
    else
        printf("they stay until: joulebench power limits restore --state '%s'\n", state);
    return rc < 0 ? fail(&err) : exit_code;
}

static int set(const struct opts *o, double w, char *const *argv)
{
    struct jb_err err = { 0 };
    struct jb_limits *l = NULL;
    char state[CLI_LIMITS_PATH];
    bool command = argv != NULL;
    int rc = cli_limits_state(o->state, state, &err), exit_code;
    cli_signals_catch_quietly();
    // Limits that stay may be changed again, and again by what they were first; those around a command must begin with the machine's own.
    if (rc == JB_OK)
        rc = jb_limits_open(&l, o->root, state, !command, &err);
    if (rc == JB_OK && command)
        cli_limits_guard(l);
    if (rc == JB_OK)
        rc = jb_limits_set(l, o->zone, o->constraint, w, &err);
    if (rc < 0) {
        exit_code = fail(&err);
        if (command)
            exit_code = JB_EXIT_WRAP_OWN;
        else
            jb_limits_leave(l, NULL); // what an earlier call set stays
    } else {
        exit_code = command ? around(l, o, state, argv) : leave(l, o, state);
    }
    cli_limits_guard(NULL);
    if (command)
        jb_limits_close(l);
    return exit_code;
}

static int run_set(struct cli *c, const void *opts, const struct cli_list *args)
{
    struct jb_err err = { 0 };
    double w;
    (void)c;
    if (!parse_watts(args->item[0], &w)) {
        jb_fail(&err, JB_E_USAGE, "\"%s\" is no number of watts", args->item[0]);
        return cli_usage("power limits set", &err);
    }
    if (args->n == 1)
        return set(opts, w, NULL);
    char **argv = calloc(args->n, sizeof *argv);
    if (!argv) {
        jb_fail(&err, JB_E_NOMEM, "out of memory");
        return fail(&err);
    }
    for (size_t i = 1; i < args->n; i++)
        argv[i - 1] = (char *)(uintptr_t)args->item[i]; // execvp does not change them
    int exit_code = set(opts, w, argv);
    free(argv);
    return exit_code;
}

// ---- restore ----

// Whether the state is of the root that was named.
static int check_root(const char *root, const char *state, struct jb_err *err)
{
    struct jb_limits_left left;
    char below[PATH_MAX];
    int rc = root ? jb_limits_pending(state, &left, err) : JB_OK;
    if (!root || rc < 0 || !left.root[0])
        return rc;
    char *real = realpath(root, NULL);
    snprintf(below, sizeof below, "%s/class/powercap", real ? real : root);
    bool same = real && (strcmp(real, left.root) == 0 || strcmp(below, left.root) == 0);
    free(real);
    return same ? JB_OK : jb_fail(err, JB_E_MISMATCH, "%s is about the limits below %s, not %s", state, left.root, root);
}

static int run_restore(struct cli *c, const void *opts, const struct cli_list *args)
{
    const struct opts *o = opts;
    struct jb_err err = { 0 };
    char state[CLI_LIMITS_PATH];
    size_t n = 0;
    (void)c, (void)args;
    int rc = cli_limits_state(o->state, state, &err);
    if (rc == JB_OK)
        rc = check_root(o->root, state, &err);
    if (rc == JB_OK)
        rc = o->forget ? jb_limits_forget(state, &err) : jb_limits_restore_file(state, &n, &err);
    bool none = rc == JB_E_NOT_FOUND; // nothing to do is no failure
    if (rc < 0 && !none) {
        int exit_code = fail(&err);
        if (rc == JB_E_UNAVAILABLE)
            fprintf(stderr, "  what could be put back is; if that zone is gone for good: joulebench power limits restore --forget --state '%s'\n", state);
        return exit_code;
    }
    if (o->json) {
        cJSON *root = cli_power_json("limits-restore");
        jb_json_put_str(root, "state", state);
        jb_json_put_bool(root, "found", !none);
        jb_json_put_u64(root, "restored", n);
        jb_json_put_bool(root, "forgotten", o->forget && !none);
        return cli_print_json(root);
    }
    if (none)
        printf("nothing to put back (%s is not there)\n", state);
    else if (o->forget)
        printf("%s is removed; the limits stay as they are\n", state);
    else if (n == 0)
        printf("nothing to put back: the limits are as they were\n");
    else
        printf("%zu power limit%s put back\n", n, n == 1 ? "" : "s");
    return JB_EXIT_OK;
}

// ---- tables ----

static const struct cli_option list_options[] = { ROOT_ROW, STATE_ROW, JSON_ROW, { .type = CLI_END } };

static const struct cli_option set_options[] = {
    { "zone", 'z', CLI_TEXT, offsetof(struct opts, zone), "PATTERN", NULL, 0, 0, "zones whose label or path matches, as in a shell: 'package-*'; without it every package" },
    { "constraint", 'c', CLI_TEXT, offsetof(struct opts, constraint), "NAME", "long_term", 0, 0, "which of a zone's limits: long_term, short_term, peak_power (power limits list)" },
    ROOT_ROW,
    STATE_ROW,
    JSON_ROW,
    { .type = CLI_END },
};

static const struct cli_option restore_options[] = {
    ROOT_ROW,
    STATE_ROW,
    { "forget", 0, CLI_FLAG, offsetof(struct opts, forget), NULL, NULL, 0, 0, "put nothing back, only remove the file: for zones that are gone for good" },
    JSON_ROW,
    { .type = CLI_END },
};

static const struct cli_example list_examples[] = {
    { "joulebench power limits list", "what is in force, and what may be set" },
    { NULL, NULL },
};

static const struct cli_example set_examples[] = {
    { "sudo joulebench power limits set 15 -- make -j8", "15 W for every package while the command runs" },
    { "sudo joulebench power limits set 15 --zone package-0 --constraint short_term", "stays until power limits restore" },
    { NULL, NULL },
};

static const struct cli_example restore_examples[] = {
    { "sudo joulebench power limits restore", "after power limits set, or after a sweep that was killed" },
    { NULL, NULL },
};

static const struct cli_command limits_list = {
    .name = "power limits list",
    .arguments = "",
    .summary = "the limits in force, and what the platform allows",
    .about = "Lists the constraints of all power zones: the limit, the platform's minimum and maximum where the kernel names them, the time over which power is averaged, and why a limit "
             "cannot be read or written.",
    .options = list_options,
    .examples = list_examples,
    .opts_bytes = sizeof(struct opts),
    .run = run_list,
};

static const struct cli_command limits_set = {
    .name = "power limits set",
    .arguments = "WATTS [-- COMMAND...]",
    .summary = "set a power limit, for a command or until it is put back",
    .about = "Writes down what the limits are, sets them, and reads them back (the kernel rounds to the hardware's unit: 1/8 W or 0.5 % is accepted). With a command the limit holds while it "
             "runs; its exit code and signals are forwarded, and the limits are put back after it, however it ends. Without one the limit stays until power limits restore; setting another "
             "one does not forget what was there first.\n\n"
             "Exit code 125: joulebench itself failed around the command, which then did not run, or the limits could not be put back.",
    .options = set_options,
    .examples = set_examples,
    .min_args = 1,
    .max_args = SIZE_MAX,
    .opts_bytes = sizeof(struct opts),
    .run = run_set,
};

static const struct cli_command limits_restore = {
    .name = "power limits restore",
    .arguments = "",
    .summary = "put back the limits that a command or a killed sweep left",
    .about = "Puts back what the state file says, and removes it. Safe to repeat: what is as it was is left alone. After a reboot the kernel's own limits hold, and there is nothing to do.",
    .options = restore_options,
    .examples = restore_examples,
    .opts_bytes = sizeof(struct opts),
    .run = run_restore,
};

static const struct cli_command *const subs[] = { &limits_list, &limits_set, &limits_restore, NULL };
static const struct cli_option options[] = { { .type = CLI_END } };
static const struct cli_example examples[] = {
    { "joulebench power limits list", "what is in force" },
    { NULL, NULL },
};

const struct cli_command cli_command_power_limits = {
    .name = "power limits",
    .arguments = "",
    .summary = "power limits: list, set, put back",
    .about = "Limits of the power zones (RAPL and other powercap drivers); without a command they are listed. Whatever changes them writes down first what they were, and they are put back: after the command, on errors and "
             "signals, and after a SIGKILL by power limits restore.",
    .options = options,
    .examples = examples,
    .subs = subs,
    .otherwise = &limits_list,
};
