// The JSON reader: what it accepts must print, read back, and print alike.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const keys[] = {"a", "b", NULL};
    struct jb_json_doc doc, again;
    struct jb_err err;
    if (jb_json_parse(&doc, "fuzz", (const char *)data, size, &err) != JB_OK) return 0;
    jb_json_only_keys(&doc, doc.root, "the root", keys, &err);
    int64_t number;
    jb_json_get_i64(&doc, doc.root, "a", true, -5, 5, &number, &err);
    if (doc.root->child) jb_json_line_of(&doc, doc.root->child);
    char *one = jb_json_canonical(doc.root), *pretty = jb_json_pretty(doc.root);
    if (!one || !pretty || jb_json_parse(&again, "again", pretty, strlen(pretty), &err) != JB_OK) abort();
    char *two = jb_json_canonical(again.root);
    if (!two || strcmp(one, two) != 0) abort();
    free(one);
    free(two);
    free(pretty);
    jb_json_close(&doc);
    jb_json_close(&again);
    return 0;
}
