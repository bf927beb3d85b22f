// What differs between two runs beside their figures, and which figures may therefore not be compared.
#include "harness/compare_parts.h"

#include <stdio.h>
#include <string.h>

static const char *value_of(const struct jb_kv *kv, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(kv[i].name, name)) return kv[i].value;
    return NULL;
}

static bool same(const char *a, const char *b) { return a == b || (a && b && !strcmp(a, b)); }
static const char *shown(const char *v) { return v ? v : "unknown"; }

int jb_compare_tell(struct jb_comparison *c, const char *name, const char *text)
{
    struct jb_kv *grown = jb_comparison_array(c, c->n_differences + 1, sizeof *grown);
    const char *own = jb_comparison_str(c, name);
    if (!grown || !text || !own) return JB_E_NOMEM;
    if (c->n_differences) memcpy(grown, c->differences, c->n_differences * sizeof *grown);
    grown[c->n_differences++] = (struct jb_kv){ own, text };
    c->differences = grown;
    return 0;
}

// what follows; `who`: which candidate, where there are several, or NULL.
static int differs(struct jb_comparison *c, const char *name, const char *a, const char *b, const char *who, const char *follows)
{
    if (same(a, b)) return 0;
    return jb_compare_tell(c, name, jb_comparison_strf(c, "%s against %s%s%s%s%s%s", shown(a), shown(b), who ? " (" : "", who ? who : "", who ? ")" : "", *follows ? ": " : "", follows));
}

static bool across(const struct jb_comparison *c) { return !strcmp(c->mode, "across"); }

#define SHOWN_KERNELS 4

// Symbols of kernels that are not the same, as text; NULL: all are (*rc: out of memory).
static const char *kernels_text(struct jb_comparison *c, const struct jb_result *a, const struct jb_result *b, int *rc)
{
    struct jb_str s = { 0 };
    size_t n = 0;
    for (size_t i = 0; i < a->n_kernels; i++) {
        const char *other = value_of(b->kernels, b->n_kernels, a->kernels[i].name);
        if (same(other, a->kernels[i].value)) continue;
        if (n++ < SHOWN_KERNELS) jb_str_addf(&s, "%s%s against %s", s.len ? ", " : "", shown(a->kernels[i].value), shown(other));
    }
    for (size_t i = 0; i < b->n_kernels; i++)
        if (!value_of(a->kernels, a->n_kernels, b->kernels[i].name) && n++ < SHOWN_KERNELS) jb_str_addf(&s, "%sunknown against %s", s.len ? ", " : "", shown(b->kernels[i].value));
    if (n > SHOWN_KERNELS) jb_str_addf(&s, " and %zu more", n - SHOWN_KERNELS);
    const char *text = n ? jb_comparison_str(c, jb_str_get(&s)) : NULL;
    if (s.failed || (n && !text)) *rc = JB_E_NOMEM;
    jb_str_free(&s);
    return text;
}

static int hashes(struct jb_comparison *c, const struct jb_result *a, const struct jb_result *b, const char *who)
{
    int rc = 0;
    for (size_t i = 0; i < a->n_hashes && !rc; i++) {
        const char *other = value_of(b->hashes, b->n_hashes, a->hashes[i].name);
        bool data = !strncmp(a->hashes[i].name, "data ", 5);
        char x[2][16];
        if (!other || same(other, a->hashes[i].value)) continue;
        snprintf(x[0], sizeof x[0], "%.12s", shown(a->hashes[i].value));
        snprintf(x[1], sizeof x[1], "%.12s", other);
        rc = differs(c, a->hashes[i].name, x[0], x[1], who, data ? "other samples: what depends on them is not compared where they are those measured" : "another file: its effect is part of what is compared");
    }
    return rc;
}

int jb_compare_environment(struct jb_comparison *c, const struct jb_result *a, const struct jb_result *b, const char *who)
{
    static const struct { const char *name, *follows; } FACTS[] = {
        { "cores", "" }, { "hypervisor", "latencies and joules are of two kinds of machine" }, { "governor", "latencies and joules are of two states of the machine" },
        { "turbo", "latencies and joules are of two states of the machine" }, { "kernel", "noted" }, { "memory_bytes", "" },
        { "power_source", "noted" }, { "power_root", "noted" },
    };
    int rc = 0;
    const char *cpu_a = value_of(a->environment, a->n_environment, "cpu"), *cpu_b = value_of(b->environment, b->n_environment, "cpu");
    if (!cpu_a || !cpu_b) rc = jb_compare_tell(c, "cpu", "not recorded by both runs: whether latencies and joules can be compared is not known");
    else rc = differs(c, "cpu", cpu_a, cpu_b, who, across(c) ? "this is what is compared" : "latencies and joules are not compared (compare --across puts devices side by side)");
    const char *kernels = rc ? NULL : kernels_text(c, a, b, &rc);
    if (!rc && kernels) rc = jb_compare_tell(c, "kernels", jb_comparison_strf(c, "%s%s%s%s: latencies and joules compare these too", kernels, who ? " (" : "", who ? who : "", who ? ")" : ""));
    for (size_t i = 0; i < sizeof FACTS / sizeof *FACTS && !rc; i++)
        rc = differs(c, FACTS[i].name, value_of(a->environment, a->n_environment, FACTS[i].name), value_of(b->environment, b->n_environment, FACTS[i].name), who, FACTS[i].follows);
    if (!rc) rc = differs(c, "joulebench", a->joulebench_version, b->joulebench_version, who, "noted");
    if (!rc) rc = differs(c, "git", a->git, b->git, who, "noted");
    if (!rc) rc = differs(c, "compiler", a->compiler, b->compiler, who, "noted");
    return rc ? rc : hashes(c, a, b, who);
}

static const char *data_hash(const struct jb_result *r, const char *workload, const char *split)
{
    char name[256];
    snprintf(name, sizeof name, "data %s %s", workload, split);
    return value_of(r->hashes, r->n_hashes, name);
}

int jb_compare_refusals(struct jb_comparison *c, const struct jb_result *a, const struct jb_result *b, const char *split_a, const char *split_b, const char *workload, struct jb_refusals *out)
{
    int rc = 0;
    const char *hash_a = data_hash(a, workload, split_a), *hash_b = data_hash(b, workload, split_b);
    const char *cpu_a = value_of(a->environment, a->n_environment, "cpu"), *cpu_b = value_of(b->environment, b->n_environment, "cpu");
    *out = (struct jb_refusals){ 0 };
    if (!same(hash_a, hash_b) && (!(out->data = jb_comparison_strf(c, "other samples: %s of workload %s has hash %.12s against %.12s", split_b, workload, shown(hash_a), shown(hash_b))))) return JB_E_NOMEM;
    if (!across(c) && cpu_a && cpu_b && strcmp(cpu_a, cpu_b) && !(out->machine = jb_comparison_strf(c, "other CPU: %s against %s", cpu_a, cpu_b))) return JB_E_NOMEM;
    if (kernels_text(c, a, b, &rc)) out->mark = "other kernels";
    return rc;
}

int jb_compare_facts(struct jb_comparison *c, const struct jb_result *r, struct jb_kv **out, size_t *n)
{
    const struct { const char *prefix; const struct jb_kv *kv; size_t n; } LISTS[] = { { "", r->environment, r->n_environment }, { "kernel of ", r->kernels, r->n_kernels }, { "", r->hashes, r->n_hashes } };
    const struct jb_kv own[] = { { "joulebench", r->joulebench_version }, { "git", r->git }, { "compiler", r->compiler }, { "measured", r->started } };
    size_t room = r->n_environment + r->n_kernels + r->n_hashes + r->n_notes + sizeof own / sizeof *own, at = 0;
    struct jb_kv *kv = jb_comparison_array(c, room + 1, sizeof *kv);
    if (!kv) return JB_E_NOMEM;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) kv[at++] = own[i];
    for (size_t l = 0; l < sizeof LISTS / sizeof *LISTS; l++)
        for (size_t i = 0; i < LISTS[l].n; i++) kv[at++] = (struct jb_kv){ jb_comparison_strf(c, "%s%s", LISTS[l].prefix, LISTS[l].kv[i].name), LISTS[l].kv[i].value };
    for (size_t i = 0; i < r->n_notes; i++) // of the notes, what was done to the machine
        if (!strncmp(r->notes[i].name, "power limit ", 12)) kv[at++] = (struct jb_kv){ jb_comparison_str(c, r->notes[i].name), r->notes[i].value };
    for (size_t i = 0; i < at; i++) { // they outlive the result
        const char *value = kv[i].value;
        kv[i].value = jb_comparison_str(c, value);
        if (!kv[i].name || (value && !kv[i].value)) return JB_E_NOMEM;
    }
    *out = kv;
    *n = at;
    return 0;
}
