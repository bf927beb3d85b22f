#include "runtime/tensor.h"

#include <string.h>

static const char *const names[JB_PREC_COUNT] = { "f32", "int8", "int4" };

const char *jb_precision_name(int p)
{
    return p >= 0 && p < JB_PREC_COUNT ? names[p] : "unknown";
}

int jb_precision_parse(const char *name)
{
    for (int p = 0; p < JB_PREC_COUNT; p++)
        if (strcmp(name, names[p]) == 0)
            return p;
    return -1;
}

void jb_cost_add(struct jb_cost *sum, const struct jb_cost *c)
{
    for (int p = 0; p < JB_PREC_COUNT; p++) {
        sum->macs[p] += c->macs[p];
        sum->bytes[p] += c->bytes[p];
    }
}

uint64_t jb_cost_macs(const struct jb_cost *c)
{
    uint64_t n = 0;
    for (int p = 0; p < JB_PREC_COUNT; p++)
        n += c->macs[p];
    return n;
}

uint64_t jb_cost_bytes(const struct jb_cost *c)
{
    uint64_t n = 0;
    for (int p = 0; p < JB_PREC_COUNT; p++)
        n += c->bytes[p];
    return n;
}
