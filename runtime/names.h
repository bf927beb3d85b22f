// Inside the runtime: from a name to its index. Open addressing; the names are borrowed.
#ifndef JB_RUNTIME_NAMES_H
#define JB_RUNTIME_NAMES_H

#include <stddef.h>
#include <stdint.h>

#define JB_NO_INDEX UINT32_MAX

struct jb_name_slot { const char *name; uint32_t index; };
struct jb_names { struct jb_name_slot *slots; uint32_t n, n_slots; }; // zero is an empty set

// 0 when added, JB_E_EXISTS when the name is there already, JB_E_NOMEM. name: borrowed, NUL-terminated.
int jb_names_add(struct jb_names *s, const char *name, uint32_t index);
uint32_t jb_names_find(const struct jb_names *s, const char *name); // JB_NO_INDEX: none
void jb_names_free(struct jb_names *s);

#endif
