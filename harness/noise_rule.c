#include "harness/noise_rule.h"

#include "base/cpu.h"
#include "harness/noise.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES ((size_t)8 << 20)
#define HOW_TO "make one on this machine: joulebench doctor --measure -o noise.json"

// ---- reading ----

// The output of doctor --json holds the same object as "noise".
static int parse(struct jb_noise *n, const char *path, struct jb_err *err)
{
    struct jb_json_doc doc;
    int rc = jb_json_read(&doc, path, MOST_BYTES, err);
    if (rc) return rc;
    const cJSON *noise = cJSON_GetObjectItemCaseSensitive(doc.root, "noise");
    char *text = cJSON_IsObject(noise) ? cJSON_PrintUnformatted(noise) : NULL;
    if (cJSON_IsObject(noise)) rc = text ? jb_noise_parse(n, path, text, strlen(text), err) : jb_fail(err, JB_E_NOMEM, "%s", path);
    else rc = jb_noise_read(n, path, err);
    cJSON_free(text);
    jb_json_close(&doc);
    return rc;
}

int jb_noise_rule_read(struct jb_noise_rule *out, const char *path, struct jb_err *err)
{
    struct jb_noise *n = calloc(1, sizeof *n);
    struct jb_noise_rule r = { 0 };
    int rc = n ? parse(n, path, err) : jb_fail(err, JB_E_NOMEM, "%s", path);
    if (!rc && !n->normalise.known) rc = jb_fail(err, JB_E_INVALID, "%s: of a version that learned no rule for \"normalise\"; " HOW_TO, path);
    if (!rc) rc = jb_hash_file(path, r.sha256, err);
    if (!rc) {
        r.reference = n->normalise.reference;
        r.gain = n->normalise.gain;
        r.lower = n->normalise.lower;
        r.upper = n->normalise.upper;
        r.cores = n->machine.cores;
        r.hypervisor = n->machine.hypervisor;
        snprintf(r.started, sizeof r.started, "%s", n->started);
        snprintf(r.cpu, sizeof r.cpu, "%s", n->machine.cpu);
        snprintf(r.kernel, sizeof r.kernel, "%s", n->machine.kernel);
        *out = r;
    }
    free(n);
    return rc;
}

int jb_noise_rule_missing(const char *who, struct jb_err *err)
{
    return jb_fail(err, JB_E_INVALID, "%s: \"normalise\": \"doctor\" needs what doctor learned on this machine, by --noise FILE; " HOW_TO, who);
}

// ---- the machine ----

static int same(const char *what, const char *file, const char *other, const char *name, struct jb_err *err)
{
    if (!file[0] || !other || !other[0] || !strcmp(file, other)) return 0;
    return jb_fail(err, JB_E_MISMATCH, "the noise file is of another machine than %s: %s \"%s\" against \"%s\"; " HOW_TO, name, what, file, other);
}

static int same_machine(const struct jb_noise_rule *r, const char *cpu, const char *cores, const char *hypervisor, const char *kernel, const char *name, struct jb_err *err)
{
    char count[16] = "";
    if (r->cores) snprintf(count, sizeof count, "%u", r->cores);
    int rc = same("CPU", r->cpu, cpu, name, err);
    if (!rc) rc = same("cores", count, cores, name, err);
    if (!rc) rc = same("hypervisor", r->hypervisor ? "yes" : "no", hypervisor, name, err);
    return rc ? rc : same("Linux", r->kernel, kernel, name, err);
}

int jb_noise_rule_here(const struct jb_noise_rule *r, struct jb_err *err)
{
    struct jb_cpu_info cpu;
    char cores[16] = "";
    jb_cpu_describe(&cpu);
    if (cpu.cores > 0) snprintf(cores, sizeof cores, "%d", cpu.cores);
    return same_machine(r, cpu.model, cores, cpu.hypervisor ? "yes" : "no", cpu.kernel, "this one", err);
}

static const char *fact(const struct jb_result *of, const char *name)
{
    for (size_t i = 0; i < of->n_environment; i++)
        if (!strcmp(of->environment[i].name, name)) return of->environment[i].value;
    return NULL;
}

int jb_noise_rule_of(const struct jb_noise_rule *r, const struct jb_result *of, const char *name, struct jb_err *err)
{
    return same_machine(r, fact(of, "cpu"), fact(of, "cores"), fact(of, "hypervisor"), fact(of, "kernel"), name, err);
}

// ---- in results ----

void jb_noise_rule_text(char out[JB_NOISE_RULE_TEXT], const struct jb_noise_rule *r)
{
    char gain[96] = "too few blocks to know what it does to their spread";
    if (!isnan(r->gain)) snprintf(gain, sizeof gain, "divided, block means had %.3g (%.3g to %.3g) of their spread", r->gain, r->lower, r->upper);
    snprintf(out, JB_NOISE_RULE_TEXT, "%snormalised by the reference kernel, as learned by doctor on %s: %s; noise file sha256 %.12s", r->reference ? "" : "not ", r->started, gain, r->sha256);
}

bool jb_noise_rule_put(cJSON *settings, const struct jb_noise_rule *r)
{
    cJSON *o = jb_json_put_object(settings, "normalise_learned");
    return o && jb_json_put_str(o, "rule", r->reference ? "reference" : "none") && jb_json_put_f64(o, "gain", r->gain) && jb_json_put_f64(o, "lower", r->lower) && jb_json_put_f64(o, "upper", r->upper) &&
           jb_json_put_str(o, "started", r->started) && jb_json_put_str(o, "noise_sha256", r->sha256);
}

static bool text_of(const cJSON *o, const char *key, char *out, size_t room)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    if (!cJSON_IsString(v) || strlen(v->valuestring) >= room) return false;
    snprintf(out, room, "%s", v->valuestring);
    return true;
}

static double number_of(const cJSON *o, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

bool jb_noise_rule_get(struct jb_noise_rule *out, const cJSON *settings)
{
    const cJSON *o = cJSON_GetObjectItemCaseSensitive(settings, "normalise_learned");
    struct jb_noise_rule r = { .gain = number_of(o, "gain"), .lower = number_of(o, "lower"), .upper = number_of(o, "upper") };
    char rule[16];
    if (!cJSON_IsObject(o) || !text_of(o, "rule", rule, sizeof rule) || !text_of(o, "started", r.started, sizeof r.started) || !text_of(o, "noise_sha256", r.sha256, sizeof r.sha256)) return false;
    r.reference = !strcmp(rule, "reference");
    *out = r;
    return true;
}
