// JSON on top of cJSON: strict reading with paths and lines in errors, stable writing.
// cJSON prints NaN as null and rounds 64-bit integers: epoch nanoseconds and hashes go in as strings; NAN is written as null on purpose.
#ifndef JB_BASE_JSON_H
#define JB_BASE_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

// A parsed document that remembers its text, so that an error can name the line of a key.
struct jb_json_doc {
    cJSON *root;
    char *text;       // owned
    char name[256];   // file name for messages
};

// Refuses: more than max_bytes, trailing garbage, duplicate keys in an object, nesting deeper than 64, NaN or Inf, invalid UTF-8.
int jb_json_read(struct jb_json_doc *out, const char *path, size_t max_bytes, struct jb_err *err);
int jb_json_parse(struct jb_json_doc *out, const char *name, const char *text, size_t n_bytes, struct jb_err *err);
void jb_json_close(struct jb_json_doc *doc);
// Line (from 1) where `key` of object `object` stands in the text; 0 if not found.
int jb_json_line(const struct jb_json_doc *doc, const cJSON *object, const char *key);

// Line where the value `item` itself stands (an array's element, say); 0 if it is not in the document.
int jb_json_line_of(const struct jb_json_doc *doc, const cJSON *item);

// Fails with "NAME:LINE: unknown key "x" in PLACE (known: a, b, c)" if the object holds a key that is not in the NULL-terminated list.
int jb_json_only_keys(const struct jb_json_doc *doc, const cJSON *object, const char *place, const char *const *keys, struct jb_err *err);
// Typed reads; `required` false leaves *out untouched when the key is absent. A wrong type or range is an error that names file, line, key.
int jb_json_get_str(const struct jb_json_doc *doc, const cJSON *o, const char *key, bool required, const char **out, struct jb_err *err);
int jb_json_get_f64(const struct jb_json_doc *doc, const cJSON *o, const char *key, bool required, double min, double max, double *out, struct jb_err *err);
int jb_json_get_i64(const struct jb_json_doc *doc, const cJSON *o, const char *key, bool required, int64_t min, int64_t max, int64_t *out, struct jb_err *err);
// 64-bit integers beyond 2^53 are read from a string of digits, as jb_json_put_u64 writes them.
int jb_json_get_u64(const struct jb_json_doc *doc, const cJSON *o, const char *key, bool required, uint64_t min, uint64_t max, uint64_t *out, struct jb_err *err);
int jb_json_get_bool(const struct jb_json_doc *doc, const cJSON *o, const char *key, bool required, bool *out, struct jb_err *err);

// Writers. A key of NULL appends to an array; `o` NULL is answered with false, so that one check at the end of a chain is enough. A NAN becomes null. 64-bit integers are exact up to 2^53, beyond that a string.
bool jb_json_put_str(cJSON *o, const char *key, const char *value);   // NULL value -> null
bool jb_json_put_f64(cJSON *o, const char *key, double value);        // the printers below write the shortest text that reads back equal
bool jb_json_put_u64(cJSON *o, const char *key, uint64_t value);
bool jb_json_put_bool(cJSON *o, const char *key, bool value);
bool jb_json_put_null(cJSON *o, const char *key);
cJSON *jb_json_put_object(cJSON *o, const char *key);                 // NULL on out of memory
cJSON *jb_json_put_array(cJSON *o, const char *key);
// Canonical text (keys sorted bytewise at every level, no white space): what identities hash. Owned by the caller (free); NULL on out of memory.
char *jb_json_canonical(const cJSON *value);
// (jb_json_canonical and jb_json_pretty print trees up to 200 levels deep; NULL beyond.)
// Pretty text with a final newline, owned by the caller.
char *jb_json_pretty(const cJSON *value);

#endif
