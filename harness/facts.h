// What the journal says about a cell, a calibration, a recording and a block: plain data, and the lines that carry it.
#ifndef JB_HARNESS_FACTS_H
#define JB_HARNESS_FACTS_H

#include "base/joules.h"
#include "harness/plan_data.h"
#include "harness/store.h"
#include "reports/result.h"

#define JB_ID_HEX 17                 // 16 hex digits and NUL
#define JB_FACTS_MAX_QUALITY 8

// Answers given at one exit of a cell. Costs are per query answered there, heads looked at on the way included.
struct jb_exit_fact { uint64_t count, correct; double macs[JB_PREC_COUNT], bytes[JB_PREC_COUNT], stages[JB_PREC_COUNT]; };

// A cell after its accuracy pass; or with a status and reason why it has none.
struct jb_facts {
    char id[JB_ID_HEX], key[JB_ID_HEX];
    char label[192], workload[64], model[112], precision[96], policy[32], role[12], unit[16];
    struct jb_request_number { char name[32]; double value; } params[JB_PLAN_MAX_PARAMS]; uint32_t n_params;
    double threshold[JB_MAX_STAGES]; uint32_t n_thresholds;
    double target_loss;              // NAN: given
    double power_limit_w;            // NAN: not an axis of the plan
    char calibration_id[JB_HASH_HEX];
    uint32_t scenario, batch, threads, streams;
    enum jb_cell_status status;
    char reason[480];
    uint64_t n, correct;             // of the accuracy pass; n counts labelled samples
    double accuracy_loss;
    struct jb_quality quality[JB_FACTS_MAX_QUALITY]; uint32_t n_quality;
    uint32_t n_exits;
    struct jb_exit_fact exits[JB_MAX_STAGES];
    double oracle_macs, wasteful, destructive, relative;
    char relative_to[112];           // whose full network is 1: "f32 NAME", or the type of its weights and its name
    double model_bytes, session_bytes, load_ns;
    char kv[8], fill[8];             // of a language model; empty: none
    double deferred_macs, deferred_bytes; // per token, of those in `exits`: done late for tokens that left early; NAN: not known
    double instructions;             // of a query (harness/instructions.h); NAN
    uint64_t instructions_queries;
    char instructions_source[12], instructions_kernels[1024], instructions_reason[320]; // all empty: nobody asked
    struct jb_raw_place samples;
    uint64_t n_samples;
};

struct jb_block_fact {
    uint32_t repetition;
    struct jb_raw_place place;
    uint64_t wall_ns, cpu_ns, n_queries, n_rows, voluntary_switches, involuntary_switches, major_faults;
    // Energy without its texts, which are the same in all blocks of a cell (kept once, see struct jb_rec_cell)
    enum jb_energy_class energy_cls, net_cls;
    uint64_t window_ns, window_rows;     // window_rows: those that the joules were drawn for, at least the recorded ones
    double uj, lower_uj, upper_uj, net_uj, net_lower_uj, net_upper_uj;
    double others, others_least;         // share of the machine's CPU time that others had, and what of it is certain; NAN: not known
    double freq_change, clock_jump_ns, steal, steal_least; // NAN: not known
    double throttles, swapped_pages, governor_changed;     // counts, 0 or 1; NAN: not known
    double reference_ns;                 // of the reference kernel behind the block; NAN: none
    uint32_t instance;                   // live: of its worker's process, counted from 0
    uint32_t attempt;                    // from 0: contaminated ones are measured again
    uint32_t invalid;                    // why it is contaminated: 1 << enum jb_check (harness/validity.h)
    bool contaminated, drift;            // drift: idle power before and after differ by more than their bounds
};

struct jb_calibration_fact {
    char key[JB_HASH_HEX], id[JB_HASH_HEX]; // key: hash of what it was computed from; id: of the thresholds file that holds it alone
    double threshold[JB_MAX_STAGES]; uint32_t n_exits;
    double loss_observed;
};

struct jb_recording_fact { char key[JB_HASH_HEX], workload[64], model[112], precision[96]; struct { char kind[24]; double accuracy, macs_mean; } oracle[2]; };

// Lines: owned by the caller, NULL on out of memory. Reading: INVALID for what no writer of ours left.
cJSON *jb_facts_to_line(const struct jb_facts *f);
int jb_facts_from_line(struct jb_facts *f, const cJSON *line, struct jb_err *err);
cJSON *jb_joules_to_json(const struct jb_joules *j);
void jb_joules_from_json(struct jb_joules *j, const cJSON *o); // what is missing: class none
bool jb_place_to_json(cJSON *o, const struct jb_raw_place *p);
int jb_place_from_json(struct jb_raw_place *p, const cJSON *o);

// Lenient readers for lines whose checksum stood: an absent or foreign value gives the neutral one.
double jb_line_num(const cJSON *o, const char *key);                       // NAN
uint64_t jb_line_u64(const cJSON *o, const char *key);                     // 0
void jb_line_text(const cJSON *o, const char *key, char *out, size_t n);   // ""

#endif
