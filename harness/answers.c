#include "harness/answers.h"

#include "base/fs.h"
#include "harness/wire.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES (256u << 20)
#define MAX_SAMPLES (1u << 26)

// ---- writing ----

static bool is_counting(const struct jb_side_cell *c)
{
    for (uint32_t i = 0; i < c->n_samples; i++)
        if (c->index[i] != i) return false;
    return true;
}

static void put32(uint8_t *at, uint32_t v)
{
    for (int k = 0; k < 4; k++) at[k] = (uint8_t)(v >> (8 * k));
}

static uint32_t get32(const uint8_t *at) { return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24; }

// Little-endian; NULL: out of memory.
static uint8_t *index_bytes(const struct jb_side_cell *c)
{
    uint8_t *b = malloc((size_t)c->n_samples * 4 + 1);
    for (uint32_t i = 0; b && i < c->n_samples; i++) put32(b + 4 * (size_t)i, c->index[i]);
    return b;
}

// Little-endian columns of a text workload.
static bool put_text(cJSON *o, const struct jb_side_cell *c)
{
    static const char *const NAME[] = { "query", "label", "logprob" };
    uint8_t *b = malloc((size_t)c->n_samples * 4 + 1);
    bool ok = b != NULL;
    for (int k = 0; k < 3 && ok; k++) {
        for (uint32_t i = 0; i < c->n_samples; i++) {
            uint32_t v = k == 0 ? c->text.query[i] : c->text.label[i];
            if (k == 2) memcpy(&v, &c->text.logprob[i], 4);
            put32(b + 4 * (size_t)i, v);
        }
        ok = jb_wire_put_bytes(o, NAME[k], b, (size_t)c->n_samples * 4);
    }
    free(b);
    return ok && jb_wire_put_bytes(o, "agrees", c->text.agrees, c->n_samples);
}

static bool put_cell(cJSON *list, const struct jb_side_cell *c)
{
    size_t n_bytes = ((size_t)c->n_samples + 7) / 8;
    uint8_t *bits = calloc(n_bytes + 1, 1), *index = is_counting(c) ? NULL : index_bytes(c);
    cJSON *o = jb_json_put_object(list, NULL);
    for (uint32_t i = 0; bits && i < c->n_samples; i++) bits[i / 8] |= (uint8_t)(c->correct[i] << (i % 8));
    bool ok = bits && o && (index || is_counting(c)) && jb_json_put_str(o, "id", c->cell->id) && jb_json_put_u64(o, "n", c->n_samples) && jb_wire_put_bytes(o, "correct", bits, n_bytes) &&
              (!index || jb_wire_put_bytes(o, "index", index, (size_t)c->n_samples * 4)) && (!c->text.query || put_text(o, c));
    free(bits);
    free(index);
    return ok;
}

static int put_all(cJSON *list, const struct jb_run_data *d, struct jb_err *err)
{
    const struct jb_result *r = jb_run_data_result(d);
    int rc = 0;
    for (size_t i = 0; i < r->n_cells && !rc; i++) {
        struct jb_side_cell c = { 0 };
        if (r->cells[i].status != JB_CELL_VALID) continue;
        rc = jb_run_data_cell(d, i, &c, err);
        if (!rc && c.n_samples && c.labelled && !put_cell(list, &c)) rc = jb_fail(err, JB_E_NOMEM, "answers");
        jb_side_cell_free(&c);
    }
    return rc;
}

int jb_answers_write(const char *path, const struct jb_run_data *d, struct jb_err *err)
{
    cJSON *o = cJSON_CreateObject(), *list = o && jb_json_put_str(o, "schema", JB_ANSWERS_SCHEMA) ? jb_json_put_array(o, "cells") : NULL;
    int rc = list ? put_all(list, d, err) : jb_fail(err, JB_E_NOMEM, "answers");
    char *text = rc ? NULL : jb_json_pretty(o);
    cJSON_Delete(o);
    if (!rc) rc = text ? jb_write_file_atomic(path, text, strlen(text), err) : jb_fail(err, JB_E_NOMEM, "answers");
    free(text);
    return rc;
}

// ---- reading ----

int jb_answers_read(struct jb_json_doc *out, const char *path, struct jb_err *err)
{
    const char *schema = NULL;
    struct jb_json_doc doc = { 0 };
    int rc = jb_json_read(&doc, path, MAX_BYTES, err);
    if (rc) return rc;
    rc = cJSON_IsObject(doc.root) ? jb_json_get_str(&doc, doc.root, "schema", true, &schema, err) : jb_fail(err, JB_E_INVALID, "%s: not an object", path);
    if (!rc && (strcmp(schema, JB_ANSWERS_SCHEMA) || !cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(doc.root, "cells"))))
        rc = jb_fail(err, JB_E_INVALID, "%s: not the answers of a baseline (\"" JB_ANSWERS_SCHEMA "\")", path);
    if (rc) jb_json_close(&doc);
    else *out = doc;
    return rc;
}

static int read_index(const struct jb_json_doc *doc, const cJSON *o, uint32_t *index, uint32_t n, struct jb_err *err)
{
    uint8_t *b = NULL;
    size_t n_bytes = 0;
    for (uint32_t i = 0; i < n; i++) index[i] = i;
    if (!cJSON_GetObjectItemCaseSensitive(o, "index")) return 0;
    int rc = jb_wire_get_bytes(doc, o, "index", &b, &n_bytes, err);
    if (!rc && n_bytes != (size_t)n * 4) rc = jb_fail(err, JB_E_INVALID, "%s: an index of %zu bytes for %u samples", doc->name, n_bytes, n);
    for (uint32_t i = 0; i < n && !rc; i++) {
        index[i] = get32(b + 4 * (size_t)i);
        if (i && index[i] <= index[i - 1]) rc = jb_fail(err, JB_E_INVALID, "%s: samples out of order", doc->name);
    }
    free(b);
    return rc;
}

static int read_correct(const struct jb_json_doc *doc, const cJSON *o, uint8_t *correct, uint32_t n, uint64_t *sum, struct jb_err *err)
{
    uint8_t *b = NULL;
    size_t n_bytes = 0;
    int rc = jb_wire_get_bytes(doc, o, "correct", &b, &n_bytes, err);
    if (!rc && n_bytes != ((size_t)n + 7) / 8) rc = jb_fail(err, JB_E_INVALID, "%s: %zu bytes of answers for %u samples", doc->name, n_bytes, n);
    for (uint32_t i = 0; i < n && !rc; i++) *sum += correct[i] = b[i / 8] >> (i % 8) & 1;
    free(b);
    return rc;
}

static int read_column(const struct jb_json_doc *doc, const cJSON *o, const char *name, size_t n, size_t each, void *out, struct jb_err *err)
{
    uint8_t *b = NULL;
    size_t n_bytes = 0;
    int rc = jb_wire_get_bytes(doc, o, name, &b, &n_bytes, err);
    if (!rc && n_bytes != n * each) rc = jb_fail(err, JB_E_INVALID, "%s: \"%s\" has %zu bytes for %zu samples", doc->name, name, n_bytes, n);
    for (size_t i = 0; i < n && !rc; i++) {
        uint32_t v = each == 4 ? get32(b + 4 * i) : b[i];
        if (each == 4) memcpy((uint8_t *)out + 4 * i, &v, 4);
        else ((uint8_t *)out)[i] = (uint8_t)v;
    }
    free(b);
    return rc;
}

// Answers of a query stand together, and agreement is one of three things.
static int check_text(const struct jb_json_doc *doc, const struct jb_text_answers *t, uint32_t n, struct jb_err *err)
{
    for (uint32_t i = 0; i < n; i++)
        if (t->agrees[i] > JB_AGREES_UNKNOWN || (i && t->query[i] < t->query[i - 1])) return jb_fail(err, JB_E_INVALID, "%s: answer %u is not one of a text's", doc->name, i);
    return 0;
}

// Nothing where the workload is no text.
static int read_text(const struct jb_json_doc *doc, const cJSON *o, uint32_t n, struct jb_text_answers *out, struct jb_err *err)
{
    size_t room = (size_t)n + 1;
    if (!cJSON_GetObjectItemCaseSensitive(o, "query")) return 0;
    *out = (struct jb_text_answers){ malloc(room * sizeof *out->query), malloc(room * sizeof *out->label), malloc(room * sizeof *out->logprob), malloc(room) };
    if (!out->query || !out->label || !out->logprob || !out->agrees) return jb_fail(err, JB_E_NOMEM, "answers");
    int rc = read_column(doc, o, "query", n, 4, out->query, err);
    if (!rc) rc = read_column(doc, o, "label", n, 4, out->label, err);
    if (!rc) rc = read_column(doc, o, "logprob", n, 4, out->logprob, err);
    if (!rc) rc = read_column(doc, o, "agrees", n, 1, out->agrees, err);
    return rc ? rc : check_text(doc, out, n, err);
}

static int read_cell(const struct jb_json_doc *doc, const cJSON *o, const struct jb_result_cell *cell, struct jb_side_cell *out, struct jb_err *err)
{
    uint64_t n = 0, sum = 0;
    int rc = jb_json_get_u64(doc, o, "n", true, 1, MAX_SAMPLES, &n, err);
    if (rc) return rc;
    uint32_t *index = malloc((size_t)n * sizeof *index);
    uint8_t *correct = malloc((size_t)n);
    rc = index && correct ? read_index(doc, o, index, (uint32_t)n, err) : jb_fail(err, JB_E_NOMEM, "answers");
    if (!rc) rc = read_correct(doc, o, correct, (uint32_t)n, &sum, err);
    if (!rc && (n != cell->accuracy.n || fabs(cell->accuracy.value * (double)n - (double)sum) > 0.5))
        rc = jb_fail(err, JB_E_INVALID, "%s: cell %s: %llu of %llu right, which is not the accuracy in results.json", doc->name, cell->label, (unsigned long long)sum, (unsigned long long)n);
    if (rc) {
        free(index);
        free(correct);
        return rc;
    }
    out->index = index;
    out->correct = correct;
    out->n_samples = (uint32_t)n;
    out->labelled = true;
    return read_text(doc, o, (uint32_t)n, &out->text, err); // whatever there is then is freed with the cell
}

int jb_answers_cell(const struct jb_json_doc *doc, const struct jb_result_cell *cell, struct jb_side_cell *out, struct jb_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(doc->root, "cells");
    for (const cJSON *o = list ? list->child : NULL; o; o = o->next) {
        const cJSON *id = cJSON_GetObjectItemCaseSensitive(o, "id");
        if (cJSON_IsString(id) && cell->id && !strcmp(id->valuestring, cell->id)) return read_cell(doc, o, cell, out, err);
    }
    return 0;
}
