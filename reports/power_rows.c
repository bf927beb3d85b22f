// The meter of a run as names and values, for the tables of where and with what.
#include "reports/formats.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct rows { struct jb_power_row *row; size_t n; };

__attribute__((format(printf, 3, 4))) static void add(struct rows *r, const char *name, const char *format, ...)
{
    va_list args;
    if (r->n == JB_POWER_ROWS)
        return;
    va_start(args, format);
    vsnprintf(r->row[r->n].value, sizeof r->row->value, format, args);
    va_end(args);
    r->row[r->n++].name = name;
}

static void add_text(struct rows *r, const char *name, const char *text)
{
    if (text && *text)
        add(r, name, "%.300s", text);
}

static void add_ns(struct rows *r, const char *name, double ns)
{
    char text[24];
    jb_fmt_ns(text, ns);
    if (isfinite(ns))
        add(r, name, "%s", text);
}

size_t jb_power_rows(struct jb_power_row out[JB_POWER_ROWS], const struct jb_result_power *m)
{
    struct rows r = {out, 0};
    if (!m->known)
        return 0;
    add(&r, "class", "%s", jb_energy_class_name(m->cls));
    add_text(&r, "source", m->source);
    add_text(&r, "root", m->root);
    add_text(&r, "summed", m->domains);
    add_text(&r, "left out", m->left_out);
    add_text(&r, "remark", m->remark);
    add_text(&r, "reason", m->reason);
    add_text(&r, "compared with", m->cross_check);
    if (isfinite(m->ceiling_w))
        add(&r, "plausible up to", "%.4g W (%s)", m->ceiling_w, jb_text(m->ceiling_from, "?"));
    if (m->update_ns)
        add_ns(&r, "update period, at most", (double)m->update_ns);
    add_ns(&r, "cost of a reading", m->read_ns);
    if (m->idle_ns)
        add_ns(&r, "idle window", (double)m->idle_ns);
    if (m->sampler.there) {
        char period[24], cpu[24] = "any CPU";
        jb_fmt_ns(period, (double)m->sampler.period_ns);
        if (m->sampler.cpu >= 0)
            snprintf(cpu, sizeof cpu, "CPU %d", m->sampler.cpu);
        add(&r, "sampler", "every %s, %" PRIu64 " readings, %.2g %% of one CPU, on %s", period, m->sampler.reads, m->sampler.share * 100, cpu);
    }
    return r.n;
}
