// Human figures: three significant digits and a unit that fits; "n/a" for what there is not.
#include "reports/report.h"

#include <math.h>
#include <stdio.h>

// Rounds first and chooses the unit then, so that 999.6 us becomes "1.00 ms" and never "1000 us".
static void fmt_scaled(char out[24], double v, double base, const char *const *units, int n_units)
{
    int k = 0;
    if (!isfinite(v)) {
        snprintf(out, 24, "n/a");
        return;
    }
    for (; k + 1 < n_units && fabs(v) >= base * 0.9995; k++)
        v /= base;
    double a = fabs(v);
    const char *gap = units[k][0] ? " " : "";
    if (a >= 1e6)
        snprintf(out, 24, "%.3g%s%s", v, gap, units[k]);
    else
        snprintf(out, 24, "%.*f%s%s", a == 0 || a >= 99.95 ? 0 : a >= 9.995 ? 1 : 2, v, gap, units[k]);
}

void jb_fmt_ns(char out[24], double ns)
{
    static const char *const UNITS[] = {"ns", "us", "ms", "s"};
    fmt_scaled(out, ns, 1000, UNITS, 4);
}

void jb_fmt_count(char out[24], double n)
{
    static const char *const UNITS[] = {"", "k", "M", "G", "T"};
    if (isfinite(n) && fabs(n) < 1000 && n == floor(n))
        snprintf(out, 24, "%.0f", n);
    else
        fmt_scaled(out, n, 1000, UNITS, 5);
}

void jb_fmt_percent(char out[24], double share)
{
    if (isfinite(share) && fabs(share) < 1e6)
        snprintf(out, 24, "%.2f %%", share * 100);
    else
        snprintf(out, 24, "n/a");
}

void jb_fmt_limit(char out[24], double limit_w)
{
    out[0] = '\0';
    if (isfinite(limit_w))
        snprintf(out, 24, ", %.6g W", limit_w);
}

void jb_fmt_uj(char out[24], double uj)
{
    static const char *const UNITS[] = {"nJ", "uJ", "mJ", "J", "kJ"};
    fmt_scaled(out, uj * 1000, 1000, UNITS, 5);
}

void jb_fmt_bytes(char out[24], double bytes)
{
    static const char *const UNITS[] = {"B", "kB", "MB", "GB", "TB"};
    if (isfinite(bytes) && fabs(bytes) < 1000)
        snprintf(out, 24, "%.0f B", bytes);
    else
        fmt_scaled(out, bytes, 1000, UNITS, 5);
}
