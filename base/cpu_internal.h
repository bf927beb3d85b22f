// Between the files of base/cpu and their test.
#ifndef JB_BASE_CPU_INTERNAL_H
#define JB_BASE_CPU_INTERNAL_H

#include <stddef.h>
#include "base/cpu.h"

uint32_t jb_cpu_x86_detect(void); // 0 on other architectures
// Brand string without double blanks; both untouched on other architectures.
void jb_cpu_x86_describe(char *model, size_t n, bool *hypervisor);
// jb_cpu_describe with another root than /sys.
void jb_cpu_describe_at(struct jb_cpu_info *out, const char *sysfs);

#endif
