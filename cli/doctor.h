// What doctor finds out besides the CPU and the power sources.
#ifndef JB_CLI_DOCTOR_H
#define JB_CLI_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include "harness/noise.h"

struct cli_library { const char *name; char version[64]; const char *use; };
// Fills out (room for 8), returns their number.
size_t cli_doctor_libraries(struct cli_library *out);

struct cli_papi_component { char name[128]; bool enabled; char reason[1024]; };
// PAPI's own components and why they are off. Returns how many; 0 with *failed set when PAPI does not start.
size_t cli_doctor_papi(struct cli_papi_component *out, size_t room, char failed[128]);

// First line that `PROGRAM --version` prints; false when it is not there.
bool cli_doctor_program(const char *program, char *version, size_t n);

// The section that --measure adds.
void cli_doctor_print_noise(const struct jb_noise *n);

#endif
