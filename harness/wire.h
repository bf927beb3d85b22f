// Inside the harness: JSON texts, one a line, between a worker and the process that leads it; and a block as such a text.
#ifndef JB_HARNESS_WIRE_H
#define JB_HARNESS_WIRE_H

#include "base/json.h"
#include "harness/host.h"

#define JB_WORKER_SCHEMA "joulebench.worker/1"
#define JB_WIRE_MAX_BYTES (512u << 20)

// Reads lines from a descriptor. Fill with {.fd = fd}; free the buffer with jb_wire_free.
struct jb_wire { int fd; char *text; size_t n, room, taken; };
// The next line, parsed; owned by *out. timeout_ns 0: waits without end. NOT_FOUND: the other side has closed (nothing, or half a line, is left); UNAVAILABLE: nothing came in time; INVALID.
int jb_wire_read(struct jb_wire *w, uint64_t timeout_ns, struct jb_json_doc *out, struct jb_err *err);
void jb_wire_free(struct jb_wire *w);
// Writes a line, whole; frees the value. NULL is NOMEM.
int jb_wire_write(int fd, cJSON *line, struct jb_err *err);

bool jb_wire_put_bytes(cJSON *o, const char *key, const uint8_t *bytes, size_t n_bytes); // base64
int jb_wire_get_bytes(const struct jb_json_doc *doc, const cJSON *o, const char *key, uint8_t **out, size_t *n_bytes, struct jb_err *err); // owned
cJSON *jb_wire_block(const struct jb_block *b); // owned; NULL: out of memory
int jb_wire_to_block(struct jb_block *out, const struct jb_json_doc *doc, const cJSON *o, struct jb_err *err);

#endif
