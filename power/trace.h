// Inside power: a recorded trace of counter readings (docs/measuring-energy.md specifies the format), parsed and summed up front.
#ifndef JB_POWER_TRACE_H
#define JB_POWER_TRACE_H

#include "power/accumulator.h"
#include "power/cover.h"
#include "power/power.h"

#define JB_TRACE_MAX_ZONES 64
#define JB_TRACE_MAX_BYTES (256u << 20)

struct jb_trace_point {
    uint64_t t_ns;
    double total_uj;      // since the zone's first reading; counting starts anew behind a refused one
    double lower_uj, upper_uj; // bounds at t_ns
    uint32_t wraps;
    const char *bad;      // the step to this point is no number: why; NULL: good
};

struct jb_trace_zone {
    uint64_t range_uj;
    struct jb_trace_point *point; // owned
    size_t n, cap;
};

struct jb_trace {
    char name[128];
    uint64_t update_ns, read_ns;
    double max_power_w;
    struct jb_cover_zone cover[JB_TRACE_MAX_ZONES]; // packages first
    struct jb_trace_zone zone[JB_TRACE_MAX_ZONES];
    size_t n;
    uint64_t start_ns, end_ns; // the time that all summed zones cover
};

// `max_power_w` > 0 overrides the trace's ceiling. Errors name file and line.
int jb_trace_read(struct jb_trace *out, const char *path, double max_power_w, struct jb_err *err);
int jb_trace_parse(struct jb_trace *out, const char *name, const char *text, size_t n_bytes, double max_power_w, struct jb_err *err); // for tests and fuzzing
void jb_trace_close(struct jb_trace *t);

#endif
