// A model that remembers: the f32 kernels of a table, wrapped so that a convolution costs what the test says, less where the sample is the one of the query before. Its answers stay right, as those of
// a cache would. One wrapped table a process.
#ifndef JB_TESTS_AUDIT_MEMO_H
#define JB_TESTS_AUDIT_MEMO_H

#include "base/clock.h"
#include "kernels/kernels.h"

struct memo {
    uint64_t new_ns, same_ns;            // of one convolution: for a sample not seen in the query before, and for the same one again
    double jitter;                       // standard deviation of the logarithm of a query's cost
    struct jb_fake_clock *clock;         // time is what the convolutions cost
};
// Read by every wrapped kernel. While new_ns is set each table of kernels that is made is wrapped, and while clock is set it is the machine's: a command of the program runs the model that remembers.
extern struct memo memo;
void memo_wrap(struct jb_kernels *k);

#endif
