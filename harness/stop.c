#include "harness/stop.h"

#include "base/stats.h"
#include <math.h>

#define ALPHA 0.05

size_t jb_stop_looks(uint32_t planned, uint32_t out[JB_STOP_MAX_LOOKS])
{
    size_t n = 0;
    for (uint64_t at = JB_STOP_LEAST_BLOCKS; at < planned && n < JB_STOP_MAX_LOOKS - 1; at = (at * 3 + 1) / 2) out[n++] = (uint32_t)at;
    if (planned) out[n++] = planned;
    return n;
}

bool jb_stop_is_look(uint32_t planned, uint32_t n)
{
    uint32_t look[JB_STOP_MAX_LOOKS];
    size_t looks = jb_stop_looks(planned, look);
    for (size_t i = 0; i + 1 < looks; i++)
        if (look[i] == n) return true;
    return false;
}

static double spent(double share) { return ALPHA * log(1 + (exp(1) - 1) * share); }

double jb_stop_confidence(uint32_t planned, uint32_t n)
{
    uint32_t look[JB_STOP_MAX_LOOKS];
    size_t looks = jb_stop_looks(planned, look);
    double before = 0;
    for (size_t i = 0; i < looks; i++) {
        double by = spent((double)look[i] / planned);
        if (n <= look[i] || i + 1 == looks) return 1 - (by - before);
        before = by;
    }
    return 1 - ALPHA;
}

double jb_stop_half_width(const double *x, size_t n, double confidence)
{
    double mean = jb_mean(x, n), squares = 0;
    for (size_t i = 0; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
    if (n < 2 || !(mean > 0)) return NAN;
    return jb_student_t(confidence, (double)n - 1) * sqrt(squares / (double)(n - 1) / (double)n) / mean;
}
