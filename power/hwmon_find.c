// Finds the channels of a hwmon directory by the names of their files (kernel: Documentation/hwmon/sysfs-interface, ina3221, ina2xx). Old kernels kept the files of
// a chip in its device's directory; older Jetson boards have an iio device there.
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "power/hwmon.h"
#include "power/strict.h"

#define MAX_DIRS 128
#define INDEX_DIGITS 3

static int open_in(const char *dir, const char *file)
{
    char path[320];
    int n = snprintf(path, sizeof path, "%s/%s", dir, file);
    if (n < 0 || (size_t)n >= sizeof path) return -1;
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

// One line of a file; false when there is none.
static bool text_of(const char *dir, const char *file, char *out, size_t room)
{
    int fd = open_in(dir, file);
    if (fd < 0) return false;
    bool ok = jb_strict_read_text(fd, out, room) == 0;
    close(fd);
    return ok;
}

static bool is_file(const char *dir, const char *name)
{
    char path[320];
    struct stat st;
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    return n > 0 && (size_t)n < sizeof path && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

// PREFIXnSUFFIX
static bool has_file(const char *dir, const char *prefix, unsigned index, const char *suffix)
{
    char name[40];
    snprintf(name, sizeof name, "%s%u%s", prefix, index, suffix);
    return is_file(dir, name);
}

// Labels stand in lists separated by blanks, in traces between commas, on terminals: only plain characters stay.
static void make_safe(char *text)
{
    for (char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_.:+@/-", *c)) *c = '_';
}

// "PREFIXnSUFFIX" without padding.
static bool is_indexed(const char *name, const char *prefix, const char *suffix, unsigned *index)
{
    size_t n = strlen(prefix), digits;
    if (strncmp(name, prefix, n) != 0) return false;
    digits = strspn(name + n, "0123456789");
    if (digits == 0 || digits > INDEX_DIGITS || (digits > 1 && name[n] == '0') || strcmp(name + n + digits, suffix) != 0) return false;
    *index = (unsigned)strtoul(name + n, NULL, 10);
    return true;
}

static const struct { const char *prefix, *suffix, *label, *label_end; } files[] = {
    [JB_HWMON_ENERGY] = {"energy", "_input", "energy", "_label"},
    [JB_HWMON_AVERAGE] = {"power", "_average", "power", "_label"},
    [JB_HWMON_INPUT] = {"power", "_input", "power", "_label"},
    [JB_HWMON_PRODUCT] = {"in", "_input", "in", "_label"},
    [JB_HWMON_MILLIWATTS] = {"in_power", "_input", "rail_name_", ""},
};
#define N_KINDS (sizeof files / sizeof files[0])

bool jb_hwmon_is_energy(const struct jb_hwmon_found *f) { return f->kind == JB_HWMON_ENERGY; }

void jb_hwmon_files(const struct jb_hwmon_found *f, char first[40], char second[40], bool *two)
{
    snprintf(first, 40, "%s%u%s", files[f->kind].prefix, f->index, files[f->kind].suffix);
    snprintf(second, 40, "curr%u_input", f->index);
    *two = f->kind == JB_HWMON_PRODUCT;
}

static void read_label(struct jb_hwmon_found *f)
{
    char file[40], text[64];
    snprintf(file, sizeof file, "%s%u%s", files[f->kind].label, f->index, files[f->kind].label_end);
    if (!text_of(f->dir, file, text, sizeof text)) return;
    make_safe(text);
    snprintf(f->label, sizeof f->label, "%.39s", text);
}

static bool name_taken(const struct jb_hwmon_list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->at[i].name, name) == 0) return true;
    return false;
}

static void make_name(const struct jb_hwmon_list *list, struct jb_hwmon_found *f)
{
    static const char *const word[] = {"energy", "power", "power", "rail", "rail"};
    char chip[25], hwmon[24]; // apart from f: snprintf may not read what it writes to
    memcpy(chip, f->chip, sizeof chip - 1);
    memcpy(hwmon, f->hwmon, sizeof hwmon);
    chip[sizeof chip - 1] = 0;
    if (f->label[0]) memcpy(f->name, f->label, sizeof f->name);
    else snprintf(f->name, sizeof f->name, "%s:%s%u", chip, word[f->kind], f->index);
    if (name_taken(list, f->name)) snprintf(f->name, sizeof f->name, "%s:%s%u", hwmon, word[f->kind], f->index);
}

static void add(struct jb_hwmon_list *list, const struct jb_hwmon_found *chip, enum jb_hwmon_kind kind, unsigned index)
{
    if (list->n == JB_HWMON_MAX) return;
    struct jb_hwmon_found *f = &list->at[list->n];
    *f = *chip;
    f->kind = kind;
    f->index = index;
    read_label(f);
    make_name(list, f);
    list->n++;
}

// Voltage and current of one number belong together only on TI's monitors; theirs beyond the third of an INA3221 are shunt voltages and sums.
static bool product_wanted(const struct jb_hwmon_found *chip, unsigned index)
{
    if (strncmp(chip->chip, "ina", 3) != 0 || index == 0 || has_file(chip->dir, "power", index, "_input")) return false;
    if (strncmp(chip->chip, "ina3221", 7) == 0) return index <= 3 && has_file(chip->dir, "curr", index, "_input");
    return index == 1 && !has_file(chip->dir, "power", 1, "_average") && has_file(chip->dir, "curr", index, "_input");
}

struct entry { unsigned index; enum jb_hwmon_kind kind; };

static int by_kind_and_index(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return x->kind != y->kind ? (x->kind > y->kind) - (x->kind < y->kind) : (x->index > y->index) - (x->index < y->index);
}

// Adds what lies in chip->dir. Returns how many.
static size_t add_dir(struct jb_hwmon_list *list, const struct jb_hwmon_found *chip)
{
    static const size_t most = JB_HWMON_MAX;
    DIR *dir = opendir(chip->dir);
    struct entry *entry = dir ? calloc(most, sizeof *entry) : NULL;
    size_t n = 0, before = list->n;
    list->no_memory |= dir ? !entry : errno == ENOMEM; // a sum without a chip that was overlooked would be too small
    for (struct dirent *d = entry ? readdir(dir) : NULL; d && n < most; d = readdir(dir))
        for (size_t k = 0; k < N_KINDS; k++) {
            unsigned index;
            if (!is_indexed(d->d_name, files[k].prefix, files[k].suffix, &index)) continue;
            if (k == JB_HWMON_PRODUCT && !product_wanted(chip, index)) continue;
            if (k == JB_HWMON_INPUT && has_file(chip->dir, "power", index, "_average")) continue; // the mean is the better one of the two
            entry[n++] = (struct entry){index, (enum jb_hwmon_kind)k};
            break;
        }
    if (entry) qsort(entry, n, sizeof *entry, by_kind_and_index);
    for (size_t i = 0; i < n; i++) add(list, chip, entry[i].kind, entry[i].index);
    free(entry);
    if (dir) closedir(dir);
    return list->n - before;
}

static bool below(struct jb_hwmon_found *chip, const char *base, const char *sub)
{
    int n = snprintf(chip->dir, sizeof chip->dir, "%s/%s", base, sub);
    return n > 0 && (size_t)n < sizeof chip->dir;
}

// iio:device* in chip->dir.
static void add_iio(struct jb_hwmon_list *list, const struct jb_hwmon_found *chip)
{
    DIR *dir = opendir(chip->dir);
    list->no_memory |= !dir && errno == ENOMEM;
    for (struct dirent *d = dir ? readdir(dir) : NULL; d; d = readdir(dir)) {
        struct jb_hwmon_found inner = *chip;
        if ((strncmp(d->d_name, "iio:device", 10) == 0 || strcmp(d->d_name, "iio_device") == 0) && below(&inner, chip->dir, d->d_name)) add_dir(list, &inner);
    }
    if (dir) closedir(dir);
}

static void add_chip(struct jb_hwmon_list *list, const char *dir, const char *entry, bool needs_name)
{
    struct jb_hwmon_found chip = {0}, device;
    char name[64];
    if (!below(&chip, dir, entry)) return;
    device = chip;
    bool has_device = below(&device, chip.dir, "device");
    bool named = text_of(chip.dir, "name", name, sizeof name) || (has_device && text_of(device.dir, "name", name, sizeof name));
    if (!named && needs_name) return;
    if (!named) snprintf(name, sizeof name, "ina3221x");
    make_safe(name);
    snprintf(chip.chip, sizeof chip.chip, "%.31s", name);
    snprintf(chip.hwmon, sizeof chip.hwmon, "%.23s", entry);
    chip.battery = has_device && is_file(device.dir, "type") && (is_file(device.dir, "online") || is_file(device.dir, "status")); // a power_supply's
    memcpy(device.chip, chip.chip, sizeof chip.chip);
    memcpy(device.hwmon, chip.hwmon, sizeof chip.hwmon);
    device.battery = chip.battery;
    if (add_dir(list, &chip) > 0) return;
    if (has_device && add_dir(list, &device) > 0) return;
    add_iio(list, &chip);
    if (has_device) add_iio(list, &device);
}

// "hwmon12"; or "0-0041" among the devices of a driver on an I2C bus.
static bool is_chip(const char *name, bool i2c)
{
    unsigned index;
    if (!i2c) return is_indexed(name, "hwmon", "", &index);
    size_t bus = strspn(name, "0123456789");
    return bus > 0 && name[bus] == '-' && strlen(name + bus) == 5 && strspn(name + bus + 1, "0123456789abcdef") == 4;
}

static int by_length_then_text(const void *a, const void *b)
{
    size_t n = strlen(a), m = strlen(b);
    return n != m ? (n > m) - (n < m) : strcmp(a, b);
}

int jb_hwmon_find(struct jb_hwmon_list *list, const char *dir)
{
    const char *last = strrchr(dir, '/');
    bool i2c = last && strcmp(last, "/ina3221x") == 0;
    char (*name)[24] = calloc(MAX_DIRS, sizeof *name);
    if (!name) return ENOMEM;
    DIR *d = opendir(dir);
    int e = d ? 0 : errno;
    size_t n = 0;
    for (struct dirent *entry = d ? readdir(d) : NULL; entry && n < MAX_DIRS; entry = readdir(d))
        if (is_chip(entry->d_name, i2c) && strlen(entry->d_name) < sizeof *name) strcpy(name[n++], entry->d_name);
    if (d) closedir(d);
    qsort(name, n, sizeof *name, by_length_then_text);
    for (size_t i = 0; i < n; i++) add_chip(list, dir, name[i], !i2c);
    free(name);
    return list->no_memory ? ENOMEM : e;
}
