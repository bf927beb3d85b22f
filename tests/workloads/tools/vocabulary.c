// vocabulary FILE [PRE]: writes the tests' tiny vocabulary. tests/golden/vocabulary.gguf is made by it (pre-tokenizer smollm).
#include <stdio.h>
#include <stdlib.h>
#include "base/fs.h"
#include "tests/workloads/vocabulary.h"

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: vocabulary FILE [PRE]\n");
        return 1;
    }
    struct vocabulary v = vocabulary_tiny(argc > 2 ? argv[2] : "smollm");
    struct jb_err err = { 0 };
    size_t n;
    void *file = vocabulary_file(&v, &n);
    int rc = jb_write_file_atomic(argv[1], file, n, &err);
    if (rc)
        fprintf(stderr, "vocabulary: %s\n", err.detail);
    free(file);
    vocabulary_free(&v);
    return rc ? 1 : 0;
}
