// Shared by the files that turn the result model into JSON and back. Private to reports/.
#ifndef JB_REPORTS_CODEC_H
#define JB_REPORTS_CODEC_H

#include "base/json.h"
#include "reports/result.h"

// Reading: the document (for lines in errors), the result that owns what is read, where errors go.
struct jb_codec_in {
    const struct jb_json_doc *doc;
    struct jb_result *r;
    struct jb_err *err;
};
// Writing: a sticky flag, checked once at the end.
struct jb_codec_out { bool failed; };

// Readers. Every key must be there; null gives NAN, NULL or 0. All return 0 or a JB_E_* code with file, line and key in the error.
int jb_in_num(const struct jb_codec_in *in, const cJSON *o, const char *key, double min, double max, double *out);
int jb_in_text(const struct jb_codec_in *in, const cJSON *o, const char *key, const char **out);
int jb_in_count(const struct jb_codec_in *in, const cJSON *o, const char *key, uint64_t *out);
int jb_in_array(const struct jb_codec_in *in, const cJSON *o, const char *key, const cJSON **out, size_t max);
int jb_in_object(const struct jb_codec_in *in, const cJSON *o, const char *key, const cJSON **out);
int jb_in_interval(const struct jb_codec_in *in, const cJSON *o, const char *key, double *lower, double *upper); // [lower, upper] or null
int jb_in_kv(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_kv **out, size_t *n);      // {name: text}
int jb_in_kd(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_kd **out, size_t *n);      // {name: number}
int jb_in_kv_of(const struct jb_codec_in *in, const cJSON *object, const char *skip, struct jb_kv **out, size_t *n); // numbers become text
int jb_in_bad(const struct jb_codec_in *in, const cJSON *o, const char *key, const char *what);

// Writers.
void jb_out_num(struct jb_codec_out *w, cJSON *o, const char *key, double value);
void jb_out_text(struct jb_codec_out *w, cJSON *o, const char *key, const char *value);
void jb_out_count(struct jb_codec_out *w, cJSON *o, const char *key, uint64_t value); // UINT64_MAX: null
void jb_out_null(struct jb_codec_out *w, cJSON *o, const char *key);
cJSON *jb_out_object(struct jb_codec_out *w, cJSON *o, const char *key);
cJSON *jb_out_array(struct jb_codec_out *w, cJSON *o, const char *key);
cJSON *jb_out_item(struct jb_codec_out *w, cJSON *array);                 // appends an object
void jb_out_push_num(struct jb_codec_out *w, cJSON *array, double value); // appends a number (NAN: null)
void jb_out_interval(struct jb_codec_out *w, cJSON *o, const char *key, double lower, double upper); // null when both are missing
void jb_out_kv(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_kv *kv, size_t n);
void jb_out_kd(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_kd *kd, size_t n);

// One cell (reports/cell_json.c), and the parts of a cell that are objects or arrays (reports/cell_parts.c).
void jb_cell_to_json(struct jb_codec_out *w, cJSON *o, const struct jb_result_cell *c);
int jb_cell_from_json(const struct jb_codec_in *in, const cJSON *o, struct jb_result_cell *c);

typedef void (*jb_part_out)(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c);
typedef int (*jb_part_in)(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c);
#define JB_PART(name) \
    void jb_out_##name(struct jb_codec_out *w, cJSON *o, const char *key, const struct jb_result_cell *c); \
    int jb_in_##name(const struct jb_codec_in *in, const cJSON *o, const char *key, struct jb_result_cell *c);
JB_PART(policy_params)
JB_PART(thresholds)
JB_PART(status)
JB_PART(accuracy)
JB_PART(quality)
JB_PART(latency)
JB_PART(macs_by_precision)
JB_PART(exit_histogram)
JB_PART(exits)
JB_PART(precision_histogram)
JB_PART(memory)
JB_PART(instructions)
JB_PART(overthinking)
JB_PART(energy)
JB_PART(modelled)
JB_PART(others)
JB_PART(blocks)
JB_PART(tokens) // reports/cell_language.c, to fill
JB_PART(ttft)
JB_PART(tpot)
JB_PART(ppl)
JB_PART(deferred)
JB_PART(kv_kind)
JB_PART(fill)
#undef JB_PART

// Adds "reasons": {path: text} for everything in the cell's object that is null (reports/reasons.c).
void jb_out_reasons(struct jb_codec_out *w, cJSON *cell, const struct jb_result_cell *c);
// The reason that is given for a path, or NULL.
const char *jb_cell_reason(const struct jb_result_cell *c, const char *path);

// The run's meter (reports/power_json.c).
void jb_power_to_json(struct jb_codec_out *w, cJSON *root, const struct jb_result_power *m);
int jb_power_from_json(const struct jb_codec_in *in, const cJSON *root, struct jb_result_power *m); // absent: not known

// The run's checks (reports/validity_json.c).
void jb_validity_to_json(struct jb_codec_out *w, cJSON *root, const struct jb_result_validity *v);
int jb_validity_from_json(const struct jb_codec_in *in, const cJSON *root, struct jb_result_validity *v); // absent: not known

// The whole document as a tree: owned by the caller (cJSON_Delete); NULL on out of memory.
cJSON *jb_result_to_json(const struct jb_result *r);

#endif
