// Our own printer: shortest numbers, sorted keys where identities hash them, hostile bytes made valid UTF-8.
#include "base/json.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"

enum { MAX_DEPTH = 200 }; // of trees built by us; what is deeper is a defect, and fails

struct style {
    bool sorted, pretty;
};

// The shortest digits that read back equal: any decimal of up to 15 digits survives a double, so no fewer than %.15g gives are enough;
// below DBL_MIN a double has fewer bits, and the search starts at 1.
static void add_number(struct jb_str *b, double v)
{
    char text[40];
    if (!isfinite(v)) {
        jb_str_add(b, "null");
        return;
    }
    if (v == floor(v) && fabs(v) < 1e15) {
        jb_str_addf(b, "%.0f", v == 0 ? 0.0 : v); // minus zero is zero
        return;
    }
    for (int digits = fabs(v) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    jb_str_add(b, text);
}

static void add_line(struct jb_str *b, int depth)
{
    jb_str_add(b, "\n");
    for (int i = 0; i < depth; i++) jb_str_add(b, "  ");
}

static bool is_container(const cJSON *v)
{
    return cJSON_IsArray(v) || cJSON_IsObject(v);
}

// Arrays of plain values stand on one line.
static bool is_flat(const cJSON *v)
{
    if (!cJSON_IsArray(v)) return false;
    for (const cJSON *c = v->child; c; c = c->next)
        if (is_container(c)) return false;
    return true;
}

static bool add_value(struct jb_str *b, const cJSON *v, struct style style, int depth);

static int compare_keys(const void *a, const void *b)
{
    return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

static bool add_member(struct jb_str *b, const cJSON *c, struct style style, int depth)
{
    jb_str_add_json(b, c->string);
    jb_str_add(b, style.pretty ? ": " : ":");
    return add_value(b, c, style, depth);
}

static bool add_sorted_object(struct jb_str *b, const cJSON *v, struct style style, int depth)
{
    size_t n = 0, i = 0;
    for (const cJSON *c = v->child; c; c = c->next) n++;
    const cJSON **members = malloc((n + 1) * sizeof *members);
    if (!members) return false;
    for (const cJSON *c = v->child; c; c = c->next) members[i++] = c;
    qsort(members, n, sizeof *members, compare_keys);
    bool ok = true;
    jb_str_add(b, "{");
    for (i = 0; i < n && ok; i++) {
        if (i > 0) jb_str_add(b, ",");
        ok = add_member(b, members[i], style, depth + 1);
    }
    jb_str_add(b, "}");
    free(members);
    return ok;
}

static bool add_container(struct jb_str *b, const cJSON *v, struct style style, int depth)
{
    bool object = cJSON_IsObject(v), ok = true;
    bool lines = style.pretty && !is_flat(v) && v->child;
    jb_str_add(b, object ? "{" : "[");
    for (const cJSON *c = v->child; c && ok; c = c->next) {
        if (c != v->child) jb_str_add(b, style.pretty && !lines ? ", " : ",");
        if (lines) add_line(b, depth + 1);
        ok = object ? add_member(b, c, style, depth + 1) : add_value(b, c, style, depth + 1);
    }
    if (lines) add_line(b, depth);
    jb_str_add(b, object ? "}" : "]");
    return ok;
}

static bool add_value(struct jb_str *b, const cJSON *v, struct style style, int depth)
{
    if (depth > MAX_DEPTH) return false;
    if (cJSON_IsObject(v) && style.sorted) return add_sorted_object(b, v, style, depth);
    if (is_container(v)) return add_container(b, v, style, depth);
    if (cJSON_IsString(v))
        jb_str_add_json(b, v->valuestring);
    else if (cJSON_IsNumber(v))
        add_number(b, v->valuedouble);
    else if (cJSON_IsBool(v))
        jb_str_add(b, cJSON_IsTrue(v) ? "true" : "false");
    else if (cJSON_IsRaw(v))
        jb_str_add(b, v->valuestring);
    else
        jb_str_add(b, "null");
    return !b->failed;
}

static char *print(const cJSON *value, struct style style)
{
    struct jb_str b = {0};
    bool ok = value && add_value(&b, value, style, 0);
    if (style.pretty) jb_str_add(&b, "\n");
    if (ok && !b.failed) return b.s;
    jb_str_free(&b);
    return NULL;
}

char *jb_json_canonical(const cJSON *value)
{
    return print(value, (struct style){.sorted = true});
}

char *jb_json_pretty(const cJSON *value)
{
    return print(value, (struct style){.pretty = true});
}
