// Stands in for libFuzzer where clang is missing: replays the files of the given directories, then runs seeded mutations of them.
// It takes libFuzzer's options; those that it does not know are ignored. A crash leaves the input in ARTIFACT_PREFIX"crash".
#include <dirent.h>
#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/rng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_INPUTS = 4096, MAX_BYTES = 1 << 20 };

struct input {
    uint8_t *data;
    size_t n;
};

struct driver {
    struct input inputs[MAX_INPUTS];
    size_t n_inputs;
    double seconds;
    uint64_t seed, executed;
    char artifact[512];
    const uint8_t *current; // the input under test
    size_t n_current;
};

static struct driver d = {.seconds = 5, .seed = 1, .artifact = "finding_crash"}; // global: the last words are spoken by a callback

static void keep_the_input(void)
{
    FILE *f = fopen(d.artifact, "wb");
    if (!f) return;
    fwrite(d.current, 1, d.n_current, f);
    fclose(f);
}

static void on_abort(int number)
{
    keep_the_input();
    signal(number, SIG_DFL);
    raise(number);
}

static void add_input(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f || d.n_inputs == MAX_INPUTS) {
        if (f) fclose(f);
        return;
    }
    uint8_t *data = malloc(MAX_BYTES);
    if (data) {
        size_t n = fread(data, 1, MAX_BYTES, f);
        d.inputs[d.n_inputs++] = (struct input){data, n};
    }
    fclose(f);
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name); // one order everywhere: the seed then means one run
}

static void add_directory(const char *path)
{
    struct dirent **names;
    int n = scandir(path, &names, NULL, compare_names);
    for (int i = 0; i < n; i++) {
        char file[1024];
        struct stat st;
        int len = snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
        if (len < (int)sizeof file && stat(file, &st) == 0 && S_ISREG(st.st_mode)) add_input(file);
        free(names[i]);
    }
    if (n >= 0) free(names);
}

static void run(const uint8_t *data, size_t n)
{
    d.current = data;
    d.n_current = n;
    // A copy of the exact size: reading one byte past it is then seen.
    uint8_t *exact = malloc(n ? n : 1);
    if (!exact) return;
    memcpy(exact, data, n);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    d.executed++;
}

// One random change in place; returns the new length.
static size_t mutate(struct jb_rng *r, uint8_t *x, size_t n, size_t room)
{
    static const uint64_t edges[] = {0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX, UINT64_MAX};
    size_t at = n ? jb_rng_below(r, n) : 0;
    switch (jb_rng_below(r, 7)) {
    case 0: if (n) x[at] ^= (uint8_t)(1u << jb_rng_below(r, 8)); return n;
    case 1: if (n) x[at] = (uint8_t)jb_rng_u64(r); return n;
    case 2: return jb_rng_below(r, n + 1); // cut
    case 3: { // an edge value over 1, 2, 4 or 8 bytes
        size_t width = (size_t)1 << jb_rng_below(r, 4);
        uint64_t v = edges[jb_rng_below(r, sizeof edges / sizeof edges[0])];
        if (at + width <= n) memcpy(x + at, &v, width);
        return n;
    }
    case 4: { // a run is doubled
        size_t len = n ? jb_rng_below(r, n - at) + 1 : 0;
        if (n + len > room) return n;
        memmove(x + at + len, x + at, n - at);
        return n + len;
    }
    case 5: { // a run is taken out
        size_t len = n ? jb_rng_below(r, n - at) + 1 : 0;
        memmove(x + at, x + at + len, n - at - len);
        return n - len;
    }
    default:
        if (n == room) return n;
        memmove(x + at + 1, x + at, n - at);
        x[at] = (uint8_t)jb_rng_u64(r);
        return n + 1;
    }
}

static void run_mutations(void)
{
    static uint8_t x[MAX_BYTES];
    struct jb_rng r;
    jb_rng_seed(&r, d.seed);
    time_t end = time(NULL) + (time_t)d.seconds;
    while (time(NULL) < end) {
        struct input *from = d.n_inputs ? &d.inputs[jb_rng_below(&r, d.n_inputs)] : NULL;
        size_t n = from ? from->n : 0;
        if (from) memcpy(x, from->data, n);
        for (uint64_t k = 1 + jb_rng_below(&r, 6); k > 0; k--) n = mutate(&r, x, n, sizeof x);
        run(x, n);
    }
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-max_total_time=", 16) == 0) d.seconds = atof(argv[i] + 16);
        else if (strncmp(argv[i], "-seed=", 6) == 0) d.seed = strtoull(argv[i] + 6, NULL, 10);
        else if (strncmp(argv[i], "-artifact_prefix=", 17) == 0) snprintf(d.artifact, sizeof d.artifact, "%scrash", argv[i] + 17);
        else if (argv[i][0] != '-') add_directory(argv[i]);
    }
    __sanitizer_set_death_callback(keep_the_input);
    signal(SIGABRT, on_abort);
    run((const uint8_t *)"", 0);
    for (size_t i = 0; i < d.n_inputs; i++) run(d.inputs[i].data, d.inputs[i].n);
    run_mutations();
    for (size_t i = 0; i < d.n_inputs; i++) free(d.inputs[i].data);
    printf("stat::number_of_executed_units: %llu\n", (unsigned long long)d.executed);
    return 0;
}
