// classify: images and labels from IDX or NPY files that the plan names, by split.
#include "workloads/classify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "workloads/params.h"

#define MAX_SIDE 4096
#define MAX_CHANNELS 65536

// (n, h, w), (n, h, w, c), or (n, values) as 1 x 1 x values.
static int image_shape(const struct jb_array *a, struct jb_shape *out)
{
    uint64_t h = 1, w = 1, c = 1;
    if (a->n_dims == 2) {
        c = a->dims[1];
    } else {
        h = a->dims[1];
        w = a->dims[2];
        if (a->n_dims == 4)
            c = a->dims[3];
    }
    if (h < 1 || w < 1 || c < 1 || h > MAX_SIDE || w > MAX_SIDE || c > MAX_CHANNELS)
        return JB_E_RANGE;
    *out = (struct jb_shape){ (int32_t)h, (int32_t)w, (int32_t)c };
    return JB_OK;
}

static int check_images(const struct jb_array *a, const char *path, struct jb_shape *shape, struct jb_err *err)
{
    char is[160];
    jb_array_describe(a, is, sizeof is);
    if (a->type.kind != 'u' || a->type.item_bytes != 1)
        return jb_fail(err, JB_E_UNSUPPORTED, "%s: holds %s; images are uint8 (0 to 255)", path, is);
    if (a->n_dims < 2 || a->n_dims > 4)
        return jb_fail(err, JB_E_INVALID, "%s: holds %s; images have the dimensions (n, h, w), (n, h, w, c) or (n, values)", path, is);
    if (a->dims[0] == 0)
        return jb_fail(err, JB_E_INVALID, "%s: holds %s: no image", path, is);
    if (a->dims[0] > INT32_MAX)
        return jb_fail(err, JB_E_RANGE, "%s: holds %s: too many images", path, is);
    if (image_shape(a, shape) < 0)
        return jb_fail(err, JB_E_RANGE, "%s: holds %s: height and width go from 1 to %d, channels from 1 to %d", path, is, MAX_SIDE, MAX_CHANNELS);
    return JB_OK;
}

static int load_images(struct jb_dataset *d, struct jb_dataset_split *p, const char *path, struct jb_err *err)
{
    struct jb_shape shape;
    int rc = jb_array_read(&p->array, path, err);
    if (rc == JB_OK)
        rc = check_images(&p->array, path, &shape, err);
    if (rc < 0)
        return rc;
    if (d->sample_bytes && (shape.h != d->shape.h || shape.w != d->shape.w || shape.c != d->shape.c))
        return jb_fail(err, JB_E_MISMATCH, "%s: images of %d x %d x %d; those of the splits before are %d x %d x %d", path, shape.h, shape.w, shape.c, d->shape.h,
                       d->shape.w, d->shape.c);
    d->shape = shape;
    d->sample_bytes = (size_t)shape.h * (size_t)shape.w * (size_t)shape.c;
    p->n = (uint32_t)p->array.dims[0];
    p->samples = p->array.data;
    return JB_OK;
}

static int check_labels(const struct jb_array *a, const char *path, uint32_t n, struct jb_err *err)
{
    char is[160];
    jb_array_describe(a, is, sizeof is);
    if (a->type.kind == 'f')
        return jb_fail(err, JB_E_UNSUPPORTED, "%s: holds %s; labels are integers", path, is);
    if (a->n_dims != 1 && !(a->n_dims == 2 && a->dims[1] == 1))
        return jb_fail(err, JB_E_INVALID, "%s: holds %s; labels have one dimension", path, is);
    if (a->n_items != n)
        return jb_fail(err, JB_E_MISMATCH, "%s: %llu labels for %u images", path, (unsigned long long)a->n_items, n);
    return JB_OK;
}

static int load_labels(struct jb_dataset_split *p, const char *path, uint32_t n_classes, uint32_t *largest, struct jb_err *err)
{
    struct jb_array a;
    int rc = jb_array_read(&a, path, err);
    if (rc < 0)
        return rc;
    rc = check_labels(&a, path, p->n, err);
    if (rc < 0)
        goto out;
    p->label = malloc(p->n * sizeof *p->label);
    if (!p->label) {
        rc = jb_fail(err, JB_E_NOMEM, "%s: no memory for %u labels", path, p->n);
        goto out;
    }
    int64_t limit = n_classes ? n_classes : JB_MAX_CLASSES;
    for (uint32_t i = 0; i < p->n; i++) {
        int64_t v = jb_array_int(&a, i);
        if (v < 0 || v >= limit) {
            size_t offset = (size_t)(a.data - a.owned) + (size_t)i * a.type.item_bytes;
            rc = jb_fail(err, JB_E_RANGE, "%s: offset %zu: label %lld of image %u is outside 0 to %lld", path, offset, (long long)v, i, (long long)limit - 1);
            goto out;
        }
        p->label[i] = (uint32_t)v;
        if (p->label[i] > *largest)
            *largest = p->label[i];
    }
out:
    jb_array_close(&a);
    return rc;
}

static int load_split(struct jb_dataset *d, enum jb_split s, const struct jb_paths *paths, const struct jb_classify_files *f, uint32_t n_classes,
                      uint32_t *largest, struct jb_err *err)
{
    char path[4096];
    struct jb_dataset_split *p = &d->split[s];
    bool images = f->images && f->images[0], labels = f->labels && f->labels[0];
    if (!images)
        return labels ? jb_fail(err, JB_E_INVALID, "%s_labels is given without %s_images", jb_split_name(s), jb_split_name(s)) : JB_OK;
    int rc = jb_paths_resolve(paths, f->images, path, sizeof path, err);
    if (rc == JB_OK)
        rc = load_images(d, p, path, err);
    if (rc < 0 || !labels)
        return rc;
    rc = jb_paths_resolve(paths, f->labels, path, sizeof path, err);
    return rc < 0 ? rc : load_labels(p, path, n_classes, largest, err);
}

int jb_classify_open_files(struct jb_dataset **out, const struct jb_paths *paths, const struct jb_classify_files files[JB_SPLIT_COUNT], uint32_t n_classes,
                           struct jb_err *err)
{
    struct jb_dataset *d = calloc(1, sizeof *d);
    if (!d)
        return jb_fail(err, JB_E_NOMEM, "out of memory");
    int rc = JB_OK;
    uint32_t largest = 0;
    for (int s = 0; s < JB_SPLIT_COUNT && rc == JB_OK; s++)
        rc = load_split(d, (enum jb_split)s, paths, &files[s], n_classes, &largest, err);
    if (rc == JB_OK && d->sample_bytes == 0)
        rc = jb_fail(err, JB_E_INVALID, "no split has images: give at least test_images");
    if (rc < 0) {
        jb_dataset_close(d);
        return rc;
    }
    d->n_classes = n_classes ? n_classes : largest + 1;
    *out = d;
    return JB_OK;
}

static const struct jb_option options[] = {
    { "test_images", JB_OPT_STR, "", 0, 0, "IDX or NPY file, uint8 (n, h, w), (n, h, w, c) or (n, values); .gz is read too" },
    { "test_labels", JB_OPT_STR, "", 0, 0, "IDX or NPY file, integers (n)" },
    { "calibration_images", JB_OPT_STR, "", 0, 0, "for thresholds; never used for the figures reported" },
    { "calibration_labels", JB_OPT_STR, "", 0, 0, "their labels" },
    { "fit_images", JB_OPT_STR, "", 0, 0, "for temperatures and ranges" },
    { "fit_labels", JB_OPT_STR, "", 0, 0, "their labels" },
    { "train_images", JB_OPT_STR, "", 0, 0, "what the model was trained on" },
    { "train_labels", JB_OPT_STR, "", 0, 0, "their labels" },
    { "classes", JB_OPT_I64, "0", 0, JB_MAX_CLASSES, "number of classes; 0: the largest label and one more" },
    { "title", JB_OPT_STR, "classify", 0, 0, "name of the data" },
    { "license", JB_OPT_STR, "unknown", 0, 0, "licence of the data" },
    { "provenance", JB_OPT_STR, "the user's own files", 0, 0, "where the data comes from" },
    { "note", JB_OPT_STR, "", 0, 0, "shown wherever an accuracy stands" },
    { .type = JB_OPT_END },
};

static int classify_open(void **impl, struct jb_workload_info *info, const struct jb_workload_opts *o, struct jb_err *err)
{
    struct jb_classify_files files[JB_SPLIT_COUNT];
    struct jb_dataset *d;
    for (int s = 0; s < JB_SPLIT_COUNT; s++) {
        char images[32], labels[32];
        snprintf(images, sizeof images, "%s_images", jb_split_name((enum jb_split)s));
        snprintf(labels, sizeof labels, "%s_labels", jb_split_name((enum jb_split)s));
        files[s].images = jb_params_text(options, o, images);
        files[s].labels = jb_params_text(options, o, labels);
    }
    int rc = jb_classify_open_files(&d, o ? o->paths : NULL, files, (uint32_t)jb_params_i64(options, o, "classes"), err);
    if (rc < 0)
        return rc;
    rc = jb_dataset_describe(d, info, err);
    if (rc < 0) {
        jb_dataset_close(d);
        return rc;
    }
    snprintf(info->name, sizeof info->name, "%s", jb_params_text(options, o, "title"));
    snprintf(info->license, sizeof info->license, "%s", jb_params_text(options, o, "license"));
    snprintf(info->provenance, sizeof info->provenance, "%s", jb_params_text(options, o, "provenance"));
    snprintf(info->note, sizeof info->note, "%s", jb_params_text(options, o, "note"));
    *impl = d;
    return JB_OK;
}

const struct jb_workload_ops jb_workload_classify = {
    .name = "classify",
    .summary = "images and labels from your own IDX or NPY files",
    .options = options,
    .open = classify_open,
    .close = jb_dataset_close_impl,
    .sample = jb_dataset_sample,
    .score = jb_dataset_score,
};
