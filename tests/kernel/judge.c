// Runs inside the emulated kernel: judges what joulebench wrote, as JSON. One line a judgement, as guest.sh counts them.
//   judge holds FILE WATTS TEXT         `power measure`: the bounds hold WATTS over the window. How wide they are is this slow machine's affair, up to twice the truth
//   judge wraps FILE TEXT               ... and the counter wrapped within it
//   judge none FILE REASON TEXT         ... there is no figure, and the reason says REASON
//   judge measured FILE TEXT            a sweep's results.json: class measured in every cell, with bounds, and the user's word for it
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"

#define FILE_MOST (16u << 20)

static int line(bool ok, const char *text, const char *format, ...)
{
    va_list args;
    printf("%s - %s: ", ok ? "ok" : "not ok", text);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    return ok ? 0 : 1;
}

static double number(const cJSON *o, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

static const char *text_of(const cJSON *o, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsString(v) ? v->valuestring : "";
}

static const cJSON *first_energy(const cJSON *root)
{
    return cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(root, "runs"), 0), "energy");
}

static bool is_measured(const cJSON *energy)
{
    return strcmp(text_of(energy, "class"), "measured") == 0;
}

static int holds(const cJSON *root, double watts, const char *text)
{
    const cJSON *e = first_energy(root);
    double truth = watts * number(e, "window_ns") * 1e-3, lower = number(e, "lower_uj"), upper = number(e, "upper_uj");
    bool ok = is_measured(e) && lower > 0 && lower <= truth && truth <= upper && upper <= 2 * truth;
    return line(ok, text, "%s, %.3f J in [%.3f, %.3f] over %.3f s%s%s", text_of(e, "class"), truth * 1e-6, lower * 1e-6, upper * 1e-6, number(e, "window_ns") * 1e-9,
                ok ? "" : ": ", ok ? "" : text_of(e, "reason"));
}

static int wraps(const cJSON *root, const char *text)
{
    const cJSON *e = first_energy(root);
    return line(is_measured(e) && number(e, "wraps") >= 1, text, "%s, %.0f wraps", text_of(e, "class"), number(e, "wraps"));
}

static int none(const cJSON *root, const char *reason, const char *text)
{
    const cJSON *e = first_energy(root);
    bool ok = strcmp(text_of(e, "class"), "none") == 0 && strstr(text_of(e, "reason"), reason) && cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(e, "uj"));
    return line(ok, text, "%s: %s", text_of(e, "class"), text_of(e, "reason"));
}

static int measured(const cJSON *root, const char *text)
{
    const cJSON *cells = cJSON_GetObjectItemCaseSensitive(root, "cells"), *cell;
    const char *remark = text_of(cJSON_GetObjectItemCaseSensitive(root, "power"), "remark");
    int n = 0, good = 0, valid = 0;
    cJSON_ArrayForEach(cell, cells)
    {
        const cJSON *e = cJSON_GetObjectItemCaseSensitive(cell, "energy");
        n++;
        good += is_measured(e);
        valid += strcmp(text_of(cell, "status"), "valid") == 0;
        if (!is_measured(e)) printf("  | %s %s: %s\n", text_of(cell, "label"), text_of(e, "class"), text_of(e, "reason"));
    }
    return line(n > 0 && good == n && strstr(remark, "--trust-guest-rapl"), text, "%d cells, %d valid, %d measured; %s", n, valid, good, remark);
}

static int usage(void)
{
    fprintf(stderr, "usage: judge holds FILE WATTS TEXT | wraps FILE TEXT | none FILE REASON TEXT | measured FILE TEXT\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct jb_json_doc doc;
    struct jb_err err = {0};
    const char *how = argc > 1 ? argv[1] : "";
    if (argc < 4) return usage();
    if (jb_json_read(&doc, argv[2], FILE_MOST, &err) != JB_OK) return line(false, argv[argc - 1], "%s", err.detail);
    int rc = strcmp(how, "holds") == 0 && argc == 5      ? holds(doc.root, atof(argv[3]), argv[4])
             : strcmp(how, "wraps") == 0 && argc == 4    ? wraps(doc.root, argv[3])
             : strcmp(how, "none") == 0 && argc == 5     ? none(doc.root, argv[3], argv[4])
             : strcmp(how, "measured") == 0 && argc == 4 ? measured(doc.root, argv[3])
                                                         : usage();
    jb_json_close(&doc);
    return rc;
}
