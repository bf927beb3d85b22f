// Fuzz target: an IDX file of any bytes is read or refused, and what was read can be used to its last item.
#include <stdlib.h>
#include "workloads/array.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct jb_array a;
    struct jb_err err = { 0 };
    char text[64];
    int rc = jb_idx_parse(&a, "fuzz.idx", data, n, &err);
    if (rc < 0) {
        if (err.code != rc || err.detail[0] == '\0')
            abort(); // every refusal says why
        return 0;
    }
    int64_t sum = 0;
    for (uint64_t i = 0; i < a.n_items && a.type.kind != 'f'; i++)
        sum ^= jb_array_int(&a, i);
    if (a.n_items && a.data + a.n_items * a.type.item_bytes != data + n)
        abort();
    jb_array_describe(&a, text, sizeof text);
    return sum == 1 && text[0] == '\0';
}
