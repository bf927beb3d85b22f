// Inside power: the rows of the table, and what they share.
#ifndef JB_POWER_SOURCES_H
#define JB_POWER_SOURCES_H

#include "power/power.h"

extern const struct jb_power_ops jb_power_powercap, jb_power_papi, jb_power_replay, jb_power_none;

#include "power/source.h"

// Fails a read: fills the record (class none, this reason) and returns the code.
__attribute__((format(printf, 4, 5))) int jb_read_failed(struct jb_joules *out, int code, const char *source, const char *format, ...);

#endif
