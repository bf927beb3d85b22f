// Strict grammar of RFC 8259 over a text, with our limits on top. Internal to base/json*.
#ifndef JB_BASE_JSON_SCAN_H
#define JB_BASE_JSON_SCAN_H

#include <stddef.h>
#include "base/err.h"

enum { JB_JSON_MAX_DEPTH = 64, JB_JSON_MAX_NUMBER = 60 }; // cJSON reads no more than 63 characters of a number

// Checks the whole text (a NUL stands at text[n]). On failure the detail says NAME:LINE:COLUMN and what is wrong.
int jb_json_scan(const char *name, const char *text, size_t n, struct jb_err *err);
int jb_json_line_at(const char *text, const char *at); // from 1
// Steps over a valid text: white space; a string (from its quote to behind the closing one); any value.
const char *jb_json_skip_space(const char *p);
const char *jb_json_skip_string(const char *p);
const char *jb_json_skip_scalar(const char *p);

#endif
