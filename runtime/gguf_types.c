// The types of GGUF: sizes and names of metadata values. Tensor types have a table of their own, in blocks.c.
#include "runtime/blocks.h"
#include "runtime/gguf_file.h"

static const struct { const char *name; uint8_t bytes; } value_types[] = {
    [JB_GGUF_U8] = { "u8", 1 },   [JB_GGUF_I8] = { "i8", 1 },   [JB_GGUF_U16] = { "u16", 2 },      [JB_GGUF_I16] = { "i16", 2 },
    [JB_GGUF_U32] = { "u32", 4 }, [JB_GGUF_I32] = { "i32", 4 }, [JB_GGUF_F32] = { "f32", 4 },      [JB_GGUF_BOOL] = { "bool", 1 },
    [JB_GGUF_STRING] = { "string", 0 }, [JB_GGUF_ARRAY] = { "array", 0 }, [JB_GGUF_U64] = { "u64", 8 }, [JB_GGUF_I64] = { "i64", 8 },
    [JB_GGUF_F64] = { "f64", 8 },
};

size_t jb_gguf_type_bytes(uint32_t type)
{
    return type < sizeof value_types / sizeof *value_types ? value_types[type].bytes : 0;
}

const char *jb_gguf_type_name(uint32_t type)
{
    return type < sizeof value_types / sizeof *value_types ? value_types[type].name : "unknown type";
}

bool jb_ggml_block(uint32_t type, uint32_t *values, uint32_t *bytes)
{
    const struct jb_block_type *t = jb_block_type(type);
    if (!t)
        return false;
    *values = t->values;
    *bytes = t->bytes;
    return true;
}

// Length of the well-formed sequence at s (n bytes left), 0 if there is none.
static size_t utf8_length(const unsigned char *s, size_t n)
{
    if (s[0] < 0x80)
        return s[0] != 0;
    size_t need = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || n < need)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    // Overlong forms, surrogates, and beyond U+10FFFF.
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return need;
}

bool jb_utf8_text(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        size_t step = utf8_length((const unsigned char *)s + i, n - i);
        if (!step)
            return false;
        i += step;
    }
    return true;
}
