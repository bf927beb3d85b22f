// Fuzz target: a state file of power limits of any bytes. What is believed leads to writes as root, so whatever passes must name limits below its own root and nothing else,
// and must come back the same from the writer.
#include <stdlib.h>
#include <string.h>
#include "power/limits_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

// No part of the path is empty, "." or "..", and the last one is a limit.
static void must_be_a_limit(const struct jb_limits_state *s, const struct jb_limits_saved *x)
{
    size_t root = strlen(s->root);
    const char *file = strrchr(x->path, '/');
    if (s->root[0] != '/' || strncmp(x->path, s->root, root) != 0 || x->path[root] != '/') abort();
    if (strstr(x->path, "//") || strstr(x->path, "/../") || strstr(x->path, "/./")) abort();
    if (!file || strncmp(file, "/constraint_", 12) != 0 || !strstr(file, "_power_limit_uw") || !strchr(x->path + root, ':')) abort();
    if (x->original_uw > JB_LIMITS_MAX_UW || x->constraint < 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct jb_limits_state *s = calloc(2, sizeof *s);
    struct jb_err err = {0};
    if (!s) return 0;
    int rc = jb_limits_state_parse(s, "limits.json", (const char *)data, n, &err);
    if (rc) {
        if (err.code != rc || !err.detail[0] || s->pid) abort();
        free(s);
        return 0;
    }
    for (size_t i = 0; i < s->n; i++) must_be_a_limit(s, &s->saved[i]);
    (void)jb_limits_state_is_running(s);
    char *text = jb_limits_state_print(s);
    if (!text || jb_limits_state_parse(s + 1, "again", text, strlen(text), &err) != 0 || s[1].n != s->n || memcmp(s->saved, s[1].saved, sizeof s->saved) != 0) abort();
    free(text);
    free(s);
    return 0;
}
