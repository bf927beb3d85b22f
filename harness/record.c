// Applying the journal's lines.
#include "harness/record.h"

#include "harness/validity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void free_order(struct jb_record *r)
{
    for (size_t i = 0; i < r->n_order; i++) free(r->order[i]);
    free(r->order);
    r->order = NULL;
    r->n_order = 0;
}

void jb_record_free(struct jb_record *r)
{
    cJSON_Delete(r->run);
    cJSON_Delete(r->limits);
    cJSON_Delete(r->sampler);
    cJSON_Delete(r->machine);
    free_order(r);
    for (size_t i = 0; i < r->n_cells; i++) {
        free(r->cells[i]->blocks);
        free(r->cells[i]->energy_text);
        free(r->cells[i]);
    }
    free(r->cells);
    free(r->table);
    free(r->calibrations);
    free(r->recordings);
    *r = (struct jb_record){ 0 };
}

// ---- cells by id ----

static uint64_t id_number(const char *id) { return strtoull(id, NULL, 16); }

static size_t slot_of(const struct jb_record *r, const char *id)
{
    size_t at = (size_t)(id_number(id) * 0x9e3779b97f4a7c15u >> 20) % r->table_size;
    while (r->table[at] && strcmp(r->cells[r->table[at] - 1]->facts.id, id)) at = (at + 1) % r->table_size;
    return at;
}

struct jb_rec_cell *jb_record_cell(const struct jb_record *r, const char *id)
{
    if (!r->table_size) return NULL;
    uint32_t at = r->table[slot_of(r, id)];
    return at ? r->cells[at - 1] : NULL;
}

static int grow(struct jb_record *r)
{
    size_t size = r->table_size ? r->table_size * 2 : 256, room = size / 2;
    uint32_t *table = calloc(size, sizeof *table);
    struct jb_rec_cell **cells = table ? realloc(r->cells, room * sizeof *cells) : NULL;
    if (!cells) {
        free(table);
        return JB_E_NOMEM;
    }
    free(r->table);
    r->table = table;
    r->table_size = size;
    r->cells = cells;
    r->room = room;
    for (size_t i = 0; i < r->n_cells; i++) r->table[slot_of(r, r->cells[i]->facts.id)] = (uint32_t)i + 1;
    return 0;
}

static int apply_cell(struct jb_record *r, const cJSON *line, struct jb_err *err)
{
    struct jb_rec_cell *c = calloc(1, sizeof *c);
    if (!c) return jb_fail(err, JB_E_NOMEM, "record");
    int rc = jb_facts_from_line(&c->facts, line, err);
    struct jb_rec_cell *old = rc ? NULL : jb_record_cell(r, c->facts.id);
    if (!rc && !old && r->n_cells == r->room) rc = grow(r) ? jb_fail(err, JB_E_NOMEM, "record") : 0;
    if (rc || old) {
        if (old) old->facts = c->facts; // measured again, after a failure: its blocks stand
        free(c);
        return rc;
    }
    size_t slot = slot_of(r, c->facts.id);
    r->cells[r->n_cells++] = c;
    r->table[slot] = (uint32_t)r->n_cells;
    return 0;
}

// ---- blocks ----

const struct jb_block_fact *jb_rec_block(const struct jb_rec_cell *c, uint32_t repetition)
{
    for (uint32_t i = 0; i < c->n_blocks; i++)
        if (c->blocks[i].repetition == repetition) return &c->blocks[i];
    return NULL;
}

bool jb_rec_needs_block(const struct jb_rec_cell *c, uint32_t repetition)
{
    const struct jb_block_fact *b = jb_rec_block(c, repetition);
    return !b || (b->contaminated && b->attempt < JB_MAX_REPEATS);
}

static void block_energy(struct jb_rec_cell *c, struct jb_block_fact *b, const cJSON *line)
{
    struct jb_joules gross, net;
    jb_joules_from_json(&gross, cJSON_GetObjectItemCaseSensitive(line, "energy"));
    jb_joules_from_json(&net, cJSON_GetObjectItemCaseSensitive(line, "net"));
    b->energy_cls = gross.cls;
    b->window_ns = gross.window_ns;
    b->uj = gross.uj;
    b->lower_uj = gross.lower_uj;
    b->upper_uj = gross.upper_uj;
    b->net_cls = net.cls;
    b->net_uj = net.uj;
    b->net_lower_uj = net.lower_uj;
    b->net_upper_uj = net.upper_uj;
    if (!c->energy_text->source[0] || (c->energy_text->cls == JB_ENERGY_NONE && gross.cls != JB_ENERGY_NONE)) *c->energy_text = gross;
    if (gross.cls == JB_ENERGY_NONE && !c->failed_reason[0]) memcpy(c->failed_reason, gross.reason, sizeof c->failed_reason);
    if (gross.cls != JB_ENERGY_NONE && net.cls == JB_ENERGY_NONE) memcpy(c->net_reason, net.reason, sizeof c->net_reason);
}

// A flag as a number: NAN when it is not there.
static double flag_of(const cJSON *o, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsBool(v) ? cJSON_IsTrue(v) : NAN;
}

// Journals of versions before the list of checks knew one.
static uint32_t invalid_of(const cJSON *line)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(line, "invalid");
    uint32_t bits = 0;
    for (const cJSON *i = cJSON_IsArray(list) ? list->child : NULL; i; i = i->next) {
        int k = cJSON_IsString(i) ? jb_check_find(i->valuestring) : -1;
        if (k >= 0) bits |= 1u << k;
    }
    return bits || !cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(line, "contaminated")) ? bits : 1u << JB_CHECK_OTHERS;
}

static void block_machine(struct jb_block_fact *b, const cJSON *line)
{
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(line, "machine");
    b->freq_change = jb_line_num(m, "freq_change");
    b->clock_jump_ns = jb_line_num(m, "clock_jump_ns");
    b->steal = jb_line_num(m, "steal");
    b->steal_least = jb_line_num(m, "steal_least");
    b->throttles = jb_line_num(m, "throttles");
    b->swapped_pages = jb_line_num(m, "swapped_pages");
    b->governor_changed = flag_of(m, "governor_changed");
    b->reference_ns = jb_line_num(line, "reference_ns");
    if (!(b->reference_ns > 0)) b->reference_ns = NAN;
    b->invalid = invalid_of(line);
}

static int apply_block(struct jb_record *r, const cJSON *line, struct jb_err *err)
{
    char id[JB_ID_HEX];
    struct jb_block_fact b = { .repetition = (uint32_t)jb_line_u64(line, "repetition"), .wall_ns = jb_line_u64(line, "wall_ns"), .cpu_ns = jb_line_u64(line, "cpu_ns"),
                               .n_queries = jb_line_u64(line, "queries"), .n_rows = jb_line_u64(line, "rows"),
                               .voluntary_switches = jb_line_u64(line, "voluntary_switches"), .involuntary_switches = jb_line_u64(line, "involuntary_switches"),
                               .major_faults = jb_line_u64(line, "major_faults"), .attempt = (uint32_t)jb_line_u64(line, "attempt"), .instance = (uint32_t)jb_line_u64(line, "instance"),
                               .contaminated = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(line, "contaminated")),
                               .drift = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(line, "drift")) };
    const cJSON *others = cJSON_GetObjectItemCaseSensitive(line, "others");
    b.window_rows = jb_line_u64(line, "window_rows");
    if (b.window_rows < b.n_rows) b.window_rows = b.n_rows;
    block_machine(&b, line);
    b.others = jb_line_num(others, "share");
    b.others_least = jb_line_num(others, "share_least");
    jb_line_text(line, "cell", id, sizeof id);
    struct jb_rec_cell *c = jb_record_cell(r, id);
    if (!c || jb_place_from_json(&b.place, cJSON_GetObjectItemCaseSensitive(line, "raw")) || b.place.offset > UINT64_MAX / 4)
        return jb_fail(err, JB_E_INVALID, "a block of cell \"%s\", which no line before describes, or without a place", id);
    uint64_t end = b.place.offset + b.place.n_bytes;
    if (end > c->raw_end) c->raw_end = end;
    if (!c->energy_text && !(c->energy_text = calloc(1, sizeof *c->energy_text))) return jb_fail(err, JB_E_NOMEM, "record");
    block_energy(c, &b, line);
    for (uint32_t i = 0; i < c->n_blocks; i++)
        if (c->blocks[i].repetition == b.repetition) {
            c->repeated += c->blocks[i].contaminated; // else its raw bytes had been damaged
            c->blocks[i] = b;
            return 0;
        }
    if (c->n_blocks == c->room) {
        uint32_t room = c->room ? c->room * 2 : 8;
        struct jb_block_fact *grown = realloc(c->blocks, room * sizeof *grown);
        if (!grown) return jb_fail(err, JB_E_NOMEM, "record");
        c->blocks = grown;
        c->room = room;
    }
    c->blocks[c->n_blocks++] = b;
    return 0;
}

// ---- the other kinds ----

static int apply_verdict(struct jb_record *r, const cJSON *line, struct jb_err *err)
{
    char id[JB_ID_HEX], status[16];
    jb_line_text(line, "cell", id, sizeof id);
    jb_line_text(line, "status", status, sizeof status);
    struct jb_rec_cell *c = jb_record_cell(r, id);
    if (!c) return jb_fail(err, JB_E_INVALID, "a verdict on cell \"%s\", which no line before describes", id);
    c->facts.status = !strcmp(status, jb_cell_status_name(JB_CELL_INVALID)) ? JB_CELL_INVALID : !strcmp(status, jb_cell_status_name(JB_CELL_UNAVAILABLE)) ? JB_CELL_UNAVAILABLE : JB_CELL_FAILED;
    jb_line_text(line, "reason", c->facts.reason, sizeof c->facts.reason);
    return 0;
}

static int apply_calibration(struct jb_record *r, const cJSON *line, struct jb_err *err)
{
    struct jb_calibration_fact c = { .loss_observed = jb_line_num(line, "loss_observed") };
    jb_line_text(line, "key", c.key, sizeof c.key);
    jb_line_text(line, "id", c.id, sizeof c.id);
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(line, "threshold");
    for (const cJSON *i = cJSON_IsArray(list) ? list->child : NULL; i && c.n_exits < JB_MAX_STAGES; i = i->next) c.threshold[c.n_exits++] = i->valuedouble;
    struct jb_calibration_fact *grown = realloc(r->calibrations, (r->n_calibrations + 1) * sizeof *grown);
    if (!grown) return jb_fail(err, JB_E_NOMEM, "record");
    r->calibrations = grown;
    r->calibrations[r->n_calibrations++] = c;
    return 0;
}

static int apply_recording(struct jb_record *r, const cJSON *line, struct jb_err *err)
{
    struct jb_recording_fact f = { 0 };
    jb_line_text(line, "key", f.key, sizeof f.key);
    jb_line_text(line, "workload", f.workload, sizeof f.workload);
    jb_line_text(line, "model", f.model, sizeof f.model);
    jb_line_text(line, "precision", f.precision, sizeof f.precision);
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(line, "oracles");
    size_t n = 0;
    for (const cJSON *i = cJSON_IsArray(list) ? list->child : NULL; i && n < 2; i = i->next, n++) {
        jb_line_text(i, "kind", f.oracle[n].kind, sizeof f.oracle[n].kind);
        f.oracle[n].accuracy = jb_line_num(i, "accuracy");
        f.oracle[n].macs_mean = jb_line_num(i, "macs_mean");
    }
    for (size_t i = 0; i < r->n_recordings; i++)
        if (!strcmp(r->recordings[i].key, f.key)) return 0;
    struct jb_recording_fact *grown = realloc(r->recordings, (r->n_recordings + 1) * sizeof *grown);
    if (!grown) return jb_fail(err, JB_E_NOMEM, "record");
    r->recordings = grown;
    r->recordings[r->n_recordings++] = f;
    return 0;
}

static int apply_cells(struct jb_record *r, const cJSON *line, struct jb_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(line, "ids");
    int n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    free_order(r);
    if (!(r->order = calloc((size_t)n + 1, sizeof *r->order))) return jb_fail(err, JB_E_NOMEM, "record");
    for (const cJSON *i = n ? list->child : NULL; i; i = i->next) {
        if (!cJSON_IsString(i)) return jb_fail(err, JB_E_INVALID, "the list of cells holds something else than ids");
        if (!(r->order[r->n_order] = strdup(i->valuestring))) return jb_fail(err, JB_E_NOMEM, "record");
        r->n_order++;
    }
    return 0;
}

// What became known later joins the notes of the run, whose line stands before it.
static int note_limits(struct jb_record *r, struct jb_err *err)
{
    cJSON *notes = cJSON_GetObjectItemCaseSensitive(r->run, "notes");
    for (const cJSON *i = cJSON_IsObject(notes) && r->limits ? r->limits->child : NULL; i; i = i->next) {
        cJSON_DeleteItemFromObjectCaseSensitive(notes, i->string);
        if (!jb_json_put_str(notes, i->string, i->valuestring)) return jb_fail(err, JB_E_NOMEM, "record");
    }
    return 0;
}

static int apply_limit(struct jb_record *r, const cJSON *line, struct jb_err *err)
{
    char name[48];
    const cJSON *what = cJSON_GetObjectItemCaseSensitive(line, "what");
    jb_line_text(line, "name", name, sizeof name);
    if (!name[0] || !cJSON_IsString(what)) return jb_fail(err, JB_E_INVALID, "a note without \"name\" or \"what\"");
    if (!r->limits && !(r->limits = cJSON_CreateObject())) return jb_fail(err, JB_E_NOMEM, "record");
    cJSON_DeleteItemFromObjectCaseSensitive(r->limits, name);
    return jb_json_put_str(r->limits, name, what->valuestring) ? note_limits(r, err) : jb_fail(err, JB_E_NOMEM, "record");
}

static int apply_run(struct jb_record *r, cJSON **line, struct jb_err *err)
{
    if (!r->started[0]) jb_line_text(*line, "started", r->started, sizeof r->started);
    cJSON_Delete(r->run);
    r->run = *line;
    *line = NULL;
    r->complete = false;
    free_order(r);
    return note_limits(r, err);
}

static int apply_warm_up(struct jb_record *r, const cJSON *line, struct jb_err *err)
{
    char id[JB_ID_HEX];
    jb_line_text(line, "cell", id, sizeof id);
    struct jb_rec_cell *c = jb_record_cell(r, id);
    if (!c) return jb_fail(err, JB_E_INVALID, "a warm-up of cell \"%s\", which no line before describes", id);
    c->warm_up.there = true;
    c->warm_up.steady = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(line, "steady"));
    c->warm_up.chunks = jb_line_u64(line, "chunks");
    c->warm_up.elapsed_ns = jb_line_num(line, "elapsed_ns");
    c->warm_up.p = jb_line_num(line, "p");
    return 0;
}

static int apply_stopped(struct jb_record *r, const cJSON *line, struct jb_err *err)
{
    char id[JB_ID_HEX];
    jb_line_text(line, "cell", id, sizeof id);
    struct jb_rec_cell *c = jb_record_cell(r, id);
    if (!c) return jb_fail(err, JB_E_INVALID, "cell \"%s\" was stopped, which no line before describes", id);
    jb_line_text(line, "why", c->stopped, sizeof c->stopped);
    return 0;
}

static int apply_machine(struct jb_record *r, cJSON **line)
{
    cJSON_Delete(r->machine);
    r->machine = *line;
    *line = NULL;
    return 0;
}

static int apply_end(struct jb_record *r, cJSON *line)
{
    cJSON_Delete(r->sampler);
    r->sampler = cJSON_DetachItemFromObjectCaseSensitive(line, "power_sampler");
    r->complete = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(line, "complete"));
    jb_line_text(line, "finished", r->finished, sizeof r->finished);
    r->peak_rss_bytes = (double)jb_line_u64(line, "peak_rss_bytes");
    return 0;
}

int jb_record_apply(void *record, uint64_t n, cJSON **line, struct jb_err *err)
{
    struct jb_record *r = record;
    char kind[24];
    int rc;
    jb_line_text(*line, "kind", kind, sizeof kind);
    if (!strcmp(kind, "block")) rc = apply_block(r, *line, err);
    else if (!strcmp(kind, "cell")) rc = apply_cell(r, *line, err);
    else if (!strcmp(kind, "verdict")) rc = apply_verdict(r, *line, err);
    else if (!strcmp(kind, "calibration")) rc = apply_calibration(r, *line, err);
    else if (!strcmp(kind, "recording")) rc = apply_recording(r, *line, err);
    else if (!strcmp(kind, "cells")) rc = apply_cells(r, *line, err);
    else if (!strcmp(kind, "run")) rc = apply_run(r, line, err);
    else if (!strcmp(kind, "limit") || !strcmp(kind, "note")) rc = apply_limit(r, *line, err);
    else if (!strcmp(kind, "warm_up")) rc = apply_warm_up(r, *line, err);
    else if (!strcmp(kind, "stopped")) rc = apply_stopped(r, *line, err);
    else if (!strcmp(kind, "machine")) rc = apply_machine(r, line);
    else if (!strcmp(kind, "end")) rc = apply_end(r, *line);
    else rc = jb_fail(err, JB_E_UNSUPPORTED, "a line of kind \"%s\", which this version does not know", kind);
    return rc ? jb_err_prefix(err, "journal line %llu", (unsigned long long)n + 1) : 0;
}

const struct jb_calibration_fact *jb_record_calibration(const struct jb_record *r, const char *key)
{
    for (size_t i = 0; i < r->n_calibrations; i++)
        if (!strcmp(r->calibrations[i].key, key)) return &r->calibrations[i];
    return NULL;
}

const struct jb_recording_fact *jb_record_recording(const struct jb_record *r, const char *key)
{
    for (size_t i = 0; i < r->n_recordings; i++)
        if (!strcmp(r->recordings[i].key, key)) return &r->recordings[i];
    return NULL;
}

int jb_record_write(struct jb_record *r, struct jb_store *s, cJSON *line, struct jb_err *err)
{
    if (!line) return jb_fail(err, JB_E_NOMEM, "journal line");
    int rc = jb_store_line(s, line, err);
    if (!rc) rc = jb_record_apply(r, 0, &line, err);
    cJSON_Delete(line);
    return rc;
}
