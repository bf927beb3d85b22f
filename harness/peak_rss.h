// Inside the harness: peak memory of this process.
#ifndef JB_HARNESS_PEAK_RSS_H
#define JB_HARNESS_PEAK_RSS_H

#include <stdint.h>

// VmHWM of /proc/self/status (proc_pid_status(5)), which counts from this program's start; ru_maxrss of getrusage(2) keeps the peak of what was there before exec. 0: not known.
uint64_t jb_peak_rss_bytes(void);

#endif
