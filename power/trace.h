// Inside power: a recorded trace of raw readings (docs/measuring-energy.md, "Traces"), read and checked as a whole, its readings given out one by one.
#ifndef JB_POWER_TRACE_H
#define JB_POWER_TRACE_H

#include "power/source.h"
#include "power/trace_text.h"

#define JB_TRACE_MAX_BYTES (256u << 20)

struct jb_trace {
    struct jb_trace_head head;       // the source as it was
    struct jb_channel channel[JB_SOURCE_MAX_CHANNELS];
    size_t n;                        // channels, at least 1
    uint64_t first_ns, last_ns;      // least begin and greatest end of a reading
    uint64_t start_ns;               // when the first round of readings was over: nothing is known before it
    uint64_t largest_gap_ns;         // between the ends of two readings that follow each other on a channel
    bool torn;                       // the last line had no end and was left out

    // private
    char name[128];
    char *text;                      // owned
    struct jb_trace_index { uint32_t *line; size_t n, room; uint64_t end_ns; } index[JB_SOURCE_MAX_CHANNELS]; // where in text each reading stands; owned
    char constant[JB_SOURCE_MAX_CHANNELS][2][JB_TRACE_MAX_CONSTANT]; // what excluded and ceiling_from point to
};

// Errors name file and line. INVALID: damaged, or not of this format; RANGE: more than JB_TRACE_MAX_BYTES.
int jb_trace_read(struct jb_trace **out, const char *path, struct jb_err *err);
// The same from a text that is taken over (malloc, freed in any case). For tests and fuzzing.
int jb_trace_parse(struct jb_trace **out, const char *name, char *text, size_t n_bytes, struct jb_err *err);
void jb_trace_close(struct jb_trace *t);

// Readings of a channel, in the order of their ends.
size_t jb_trace_count(const struct jb_trace *t, size_t channel);
void jb_trace_reading(const struct jb_trace *t, size_t channel, size_t i, struct jb_reading *out);

#endif
