// Hashes by libsodium: SHA-256, in hex. Used for identities (keys, ids), data and model hashes, journal lines.
#ifndef JB_BASE_HASH_H
#define JB_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define JB_HASH_HEX 65 // 64 digits and NUL

struct jb_hash; // opaque running hash
int jb_hash_open(struct jb_hash **out);
void jb_hash_update(struct jb_hash *h, const void *data, size_t n_bytes);
void jb_hash_finish(struct jb_hash *h, char hex[JB_HASH_HEX]); // also usable once only; close still needed
void jb_hash_close(struct jb_hash *h);                         // accepts NULL

void jb_hash_bytes(const void *data, size_t n_bytes, char hex[JB_HASH_HEX]);
int jb_hash_file(const char *path, char hex[JB_HASH_HEX], struct jb_err *err);

#endif
