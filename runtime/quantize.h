// A GGUF file's weights in another type. What is a weight, and its bits, are llama.cpp's `llama-quantize --pure`: tensors of two or more dimensions whose name ends with "weight", but for
// norms ("_norm.weight") and the few small ones that it leaves alone. Everything else is copied. Same input, same bytes, on every machine.
#ifndef JB_RUNTIME_QUANTIZE_H
#define JB_RUNTIME_QUANTIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct jb_quantized_tensor {
    char *name;               // owned by the report
    uint32_t from, to;        // enum jb_ggml_type; equal: copied
    uint64_t bytes_from, bytes_to;
    bool weight;              // to be narrowed
    bool short_rows;          // a weight whose rows are no whole blocks of the wanted type: f16 instead
    bool requantized;         // narrowed from a type that had lost precision by blocks already
};

struct jb_quantize_report {
    struct jb_quantized_tensor *tensors; // in the file's order
    size_t n_tensors;
    size_t n_weights, n_changed, n_requantized, n_short_rows; // weights; of these: not copied; ...
    uint64_t bytes_from, bytes_to; // of the files
};

// Writes `out` atomically. type: "q8_0", "q4_0" or "f16" (UNSUPPORTED else). stop: NULL, or a flag that ends the work with INTERRUPTED and no trace.
// Errors: INVALID when `in` and `out` are one file, or a value is NaN, infinite or too large for the type; UNSUPPORTED for a weight whose type this build cannot read; what reading and
// writing bring. Memory: metadata and a megabyte; `in` is mapped.
int jb_quantize_file(const char *in, const char *out, const char *type, const volatile int *stop, struct jb_quantize_report *report, struct jb_err *err);
void jb_quantize_report_free(struct jb_quantize_report *r);

#endif
