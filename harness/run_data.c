// A run's directory, opened for reading: the result as reports have it, and behind it every block and every answer.
#include "harness/compare.h"

#include "base/fs.h"
#include "harness/answers.h"
#include "harness/ctx.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct jb_run_data {
    char *name, split[32];
    bool normalise, doctor, has_learned;
    struct jb_noise_rule learned;
    struct jb_record record;
    struct jb_store *store;              // NULL: results.json alone
    struct jb_result *result;
    struct jb_json_doc answers;          // of a stored baseline; root NULL: none
};

void jb_run_data_close(struct jb_run_data *d)
{
    if (!d) return;
    jb_result_close(d->result);
    jb_json_close(&d->answers);
    jb_store_close(d->store);
    jb_record_free(&d->record);
    free(d->name);
    free(d);
}

const struct jb_result *jb_run_data_result(const struct jb_run_data *d) { return d->result; }
const char *jb_run_data_name(const struct jb_run_data *d) { return d->name; }
const char *jb_run_data_split(const struct jb_run_data *d) { return d->split; }
bool jb_run_data_normalise(const struct jb_run_data *d) { return d->normalise; }
bool jb_run_data_doctor(const struct jb_run_data *d) { return d->doctor; }
const struct jb_noise_rule *jb_run_data_learned(const struct jb_run_data *d) { return d->has_learned ? &d->learned : NULL; }

static struct jb_run_data *new_data(const char *name)
{
    struct jb_run_data *d = calloc(1, sizeof *d);
    if (d && !(d->name = strdup(name))) {
        free(d);
        d = NULL;
    }
    if (d) memcpy(d->split, "test", 5);
    return d;
}

static int build(struct jb_run_data *d, struct jb_err *err)
{
    const cJSON *settings = cJSON_GetObjectItemCaseSensitive(d->record.run, "settings");
    int rc = jb_build_result(&d->record, d->store, &d->result, err);
    const cJSON *rule = cJSON_GetObjectItemCaseSensitive(settings, "normalise");
    d->normalise = cJSON_IsString(rule) && !strcmp(rule->valuestring, "reference");
    d->doctor = cJSON_IsString(rule) && !strcmp(rule->valuestring, "doctor");
    d->has_learned = jb_noise_rule_get(&d->learned, settings);
    if (cJSON_IsString(cJSON_GetObjectItemCaseSensitive(settings, "split"))) jb_line_text(settings, "split", d->split, sizeof d->split);
    return rc;
}

static int finish(struct jb_run_data **out, struct jb_run_data *d, int rc)
{
    if (rc) jb_run_data_close(d);
    else *out = d;
    return rc;
}

int jb_run_data_from(struct jb_run_data **out, struct jb_record *record, struct jb_store *store, const char *name, struct jb_err *err)
{
    struct jb_run_data *d = new_data(name);
    if (!d) {
        jb_store_close(store);
        jb_record_free(record);
        return jb_fail(err, JB_E_NOMEM, "run");
    }
    d->record = *record;
    d->store = store;
    *record = (struct jb_record){ 0 };
    return finish(out, d, build(d, err));
}

static bool is_file(const char *path)
{
    struct stat st;
    return !stat(path, &st) && !S_ISDIR(st.st_mode);
}

static int open_journal(struct jb_run_data *d, const char *dir, struct jb_err *err)
{
    int rc = jb_store_open_read(&d->store, dir, jb_record_apply, &d->record, err);
    if (!rc) rc = build(d, err);
    return rc ? jb_err_prefix(err, "%s", dir) : 0;
}

// The journal where there is one: it is the truth, results.json may be older or missing.
static int open_dir(struct jb_run_data *d, const char *dir, struct jb_err *err)
{
    char path[4096];
    int rc = jb_path_join(path, sizeof path, dir, "journal.jsonl", err);
    if (!rc && jb_path_exists(path)) return open_journal(d, dir, err);
    if (!rc) rc = jb_path_join(path, sizeof path, dir, "results.json", err);
    if (!rc && !jb_path_exists(path)) rc = jb_fail(err, JB_E_NOT_FOUND, "%s: neither journal.jsonl nor results.json: not a directory of a run", dir);
    if (!rc) rc = jb_result_read(&d->result, path, err);
    if (!rc) rc = jb_path_join(path, sizeof path, dir, "answers.json", err);
    return rc || !jb_path_exists(path) ? rc : jb_answers_read(&d->answers, path, err);
}

int jb_run_data_open(struct jb_run_data **out, const char *dir, struct jb_err *err)
{
    struct jb_run_data *d = new_data(dir);
    if (!d) return jb_fail(err, JB_E_NOMEM, "run");
    return finish(out, d, is_file(dir) ? jb_result_read(&d->result, dir, err) : open_dir(d, dir, err));
}

// ---- one cell ----

void jb_side_cell_free(struct jb_side_cell *c)
{
    for (size_t i = 0; i < c->n_blocks; i++) {
        free(c->blocks[i].latency_ns);
        free(c->blocks[i].exit);
        free(c->blocks[i].pattern);
    }
    free(c->blocks);
    free(c->index);
    free(c->correct);
    free(c->text.query);
    free(c->text.label);
    free(c->text.logprob);
    free(c->text.agrees);
    *c = (struct jb_side_cell){ 0 };
}

struct answer { uint32_t index, at; uint8_t correct; }; // at: in the raw file

static int by_index(const void *x, const void *y)
{
    const struct answer *a = x, *b = y;
    return (a->index > b->index) - (a->index < b->index);
}

static int text_answers(struct jb_text_answers *out, const struct jb_raw_samples *s, const struct answer *a, uint32_t n)
{
    size_t room = (size_t)n + 1;
    *out = (struct jb_text_answers){ malloc(room * sizeof *out->query), malloc(room * sizeof *out->label), malloc(room * sizeof *out->logprob), malloc(room) };
    if (!out->query || !out->label || !out->logprob || !out->agrees) return JB_E_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = a[i].at;
        out->query[i] = s->query[k];
        out->label[i] = s->label[k];
        out->logprob[i] = s->logprob[k];
        out->agrees[i] = s->full[k] == UINT32_MAX ? JB_AGREES_UNKNOWN : s->full[k] == s->prediction[k] ? JB_AGREES : JB_AGREES_NOT;
    }
    return 0;
}

static int answers(const struct jb_run_data *d, const struct jb_facts *f, struct jb_side_cell *out, struct jb_err *err)
{
    uint8_t *bytes = NULL;
    struct jb_raw_samples s = { 0 };
    int rc = jb_store_get(d->store, f->id, JB_RAW_SAMPLES, &f->samples, &bytes, err);
    if (!rc) rc = jb_raw_samples_decode(&s, bytes, f->samples.n_bytes, err);
    free(bytes);
    if (rc) return rc;
    struct answer *a = malloc(((size_t)s.n + 1) * sizeof *a);
    out->index = malloc(((size_t)s.n + 1) * sizeof *out->index);
    out->correct = malloc((size_t)s.n + 1);
    if (!a || !out->index || !out->correct) rc = jb_fail(err, JB_E_NOMEM, "answers");
    for (uint32_t i = 0; i < s.n && !rc; i++)
        if (s.label[i] != UINT32_MAX) a[out->n_samples++] = (struct answer){ s.index[i], i, s.prediction[i] == s.label[i] };
    if (!rc) qsort(a, out->n_samples, sizeof *a, by_index);
    for (uint32_t i = 0; i < out->n_samples && !rc; i++) {
        out->index[i] = a[i].index;
        out->correct[i] = a[i].correct;
        if (i && a[i].index == a[i - 1].index) rc = jb_fail(err, JB_E_INVALID, "cell %s: sample %u has two answers", f->label, a[i].index);
    }
    if (!rc && s.query && text_answers(&out->text, &s, a, out->n_samples)) rc = jb_fail(err, JB_E_NOMEM, "answers");
    out->labelled = out->n_samples > 0 && out->n_samples == s.n;
    free(a);
    jb_raw_samples_free(&s);
    return rc;
}

static bool is_correct(const struct jb_side_cell *c, uint32_t index)
{
    size_t low = 0, high = c->n_samples;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (c->index[mid] < index) low = mid + 1;
        else high = mid;
    }
    return low < c->n_samples && c->index[low] == index && c->correct[low];
}

static int queries_of(struct jb_side_block *b, const struct jb_raw_block *raw)
{
    if (raw->rows_per_query != 1) return 0;
    b->exit = malloc((size_t)raw->n_queries + 1);
    b->pattern = malloc(((size_t)raw->n_queries + 1) * sizeof *b->pattern);
    if (!b->exit || !b->pattern) return JB_E_NOMEM;
    memcpy(b->exit, raw->exit, raw->n_queries);
    for (uint32_t q = 0; q < raw->n_queries; q++) b->pattern[q] = raw->patterns[raw->pattern[q]];
    return 0;
}

static int block(const struct jb_run_data *d, const struct jb_facts *f, const struct jb_block_fact *fact, const struct jb_side_cell *cell, struct jb_side_block *b, struct jb_err *err)
{
    uint8_t *bytes = NULL;
    struct jb_raw_block raw = { 0 };
    int rc = jb_store_get(d->store, f->id, JB_RAW_BLOCKS, &fact->place, &bytes, err);
    if (!rc) rc = jb_raw_block_decode(&raw, bytes, fact->place.n_bytes, err);
    free(bytes);
    if (rc) return rc;
    bool energy = fact->energy_cls != JB_ENERGY_NONE && fact->energy_cls == cell->energy_cls && isfinite(fact->uj);
    *b = (struct jb_side_block){ .n_queries = raw.n_queries, .latency_ns = raw.latency_ns, .n_rows = raw.n_rows, .uj = energy ? fact->uj : NAN, .uj_lower = energy ? fact->lower_uj : NAN,
                                 .uj_upper = energy ? fact->upper_uj : NAN, .reference_ns = fact->reference_ns, .window_rows = fact->window_rows, .valid = raw.n_queries > 0 && !fact->contaminated,
                                 .involuntary_switches = fact->involuntary_switches, .others = fact->others, .steal = fact->steal,
                                 .throttles = fact->throttles, .instance = fact->instance };
    b->n_sequences = raw.n_sequences;
    for (uint32_t i = 0; i < raw.n_sequences; i++) b->ttft_ns += (double)raw.ttft_ns[i];
    raw.latency_ns = NULL; // now the block's
    for (uint32_t i = 0; i < raw.n_rows && cell->labelled; i++) b->n_correct += is_correct(cell, raw.sample[i]);
    rc = queries_of(b, &raw);
    jb_raw_block_free(&raw);
    return rc ? jb_fail(err, rc, "block") : 0;
}

static int by_repetition(const void *x, const void *y)
{
    const struct jb_block_fact *a = *(const struct jb_block_fact *const *)x, *b = *(const struct jb_block_fact *const *)y;
    return (a->repetition > b->repetition) - (a->repetition < b->repetition);
}

static int blocks(const struct jb_run_data *d, const struct jb_rec_cell *rec, struct jb_side_cell *out, struct jb_err *err)
{
    const struct jb_block_fact **order = malloc(((size_t)rec->n_blocks + 1) * sizeof *order);
    out->blocks = calloc((size_t)rec->n_blocks + 1, sizeof *out->blocks);
    int rc = order && out->blocks ? 0 : jb_fail(err, JB_E_NOMEM, "blocks");
    for (uint32_t i = 0; i < rec->n_blocks && !rc; i++) order[i] = &rec->blocks[i];
    if (!rc) qsort(order, rec->n_blocks, sizeof *order, by_repetition);
    for (uint32_t i = 0; i < rec->n_blocks && !rc; i++) {
        rc = block(d, &rec->facts, order[i], out, &out->blocks[i], err);
        out->n_blocks++; // also one that failed half way: it is freed with the others
    }
    free(order);
    return rc;
}

// Modelled joules are no part of the result's energy; they are compared only with their like.
static enum jb_energy_class class_of(const struct jb_result_cell *c, const struct jb_rec_cell *rec)
{
    bool modelled = rec && rec->n_blocks > 0 && c->energy.cls == JB_ENERGY_NONE;
    for (uint32_t i = 0; modelled && i < rec->n_blocks; i++) modelled = rec->blocks[i].energy_cls == JB_ENERGY_MODELLED;
    return modelled ? JB_ENERGY_MODELLED : c->energy.cls;
}

int jb_run_data_cell(const struct jb_run_data *d, size_t cell, struct jb_side_cell *out, struct jb_err *err)
{
    const struct jb_result_cell *c = &d->result->cells[cell];
    const struct jb_rec_cell *rec = d->store ? jb_record_cell(&d->record, c->id) : NULL;
    struct jb_side_cell x = { .cell = c, .energy_cls = class_of(c, rec), .energy_reason = c->energy.reason, .energy_domains = c->energy.domains };
    int rc = rec && rec->facts.samples.n_bytes ? answers(d, &rec->facts, &x, err) : 0;
    if (!rc && !rec && d->answers.root) rc = jb_answers_cell(&d->answers, c, &x, err);
    if (!rc && rec) rc = blocks(d, rec, &x, err);
    if (rc) jb_side_cell_free(&x);
    else *out = x;
    return rc;
}
