// Whether latencies are divided by the reference kernel, as learned by `joulebench doctor --measure`: for plans that say "normalise": "doctor". The rule comes from A/A blocks of a doctor's file alone, never from
// the data that are compared, and holds for the machine that made the file.
#ifndef JB_HARNESS_NOISE_RULE_H
#define JB_HARNESS_NOISE_RULE_H

#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "reports/result.h"

struct jb_noise_rule {
    bool reference;                  // divide
    double gain, lower, upper;       // as in struct jb_noise_normalise; NAN: too few blocks to say
    char started[32];                // when the doctor measured
    char sha256[JB_HASH_HEX];        // of the file
    char cpu[96], kernel[96];        // of its machine; empty: not exposed there
    uint32_t cores;                  // 0: not known
    bool hypervisor;
};

// A file of `doctor --measure -o FILE` or of `doctor --measure --json`. INVALID also for one whose version learned no rule; errors name the path.
int jb_noise_rule_read(struct jb_noise_rule *out, const char *path, struct jb_err *err);
// MISMATCH when this machine, or the machine that a result is of, is not the file's: CPU model, cores, hypervisor, Linux version. What either does not hold is not looked at.
int jb_noise_rule_here(const struct jb_noise_rule *r, struct jb_err *err);
int jb_noise_rule_of(const struct jb_noise_rule *r, const struct jb_result *of, const char *name, struct jb_err *err);
// A plan says "doctor" and there is no file: INVALID, with how to make one.
int jb_noise_rule_missing(const char *who, struct jb_err *err);

enum { JB_NOISE_RULE_TEXT = 320 };
// "normalised by the reference kernel, as learned by doctor on 2026-11-22T18:00:00Z: it narrows block means to 0.8 (0.7 to 0.9) of their spread; noise file sha256 ..."
void jb_noise_rule_text(char out[JB_NOISE_RULE_TEXT], const struct jb_noise_rule *r);
// The object "normalise_learned" of a run line's settings, and back: false where there is none, or one that is no such object.
bool jb_noise_rule_put(cJSON *settings, const struct jb_noise_rule *r);
bool jb_noise_rule_get(struct jb_noise_rule *out, const cJSON *settings);

#endif
