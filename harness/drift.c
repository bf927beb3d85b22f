#include "harness/drift.h"

#include "base/stats.h"
#include <math.h>
#include <stdlib.h>

int jb_drift_median(const struct jb_rec_cell *const *cells, size_t n, double *out)
{
    size_t most = 0, known = 0;
    for (size_t i = 0; i < n; i++) most += cells[i] ? cells[i]->n_blocks : 0;
    double *ns = malloc((most + 1) * sizeof *ns);
    *out = NAN;
    if (!ns) return JB_E_NOMEM;
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; cells[i] && k < cells[i]->n_blocks; k++)
            if (cells[i]->blocks[k].reference_ns > 0) ns[known++] = cells[i]->blocks[k].reference_ns;
    if (known >= JB_DRIFT_LEAST) *out = jb_median_f64(ns, known);
    free(ns);
    return 0;
}

double jb_drift_of(const struct jb_block_fact *f, double median_ns) { return fabs(f->reference_ns - median_ns) / median_ns; }

bool jb_drift_is_invalid(const struct jb_block_fact *f, double median_ns, const struct jb_validity_limits *l) { return jb_drift_of(f, median_ns) > l->max_reference_drift; }
