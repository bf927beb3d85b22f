// The journal: one JSON text a line, appended and on the disk before anything that depends on it happens. Format: docs/run-directory.md.
//   {"n":12,"sha256":"<64 hex>","line":{...}}
// sha256 covers the checksum of the line before (64 zeros for the first), the number and the text of `line`: a torn, changed, lost, repeated or moved line shows.
#ifndef JB_HARNESS_JOURNAL_H
#define JB_HARNESS_JOURNAL_H

#include "base/err.h"
#include "base/hash.h"
#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#define JB_JOURNAL_MAX_LINE (8u << 20)

struct jb_journal;

// Called for each good line in order; not 0 stops the reading and is passed on. `line` is the callee's to keep (cJSON_Delete) if it sets *line to NULL.
typedef int (*jb_journal_fn)(void *user, uint64_t n, cJSON **line, struct jb_err *err);

// Reads lines from memory. *good_bytes: where the last good line ends. A bad last line is torn (a crash) and left out; a bad line with more lines
// behind it is damage: INVALID, with file, line number and reason. Stops at the first problem; what was passed to fn before stands.
int jb_journal_scan(const char *name, const char *text, size_t n_bytes, jb_journal_fn fn, void *user, size_t *good_bytes, uint64_t *n_lines, char last[JB_HASH_HEX],
                    struct jb_err *err);
// Reads a file without touching it.
int jb_journal_load(const char *path, jb_journal_fn fn, void *user, struct jb_err *err);
// Opens for appending; reads what is there, cuts a torn last line. A missing file is made.
int jb_journal_open(struct jb_journal **out, const char *path, jb_journal_fn fn, void *user, struct jb_err *err);
// Appends one line and waits until it is on the disk. On failure the file is cut back to what it was (if that can be done) and nothing was added.
int jb_journal_append(struct jb_journal *j, const cJSON *line, struct jb_err *err);
uint64_t jb_journal_lines(const struct jb_journal *j);
void jb_journal_close(struct jb_journal *j);

#endif
