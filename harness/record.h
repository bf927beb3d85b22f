// What a run knows so far: the journal's lines, applied one after another. A live run applies each line that it appends, a load applies those it reads:
// results are built from this alone, so that a report after a crash says what the run itself would have said.
#ifndef JB_HARNESS_RECORD_H
#define JB_HARNESS_RECORD_H

#include "harness/facts.h"

struct jb_rec_cell {
    struct jb_facts facts;
    char stopped[200];                   // why it ended before the plan's blocks were done; empty: it did not
    struct { bool there, steady; uint64_t chunks; double elapsed_ns, p; } warm_up; // the last one
    struct jb_block_fact *blocks; uint32_t n_blocks, room;
    struct jb_joules *energy_text;       // source, root, domains, remark of its blocks; owned; NULL: no block
    char failed_reason[256];             // of the first window without a figure
    uint32_t repeated;                   // blocks measured again because the attempt before was contaminated
    bool net_known; char net_reason[256];
    uint64_t raw_end;                    // where the journaled part of its blocks file ends
};

struct jb_record {
    cJSON *run;                          // the last "run" line: names, environment, settings, plan
    char started[40], finished[40];
    cJSON *limits;                       // notes that became known later (power limits, groups), by name; also put among those of `run`. NULL: none
    cJSON *sampler;                      // what the meter's sampler did, from the last "end" line; NULL: there was none
    cJSON *machine;                      // what the machine did over the performance pass, from the last "machine" line; NULL: not known
    double peak_rss_bytes;               // of the process, from the last "end" line; 0: not known
    bool complete;                       // an "end" line said so since the last "run" line
    char **order; size_t n_order;        // ids of the cells of the last run, in the plan's order; NULL: not known yet
    struct jb_rec_cell **cells; size_t n_cells, room;
    uint32_t *table; size_t table_size;  // by id: index + 1; 0: empty
    struct jb_calibration_fact *calibrations; size_t n_calibrations;
    struct jb_recording_fact *recordings; size_t n_recordings;
};

void jb_record_free(struct jb_record *r);
// Applies a line; may keep it (sets *line to NULL). Fits jb_journal_fn with user = record.
int jb_record_apply(void *record, uint64_t n, cJSON **line, struct jb_err *err);
struct jb_rec_cell *jb_record_cell(const struct jb_record *r, const char *id); // NULL: none
const struct jb_block_fact *jb_rec_block(const struct jb_rec_cell *c, uint32_t repetition); // NULL: none
// A contaminated block is measured again, JB_MAX_REPEATS times at most.
#define JB_MAX_REPEATS 3u
bool jb_rec_needs_block(const struct jb_rec_cell *c, uint32_t repetition);
const struct jb_calibration_fact *jb_record_calibration(const struct jb_record *r, const char *key);
const struct jb_recording_fact *jb_record_recording(const struct jb_record *r, const char *key);

// Lines other than a cell's; owned, NULL on out of memory.
struct jb_block;
struct jb_around { struct jb_joules idle_before, idle_after, net; bool drift, contaminated; uint32_t attempt, invalid; }; // invalid: 1 << enum jb_check, of what it is contaminated by; // what belongs to a block beside what was measured in it
cJSON *jb_line_block(const char *id, uint32_t repetition, const struct jb_block *b, const struct jb_raw_place *place, const struct jb_around *a);
cJSON *jb_line_note(const char *name, const char *what); // a note of results, known only later
cJSON *jb_line_stopped(const char *id, const char *why);
struct jb_warm_up;
cJSON *jb_line_warm_up(const char *id, const struct jb_warm_up *w);
struct jb_machine_span;
cJSON *jb_line_machine(const struct jb_machine_span *s); // over the whole performance pass
cJSON *jb_line_verdict(const char *id, enum jb_cell_status status, const char *reason);
cJSON *jb_line_calibration(const struct jb_calibration_fact *c, const char *policy, const char *precision, double target_loss);
cJSON *jb_line_recording(const struct jb_recording_fact *r);
cJSON *jb_line_cells(const char *const *ids, size_t n);
struct jb_sampler_stats;
cJSON *jb_line_end(bool complete, const char *finished, uint64_t peak_rss_bytes, const struct jb_sampler_stats *sampler);

// Appends to the store's journal, then applies: what is known is what is on the disk. Frees the line; NULL is NOMEM.
int jb_record_write(struct jb_record *r, struct jb_store *s, cJSON *line, struct jb_err *err);

#endif
