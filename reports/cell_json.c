// A cell to JSON and back: one table of keys, in the order in which they are written. Both directions walk the same rows.
#include "reports/codec.h"

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

enum kind { TEXT, NEED, NUM, SIGNED, U32, PART }; // NEED: text that may not be null; NUM: >= 0; SIGNED: any number

struct field {
    const char *key;
    enum kind kind;
    size_t offset;
    jb_part_out write;
    jb_part_in read;
};

#define TEXT_(m) {#m, TEXT, offsetof(struct jb_result_cell, m), NULL, NULL}
#define NEED_(m) {#m, NEED, offsetof(struct jb_result_cell, m), NULL, NULL}
#define NUM_(m) {#m, NUM, offsetof(struct jb_result_cell, m), NULL, NULL}
#define SIGNED_(m) {#m, SIGNED, offsetof(struct jb_result_cell, m), NULL, NULL}
#define U32_(m) {#m, U32, offsetof(struct jb_result_cell, m), NULL, NULL}
#define PART_(key, name) {key, PART, 0, jb_out_##name, jb_in_##name}

static const struct field FIELDS[] = {
    NEED_(id), NEED_(key), NEED_(label), TEXT_(role), NEED_(workload), NEED_(model), NEED_(precision), NEED_(policy),
    PART_("policy_params", policy_params), SIGNED_(threshold), PART_("thresholds", thresholds), TEXT_(threshold_source),
    NUM_(target_loss), TEXT_(calibration_id), U32_(threads), U32_(streams), NUM_(power_limit_w), NEED_(scenario), NEED_(unit),
    PART_("status", status), TEXT_(reason),
    PART_("accuracy", accuracy), SIGNED_(accuracy_loss), PART_("quality", quality),
    PART_("latency_ns", latency), NUM_(throughput_per_s),
    NUM_(macs_mean), PART_("macs_by_precision", macs_by_precision), NUM_(bytes_mean),
    PART_("exit_histogram", exit_histogram), PART_("exits", exits), PART_("precision_histogram", precision_histogram),
    SIGNED_(regret_macs), PART_("overthinking", overthinking),
    PART_("memory", memory), NUM_(load_ns), PART_("instructions", instructions),
    PART_("energy", energy), PART_("energy_modelled", modelled), PART_("others_cpu", others), PART_("blocks", blocks),
    PART_("kv", kv_kind), PART_("fill", fill), PART_("tokens", tokens), PART_("ttft_ns", ttft), PART_("tpot_ns", tpot), PART_("ppl", ppl), PART_("deferred", deferred),
};
#define N_FIELDS (sizeof FIELDS / sizeof *FIELDS)

static const char *text_at(const void *base, size_t offset)
{
    const char *p;
    memcpy(&p, (const char *)base + offset, sizeof p);
    return p;
}

static double num_at(const void *base, size_t offset)
{
    double v;
    memcpy(&v, (const char *)base + offset, sizeof v);
    return v;
}

void jb_cell_to_json(struct jb_codec_out *w, cJSON *o, const struct jb_result_cell *c)
{
    for (size_t i = 0; i < N_FIELDS; i++) {
        const struct field *f = &FIELDS[i];
        const char *text;
        uint32_t u;
        switch (f->kind) {
        case NEED:
            text = text_at(c, f->offset);
            jb_out_text(w, o, f->key, text ? text : "");
            break;
        case TEXT: jb_out_text(w, o, f->key, text_at(c, f->offset)); break;
        case NUM:
        case SIGNED: jb_out_num(w, o, f->key, num_at(c, f->offset)); break;
        case U32:
            memcpy(&u, (const char *)c + f->offset, sizeof u);
            jb_out_count(w, o, f->key, u);
            break;
        case PART: f->write(w, o, f->key, c); break;
        }
    }
    jb_out_reasons(w, o, c);
}

static int read_field(const struct jb_codec_in *in, const cJSON *o, const struct field *f, struct jb_result_cell *c)
{
    char *at = (char *)c + f->offset;
    const char *text = NULL;
    double v = NAN;
    uint64_t u = 0;
    int rc = JB_OK;
    switch (f->kind) {
    case NEED:
        if ((rc = jb_json_get_str(in->doc, o, f->key, true, &text, in->err)))
            return rc;
        // fall through
    case TEXT:
        if (!(rc = jb_in_text(in, o, f->key, &text)))
            memcpy(at, &text, sizeof text);
        return rc;
    case NUM:
    case SIGNED:
        rc = jb_in_num(in, o, f->key, f->kind == SIGNED ? -DBL_MAX : 0, DBL_MAX, &v);
        if (!rc)
            memcpy(at, &v, sizeof v);
        return rc;
    case U32:
        if ((rc = jb_in_count(in, o, f->key, &u)))
            return rc;
        if (u > UINT32_MAX)
            return jb_in_bad(in, o, f->key, "is too large");
        memcpy(at, &(uint32_t){(uint32_t)u}, sizeof(uint32_t));
        return JB_OK;
    case PART: return f->read(in, o, f->key, c);
    }
    return JB_E_INTERNAL;
}

int jb_cell_from_json(const struct jb_codec_in *in, const cJSON *o, struct jb_result_cell *c)
{
    const char *known[N_FIELDS + 2];
    for (size_t i = 0; i < N_FIELDS; i++)
        known[i] = FIELDS[i].key;
    known[N_FIELDS] = "reasons";
    known[N_FIELDS + 1] = NULL;
    jb_result_cell_init(c);
    int rc = jb_json_only_keys(in->doc, o, "a cell", known, in->err);
    if (!rc) // first, because percentiles look their reasons up
        rc = jb_in_kv(in, o, "reasons", &c->reasons, &c->n_reasons);
    for (size_t i = 0; i < N_FIELDS && !rc; i++)
        rc = read_field(in, o, &FIELDS[i], c);
    return rc;
}
