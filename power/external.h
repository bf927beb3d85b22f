// Inside power: the stream of an outside meter, line by line.
#ifndef JB_POWER_EXTERNAL_H
#define JB_POWER_EXTERNAL_H

#include "power/source.h"

#define JB_EXTERNAL_LINE_MOST 128 // bytes; a longer line is dropped and counted

enum jb_external_kind {
    JB_EXTERNAL_EMPTY,        // nothing, or a comment
    JB_EXTERNAL_WATTS_HEADER, // "timestamp_ns,watts"
    JB_EXTERNAL_JOULES_HEADER,
    JB_EXTERNAL_VALUE,
    JB_EXTERNAL_GARBAGE,
};
struct jb_external_line {
    enum jb_external_kind kind;
    uint64_t stamp_ns;
    uint64_t micro;           // microwatts or microjoules; digits beyond the sixth are cut off
    int digits;               // behind the point, at most 6
};
// Takes a line without its newline (a carriage return before it is allowed). A value is "DIGITS,DIGITS[.DIGITS]": no sign, no exponent, no blank, no padding.
void jb_external_parse(const char *text, size_t n_bytes, struct jb_external_line *out);

// What happened to the lines so far.
struct jb_external_counts {
    uint64_t values;       // delivered
    uint64_t late;         // of these: came long after their stamp
    uint64_t missing;      // gaps of more than 4 usual periods
    uint64_t out_of_order; // dropped: not behind the one before
    uint64_t ahead;        // dropped: stamped more than a second after now
    uint64_t garbage, overlong; // dropped
    uint64_t writers_gone; // a FIFO's writer closed it
    uint64_t restarted;    // the file was cut or replaced
    uint64_t clock_steps;  // CLOCK_REALTIME was set
};
// impl is jb_source_external's.
void jb_external_counts(void *impl, struct jb_external_counts *out);
// For tests: another CLOCK_REALTIME, and the meter's clock is taken for the system's.
void jb_external_set_realtime(void *impl, uint64_t (*realtime_ns)(void *self), void *self);

#endif
