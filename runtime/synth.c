// Deterministic models: options, checks, and the kinds.
#include <stdlib.h>
#include <string.h>

#include "runtime/synth_impl.h"

void jb_synth_defaults(struct jb_synth_opts *o)
{
    *o = (struct jb_synth_opts){ .kind = "cnn", .stages = 4, .width = 16, .size = 28, .channels = 1, .classes = 10, .seed = 1, .positions = 64,
                                 .layers = 2, .heads = 4, .kv_heads = 2, .vocab = 320, .context = 256, .type = "f32" };
}

static int check(const struct jb_synth_opts *o, bool cnn, struct jb_err *err)
{
    if (o->stages < 1 || o->stages > JB_MAX_STAGES)
        return jb_fail(err, JB_E_RANGE, "synth: %u stages (1 to 16 can be)", o->stages);
    if (o->width < 1 || o->width > 1024)
        return jb_fail(err, JB_E_RANGE, "synth: width %u (1 to 1024 can be)", o->width);
    if (o->classes < 2 || o->classes > JB_MAX_CLASSES)
        return jb_fail(err, JB_E_RANGE, "synth: %u classes (2 to 4,096 can be)", o->classes);
    if (cnn && (o->size < 1 || o->size > 512))
        return jb_fail(err, JB_E_RANGE, "synth: images of %d pixels a side (1 to 512 can be)", o->size);
    if (cnn && (o->channels < 1 || o->channels > 8))
        return jb_fail(err, JB_E_RANGE, "synth: %d channels (1 to 8 can be)", o->channels);
    if (!cnn && o->encoder >= o->stages)
        return jb_fail(err, JB_E_RANGE, "synth: %u of %u stages as encoder leaves no decoder", o->encoder, o->stages);
    if (!cnn && (o->positions < 1 || o->positions > 4096))
        return jb_fail(err, JB_E_RANGE, "synth: %u positions (1 to 4,096 can be)", o->positions);
    return JB_OK;
}

// Opens *w and puts the model into it. *kept: see jb_synth_llama.
static int put_together(struct jb_gguf_writer **w, void **kept, const struct jb_synth_opts *o, struct jb_err *err)
{
    bool cnn = strcmp(o->kind, "cnn") == 0, llama = strcmp(o->kind, "llama") == 0;
    if (!cnn && !llama && strcmp(o->kind, "state") != 0)
        return jb_fail(err, JB_E_USAGE, "synth: unknown kind \"%.40s\" (cnn, state, llama)", o->kind);
    int rc = llama ? JB_OK : check(o, cnn, err);
    if (!rc && jb_gguf_writer_open(w))
        rc = jb_fail(err, JB_E_NOMEM, "synth: out of memory");
    if (rc)
        return rc;
    return llama ? jb_synth_llama(*w, o, kept, err) : cnn ? jb_synth_cnn(*w, o, err) : jb_synth_state(*w, o, err);
}

int jb_synth_make(void **out, size_t *n_bytes, const struct jb_synth_opts *o, struct jb_err *err)
{
    struct jb_gguf_writer *w = NULL;
    void *kept = NULL;
    int rc = put_together(&w, &kept, o, err);
    if (!rc)
        rc = jb_gguf_write_memory(w, out, n_bytes, err);
    jb_gguf_writer_close(w);
    free(kept);
    return rc;
}

int jb_synth_write(const char *path, const struct jb_synth_opts *o, struct jb_err *err)
{
    struct jb_gguf_writer *w = NULL;
    void *kept = NULL;
    int rc = put_together(&w, &kept, o, err);
    if (!rc)
        rc = jb_gguf_write(w, path, err);
    jb_gguf_writer_close(w);
    free(kept);
    return rc;
}
