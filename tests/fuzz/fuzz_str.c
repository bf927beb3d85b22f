// The escapers: whatever goes in, text comes out that ends no string and breaks no encoding.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/strbuf.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require_none_of(const struct jb_str *b, const char *forbidden)
{
    for (size_t i = 0; i < b->len;) {
        size_t step = jb_utf8_step(b->s + i, b->len - i, NULL);
        if (step == 0 || (unsigned char)b->s[i] < 0x20 || strchr(forbidden, b->s[i])) abort();
        i += step;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct jb_str text = {0}, b = {0};
    jb_str_addn(&text, (const char *)data, size);
    const char *s = jb_str_get(&text);
    jb_str_add_html(&b, s);
    require_none_of(&b, "<>\"'");
    jb_str_clear(&b);
    jb_str_add_gnuplot(&b, s);
    require_none_of(&b, "\"'`{}^_@&~");
    jb_str_clear(&b);
    jb_str_add_md(&b, s);
    require_none_of(&b, "");
    jb_str_clear(&b);
    jb_str_add_csv(&b, s);
    jb_str_clear(&b);
    jb_str_add_json(&b, s);
    struct jb_json_doc doc;
    if (jb_json_parse(&doc, "escaped", jb_str_get(&b), b.len, NULL) != JB_OK) abort();
    jb_json_close(&doc);
    jb_str_free(&b);
    jb_str_free(&text);
    return 0;
}
