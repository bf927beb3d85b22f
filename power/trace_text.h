// Inside power: the words of a trace, shared by its writer (record.c) and its reader (trace.c). The format stands in docs/measuring-energy.md.
#ifndef JB_POWER_TRACE_TEXT_H
#define JB_POWER_TRACE_TEXT_H

#include "base/strbuf.h"
#include "power/source.h"

#define JB_TRACE_MAGIC "# joulebench.trace/2"
#define JB_TRACE_COLUMNS "begin_ns,end_ns,channel,reading"

// One table describes what a line of the header holds: `# source KEY=VALUE ...` and `# channel N KEY=VALUE ...`.
enum jb_trace_type {
    JB_TRACE_TEXT,     // char[room], quoted
    JB_TRACE_CONSTANT, // const char *, quoted; left out when NULL; at most `room` with its NUL
    JB_TRACE_U64,
    JB_TRACE_F64,
    JB_TRACE_INT,      // -1 or more
    JB_TRACE_FLAG,     // bool: the word alone means true
    JB_TRACE_KIND,     // enum jb_channel_kind: energy or power
    JB_TRACE_CLASS,    // enum jb_energy_class by its name
};
struct jb_trace_field { const char *key; enum jb_trace_type type; size_t offset, room; bool required; double most; }; // most: of a number, so that nothing overflows on it; 0: its type's

// What a trace says of its source beside the channels.
struct jb_trace_head {
    char name[32], root[128], remark[160];
    enum jb_energy_class cls;
    uint64_t sampler_period_ns, settle_most_ns;
    uint64_t opened_ns;      // of the clock that the readings are of
    uint64_t realtime_ns;    // CLOCK_REALTIME at the same moment
};

#define JB_TRACE_MAX_FIELDS 20
#define JB_TRACE_MAX_W 1e12 // of a single reading
#define JB_TRACE_MAX_CONSTANT 160
extern const struct jb_trace_field jb_trace_head_fields[], jb_trace_channel_fields[]; // end with key NULL; of struct jb_trace_head and struct jb_channel

// " KEY=VALUE" for each field. A number that is none (NAN) is written as 0: not known; one beyond its most as that.
void jb_trace_put_fields(struct jb_str *out, const struct jb_trace_field *fields, const void *object);

// "..." with \" \\ and \xHH for what is not printable ASCII.
void jb_trace_put_quoted(struct jb_str *out, const char *text);
// The inverse, from the quote at *at to behind the closing one; INVALID: not so written, or more than room - 1 bytes.
int jb_trace_get_quoted(const char **at, const char *end, char *out, size_t room);

// A finite number of 0 or more as C's %.17g writes it, all of the text. INVALID: anything else.
int jb_trace_get_f64(const char *text, size_t n_bytes, double *out);

// "ENODATA"; a number where the C library knows no name; EIO for what is no errno.
void jb_errno_name(int errnum, char out[24]);
// 0: no such name.
int jb_errno_of_name(const char *name, size_t n_bytes);

#endif
