// Inside power: what a hwmon directory (/sys/class/hwmon or one that looks like it) offers of energy and power, and which of it may be added.
#ifndef JB_POWER_HWMON_H
#define JB_POWER_HWMON_H

#include "power/source.h"

#define JB_HWMON_MAX 512 // channels that are looked at (amd_energy has one a core); the first JB_SOURCE_MAX_CHANNELS are opened, those that are summed before the others

enum jb_hwmon_kind {
    JB_HWMON_ENERGY,        // energyN_input, microjoules
    JB_HWMON_AVERAGE,       // powerN_average, microwatts, the mean over powerN_average_interval
    JB_HWMON_INPUT,         // powerN_input, microwatts
    JB_HWMON_PRODUCT,       // inN_input (mV) x currN_input (mA)
    JB_HWMON_MILLIWATTS,    // in_powerN_input, milliwatts (drivers of older Jetson boards)
};

struct jb_hwmon_found {
    enum jb_hwmon_kind kind;
    unsigned index;
    char dir[192];          // where its files lie
    char hwmon[24];         // "hwmon3", or the device's name on its bus
    char chip[32];          // "ina3221"
    char label[40];         // as the driver says, made safe; empty: none
    char name[40];          // label, else "chip:power1"; unique
    bool battery;           // the chip of a battery or a charger
    const char *excluded;   // why it is not summed (a constant); NULL: it is
};

struct jb_hwmon_list { struct jb_hwmon_found at[JB_HWMON_MAX]; size_t n; bool no_memory; }; // no_memory: it is not complete

// Looks below dir for hwmonN directories (and for devices of the driver ina3221x, if dir's last part is that). Returns 0 or the errno of reading dir; ENOMEM: the list is not complete.
int jb_hwmon_find(struct jb_hwmon_list *list, const char *dir);
// "energy3_input", "in1_input": the file to show for a channel, and its second one (currN_input) or NULL.
void jb_hwmon_files(const struct jb_hwmon_found *f, char first[40], char second[40], bool *two);
bool jb_hwmon_is_energy(const struct jb_hwmon_found *f);

// Decides what is summed: fills `excluded`. Returns false when nothing is; `why` then says so in words.
bool jb_hwmon_choose(struct jb_hwmon_list *list, const struct jb_power_opts *o, char *why, size_t room);

// "90.0%" or "0.5%" as powerN_accuracy has it: the relative error; 0: says nothing usable.
double jb_hwmon_accuracy(const char *text);

#endif
