// Inside power: writes the raw readings of a source to a trace (docs/measuring-energy.md, "Traces"), as they come.
#ifndef JB_POWER_RECORD_H
#define JB_POWER_RECORD_H

#include "power/source.h"

// Not thread-safe: the meter calls it under its lock. After a crash each line is there whole or not at all, except that the last may be torn.
struct jb_recorder;
// Makes or replaces the file and writes the header. `s` and `clock` are borrowed for this call; the channels must not change their kind and unit afterwards.
int jb_recorder_open(struct jb_recorder **out, const char *path, const struct jb_source *s, const struct jb_clock *clock, struct jb_err *err);
// Takes a reading of a channel; nothing is done with one of EAGAIN. Written once a second or when the buffer is full, by the readings' own time. Once the file could not be written
// (its end is then cut to whole lines) each call returns that code, and close tells the detail.
int jb_recorder_add(struct jb_recorder *r, size_t channel, const struct jb_reading *reading);
// Writes the rest and closes; the first failure of all. Accepts NULL.
int jb_recorder_close(struct jb_recorder *r, struct jb_err *err);

#endif
