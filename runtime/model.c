// Opening a model: file, hashes, side file, and the row of runtime/arch.c that builds it.
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "runtime/model_impl.h"

static const struct jb_arch_ops *find_arch(const char *name)
{
    for (size_t i = 0; jb_archs[i]; i++)
        if (strcmp(jb_archs[i]->name, name) == 0)
            return jb_archs[i];
    return NULL;
}

static int choose_arch(struct jb_model *m, struct jb_err *err)
{
    const char *name = NULL;
    int rc = jb_gguf_str(m->file, "general.architecture", &name, NULL, err);
    if (rc == JB_E_NOT_FOUND)
        return jb_fail(err, JB_E_INVALID, "%s: key \"general.architecture\" is missing", jb_gguf_name(m->file));
    if (rc)
        return rc;
    if (strcmp(name, "jb-exits") == 0)
        return jb_fail(err, JB_E_INVALID, "%s: holds exits alone; name it beside its base model", jb_gguf_name(m->file));
    m->arch = find_arch(name);
    if (!m->arch)
        return jb_fail(err, JB_E_UNSUPPORTED, "%s: unknown architecture \"%.60s\"", jb_gguf_name(m->file), name);
    m->info.architecture = m->arch->name;
    return JB_OK;
}

// The side file must be one, and name this very base.
static int check_exits(struct jb_model *m, struct jb_err *err)
{
    const char *arch = NULL, *base = NULL, *key = m->arch->base_key ? m->arch->base_key : "jb.base.sha256";
    char hash[JB_HASH_HEX];
    int rc = jb_gguf_str(m->exits, "general.architecture", &arch, NULL, err);
    if (!rc)
        rc = jb_gguf_str(m->exits, key, &base, NULL, err);
    if (rc)
        return rc;
    if (strcmp(arch, "jb-exits") != 0)
        return jb_fail(err, JB_E_INVALID, "%s: architecture \"%.60s\" (a file of exits has \"jb-exits\")", jb_gguf_name(m->exits), arch);
    memcpy(hash, m->info.sha256, sizeof hash);
    if (m->arch->base_hash)
        rc = m->arch->base_hash(m->file, hash, err);
    if (rc)
        return rc;
    if (strcmp(base, hash) != 0)
        return jb_fail(err, JB_E_MISMATCH, "%s: made for a base model with %s %.64s, but %s has %s", jb_gguf_name(m->exits), m->arch->base_hash ? key : "SHA-256", base, jb_gguf_name(m->file), hash);
    jb_gguf_hash(m->exits, m->info.exits_sha256);
    return JB_OK;
}

// Files are open; everything else follows.
static int build(struct jb_model *m, const struct jb_kernels *kernels, const struct jb_model_opts *opts, struct jb_err *err)
{
    struct jb_model_info *info = &m->info;
    info->path = jb_gguf_name(m->file);
    info->name = info->license = info->provenance = info->task = "";
    info->file_bytes = jb_gguf_file_bytes(m->file);
    info->weights = "";
    info->file = m->file;
    if (!opts || !opts->no_hash)
        jb_gguf_hash(m->file, info->sha256);
    int rc = choose_arch(m, err);
    if (!rc && m->exits)
        rc = check_exits(m, err);
    if (!rc)
        rc = m->arch->build(&m->impl, info, m->file, m->exits, kernels, opts, err);
    if (!rc)
        info->model_bytes += sizeof *m + info->file_bytes + (m->exits ? jb_gguf_file_bytes(m->exits) : 0);
    return rc;
}

static int finish(struct jb_model **out, struct jb_model *m, int rc, const struct jb_kernels *kernels, const struct jb_model_opts *opts, uint64_t start_ns, struct jb_err *err)
{
    struct jb_clock clock = jb_clock_monotonic();
    if (!rc)
        rc = build(m, kernels, opts, err);
    if (rc) {
        jb_model_close(m);
        return rc;
    }
    m->info.load_ns = clock.now_ns(clock.self) - start_ns;
    *out = m;
    return JB_OK;
}

int jb_model_open(struct jb_model **out, const char *path, const struct jb_kernels *kernels, const struct jb_model_opts *opts, struct jb_err *err)
{
    struct jb_clock clock = jb_clock_monotonic();
    uint64_t start_ns = clock.now_ns(clock.self);
    struct jb_model *m = calloc(1, sizeof *m);
    if (!m)
        return jb_fail(err, JB_E_NOMEM, "%s: out of memory", path);
    int rc = jb_gguf_open(&m->file, path, err);
    if (!rc && opts && opts->exits_path)
        rc = jb_gguf_open(&m->exits, opts->exits_path, err);
    return finish(out, m, rc, kernels, opts, start_ns, err);
}

int jb_model_open_memory(struct jb_model **out, const char *name, const void *data, size_t n_bytes, const void *exits, size_t exits_bytes, const struct jb_kernels *kernels,
                         const struct jb_model_opts *opts, struct jb_err *err)
{
    struct jb_clock clock = jb_clock_monotonic();
    uint64_t start_ns = clock.now_ns(clock.self);
    struct jb_model *m = calloc(1, sizeof *m);
    if (!m)
        return jb_fail(err, JB_E_NOMEM, "%s: out of memory", name);
    int rc = jb_gguf_open_memory(&m->file, name, data, n_bytes, err);
    if (!rc && exits)
        rc = jb_gguf_open_memory(&m->exits, "exits", exits, exits_bytes, err);
    return finish(out, m, rc, kernels, opts, start_ns, err);
}

void jb_model_close(struct jb_model *m)
{
    if (!m)
        return;
    if (m->impl)
        m->arch->destroy(m->impl);
    jb_gguf_close(m->exits);
    jb_gguf_close(m->file);
    free(m);
}

const struct jb_model_info *jb_model_info(const struct jb_model *m)
{
    return &m->info;
}

int jb_model_op(const struct jb_model *m, uint32_t stage, bool head, uint32_t i, struct jb_op_info *out)
{
    return m->arch->op ? m->arch->op(m->impl, stage, head, i, out) : JB_E_UNSUPPORTED;
}
