// The commands of the energy layer: joulebench power SUB. One file a sub-command, one row in cli/cmd_power.c.
#ifndef JB_CLI_POWER_H
#define JB_CLI_POWER_H

#include <stdio.h>
#include "base/json.h"
#include "cli/cli.h"
#include "cli/measure.h"

extern const struct cli_command cli_command_power;
// Its sub-commands.
extern const struct cli_command cli_command_power_list, cli_command_power_probe, cli_command_power_watch, cli_command_power_measure, cli_command_power_record, cli_command_power_limits;

// A document of joulebench.power/1 with its kind, for docs/schema/power.schema.json. NULL: out of memory (the put functions and cli_print_json bear it).
cJSON *cli_power_json(const char *kind);
// The same on one line with its newline, for streams; frees the tree. False: out of memory or a failed write.
bool cli_power_print_line(FILE *to, cJSON *root);

// What doctor and `power probe` show of the sources: text, and an array of objects under `key`.
void cli_power_print_probes(const struct jb_power_probe *p, size_t n);
void cli_power_put_probes(cJSON *root, const char *key, const struct jb_power_probe *p, size_t n);

// Opens the meter. A source that is not to be had here leaves *out NULL, the reason in `why`, and returns JB_OK; an error is a wrong name or a broken file.
struct cli_power_why { char source[32], text[480]; };
int cli_power_open(struct jb_meter **out, const struct jb_power_opts *o, struct cli_power_why *why, struct jb_err *err);

// Records of the schema: energy, meter, channel (all facts), sampler.
void cli_power_put_joules(cJSON *o, const char *key, const struct jb_joules *j);
// The same under two names: what was observed, and what was modelled (a guest's RAPL); one of the two is none.
void cli_power_put_split(cJSON *o, const char *key, const char *key_modelled, const struct jb_joules *j);
void cli_power_put_meter(cJSON *o, const char *key, const struct jb_meter *m, const struct cli_power_why *why); // m NULL: none with `why`
void cli_power_put_channels(cJSON *o, const char *key, const struct jb_meter *m);
void cli_power_put_sampler(cJSON *o, const char *key, const struct jb_meter *m);

// "12.35 J [12.30, 12.40]": in `unit` with the prefix that fits and as many digits as the bounds bear; without bounds (NAN) three digits.
void cli_power_add_bounds(struct jb_str *s, double value, double lower, double upper, const char *unit);
// "12.30 to 12.40 J".
void cli_power_add_range(struct jb_str *s, double lower, double upper, const char *unit);
// "12.35 W [12.30, 12.40]" of an energy over its window, "modelled 12.35 W [...]", or "none: REASON".
void cli_power_add_watts(struct jb_str *s, const struct jb_joules *j);
// Text that somebody else chose: control characters as '?'.
void cli_power_add_safe(struct jb_str *s, const char *text);
// Sleeps until `until_ns` of the clock, or until a signal comes (cli_signals_seen).
void cli_power_sleep_until(const struct jb_clock *clock, uint64_t until_ns);
double cli_power_watts(double uj, uint64_t window_ns); // NAN for no window

#endif
