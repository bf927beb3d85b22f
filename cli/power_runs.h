// A command measured over repetitions: what is found, apart from how it is shown.
#ifndef JB_CLI_POWER_RUNS_H
#define JB_CLI_POWER_RUNS_H

#include "base/cputime.h"
#include "base/stats.h"
#include "cli/power.h"

#define CLI_CONTAMINATED_SHARE 0.1 // of the machine, that others used for certain

struct cli_run {
    struct jb_joules gross, net;    // net of idle; class none without idle windows
    uint64_t time_ns, cpu_ns;       // from start to end; of the command and of the children that it waited for
    struct jb_cputime_span others;
    bool contaminated;
    int exit_code;
};

struct cli_runs {
    // What is wanted.
    char *const *argv;
    size_t repetitions, warmup;
    double idle_s;                  // 0: no idle windows
    bool ignore_failure;
    struct jb_meter *m;             // NULL: none, for the reason
    struct cli_power_why why;
    // What is found.
    struct cli_run *run; size_t n;  // owned
    struct jb_joules *part; size_t n_parts; // each channel, summed over the repetitions; owned
    bool has_idle, drift;
    struct jb_joules idle_before, idle_after, idle;
    int exit_code;                  // the command's, as a shell has it; the first failure of several
    int signal;                     // that stopped it; 0
};

// Runs it all. An error is joulebench's own or the command's start; what was measured until then stays.
int cli_runs_measure(struct cli_runs *r, struct jb_err *err);
void cli_runs_close(struct cli_runs *r);

// Mean over those repetitions that have the figure (n of them), its 95 % interval (NAN for one), and hard bounds of that mean (NAN where there are none).
struct cli_stat { size_t n; double mean, lower, upper; struct jb_interval ci95; };
enum cli_figure { CLI_GROSS_UJ, CLI_NET_UJ, CLI_GROSS_W, CLI_NET_W, CLI_EDP_JS, CLI_TIME_NS, CLI_CPU_NS, CLI_OTHERS_NS };
// NOMEM leaves *out without a figure.
int cli_runs_stat(const struct cli_runs *r, enum cli_figure figure, struct cli_stat *out);
// Class of the figures: the meter's, or none.
enum jb_energy_class cli_runs_class(const struct cli_runs *r);
// Why the first repetition without this energy has none; NULL: all have it.
const char *cli_runs_missing(const struct cli_runs *r, bool net);
size_t cli_runs_contaminated(const struct cli_runs *r);
uint32_t cli_runs_wraps(const struct cli_runs *r);

// The report as text, and as a document.
void cli_runs_text(const struct cli_runs *r, struct jb_str *out);
cJSON *cli_runs_json(const struct cli_runs *r);

#endif
