// What `inspect` says of a language model beside stages: its sizes, the types of its tensors, what a position costs in memory. The numbers come from the standard keys,
// which begin with the architecture's name.
#include <stdio.h>
#include <string.h>

#include "cli/inspect.h"
#include "cli/output.h"
#include "kernels/rows.h"
#include "reports/report.h"
#include "runtime/blocks.h"
#include "runtime/gguf.h"
#include "runtime/session.h"

struct language { uint64_t layers, width, heads, kv_heads, head_size, feed_forward, kv_bytes[JB_KV_COUNT]; bool tied; };

static uint64_t number(const struct jb_model_info *i, const char *key, uint64_t otherwise)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", i->architecture, key);
    (void)jb_gguf_u64(i->file, name, &otherwise, NULL);
    return otherwise;
}

// False: no model of layers and heads.
static bool read_language(const struct jb_model_info *i, struct language *out)
{
    struct language l = { .layers = number(i, "block_count", 0), .width = number(i, "embedding_length", 0), .heads = number(i, "attention.head_count", 0),
                          .feed_forward = number(i, "feed_forward_length", 0) };
    if (i->row_kind != JB_ROW_POSITION || !l.layers || !l.heads)
        return false;
    l.kv_heads = number(i, "attention.head_count_kv", l.heads);
    l.head_size = number(i, "attention.key_length", l.width / l.heads);
    l.tied = !jb_gguf_tensor(i->file, "output.weight");
    for (int k = 0; k < JB_KV_COUNT; k++) // a block's worth of positions, since they lie in blocks
        l.kv_bytes[k] = l.layers * jb_kv_bytes((enum jb_kv_kind)k, (int32_t)l.kv_heads, (int32_t)l.head_size, 1024) / 1024;
    *out = l;
    return true;
}

static void print_types(const struct jb_gguf *g)
{
    const struct jb_block_type *t;
    const char *before = "";
    printf("%-13s ", "tensors");
    for (size_t k = 0; (t = jb_block_type_at(k)); k++) {
        size_t n = 0;
        uint64_t bytes = 0;
        char text[24];
        const struct jb_gguf_tensor *tensor;
        for (size_t i = 0; (tensor = jb_gguf_tensor_at(g, i)); i++) {
            n += tensor->type == t->type;
            bytes += tensor->type == t->type ? tensor->n_bytes : 0;
        }
        jb_fmt_bytes(text, (double)bytes);
        if (n)
            printf("%s%zu %s (%s)", before, n, t->name, text);
        before = n ? ", " : before;
    }
    printf("\n");
}

void cli_inspect_language(const struct jb_model_info *i)
{
    struct language l;
    char f16[24], int8[24];
    printf("%-13s one token a row, at most %u positions of one sequence\n", "input", i->max_positions);
    printf("%-13s %u tokens\n", "vocabulary", i->n_classes);
    if (!read_language(i, &l))
        return;
    printf("%-13s %llu of width %llu, feed-forward %llu\n", "layers", (unsigned long long)l.layers, (unsigned long long)l.width, (unsigned long long)l.feed_forward);
    printf("%-13s %llu of %llu values, %llu for K and V\n", "heads", (unsigned long long)l.heads, (unsigned long long)l.head_size, (unsigned long long)l.kv_heads);
    printf("%-13s %s\n", "output", l.tied ? "the embedding (tied)" : "a matrix of its own");
    print_types(i->file);
    jb_fmt_bytes(f16, (double)l.kv_bytes[JB_KV_F16]);
    jb_fmt_bytes(int8, (double)l.kv_bytes[JB_KV_INT8]);
    printf("%-13s %s a position as f16, %s as int8\n", "K/V", f16, int8);
}

void cli_inspect_language_json(const struct jb_model_info *i, cJSON *root)
{
    struct language l;
    if (!read_language(i, &l))
        return;
    cJSON *o = jb_json_put_object(root, "language_model");
    const struct { const char *key; uint64_t value; } numbers[] = { { "layers", l.layers }, { "width", l.width }, { "feed_forward", l.feed_forward }, { "heads", l.heads }, { "kv_heads", l.kv_heads },
                                                                     { "head_size", l.head_size }, { "vocabulary", i->n_classes }, { "max_positions", i->max_positions } };
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
        jb_json_put_u64(o, numbers[k].key, numbers[k].value);
    jb_json_put_bool(o, "tied", l.tied);
    jb_json_put_str(o, "weights", i->weights);
    cJSON *kv = jb_json_put_object(o, "kv_bytes_a_position");
    for (int k = 0; k < JB_KV_COUNT; k++)
        jb_json_put_u64(kv, jb_kv_name(k), l.kv_bytes[k]);
}
