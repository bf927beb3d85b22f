// Small shared types of the runtime: precision, cost, shape.
#ifndef JB_RUNTIME_TENSOR_H
#define JB_RUNTIME_TENSOR_H

#include <stdint.h>

// Precision of the arithmetic of a stage. int4: 4-bit weights (8-bit where a channel has less than one group of them), 8-bit activations.
enum jb_precision { JB_PREC_F32, JB_PREC_INT8, JB_PREC_INT4, JB_PREC_COUNT };
const char *jb_precision_name(int p);       // "f32", "int8", "int4"
int jb_precision_parse(const char *name);   // -1 when unknown

// What something costs: multiply-accumulates and bytes of weights (later KV) read, per precision. Activations are not counted.
struct jb_cost { uint64_t macs[JB_PREC_COUNT], bytes[JB_PREC_COUNT]; };
void jb_cost_add(struct jb_cost *sum, const struct jb_cost *c);
uint64_t jb_cost_macs(const struct jb_cost *c);
uint64_t jb_cost_bytes(const struct jb_cost *c);

struct jb_shape { int32_t h, w, c; };

#define JB_MAX_STAGES 16
#define JB_MAX_CLASSES 4096

#endif
