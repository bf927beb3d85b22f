// Where a name of a plan or a parameter lies. Nothing of the build's own directory is compiled in: the caller passes what it found at run time.
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/fs.h"
#include "base/strbuf.h"
#include "workloads/workload.h"

struct search {
    const char *name;
    char *out;
    size_t room;
    struct jb_str tried;
};

// Whether dir/name (name NULL: dir itself) is a file; remembers that it was tried.
static bool try_file(struct search *s, const char *dir, const char *name)
{
    char path[4096];
    struct stat st;
    int rc = name ? jb_path_join(path, sizeof path, dir, name, NULL) : snprintf(path, sizeof path, "%s", dir) < (int)sizeof path ? JB_OK : JB_E_RANGE;
    if (rc < 0)
        return false;
    bool found = stat(path, &st) == 0 && !S_ISDIR(st.st_mode) && strlen(path) < s->room;
    if (found)
        memcpy(s->out, path, strlen(path) + 1);
    jb_str_addf(&s->tried, "%s%s", s->tried.len ? ", " : "", path);
    return found;
}

// In the source tree "fashion/x" lies in workloads/fashion/data/x or workloads/fashion/models/x; installed, both lie in share/joulebench/fashion/x.
static bool try_source_tree(struct search *s, const char *source_dir)
{
    static const char *const kinds[] = { "data", "models" };
    const char *slash = strchr(s->name, '/');
    for (size_t i = 0; slash && i < sizeof kinds / sizeof kinds[0]; i++) {
        char rest[4096];
        int n = snprintf(rest, sizeof rest, "workloads/%.*s/%s%s", (int)(slash - s->name), s->name, kinds[i], slash);
        if (n > 0 && (size_t)n < sizeof rest && try_file(s, source_dir, rest))
            return true;
    }
    return try_file(s, source_dir, s->name);
}

static bool try_all(struct search *s, const struct jb_paths *p)
{
    if (s->name[0] == '/')
        return try_file(s, s->name, NULL);
    const char *dirs[] = { p ? p->plan_dir : NULL, p ? p->jb_data : NULL, p ? p->share_dir : NULL, p ? p->models_dir : NULL };
    if ((!p || !p->plan_dir) && try_file(s, s->name, NULL))
        return true;
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++)
        if (dirs[i] && dirs[i][0] && try_file(s, dirs[i], s->name))
            return true;
    return p && p->source_dir && try_source_tree(s, p->source_dir);
}

int jb_paths_resolve(const struct jb_paths *p, const char *name, char *out, size_t n, struct jb_err *err)
{
    struct search s = { name, out, n, { 0 } };
    if (!name || !name[0])
        return jb_fail(err, JB_E_INVALID, "an empty file name");
    int rc = JB_OK;
    if (!try_all(&s, p))
        rc = jb_fail(err, JB_E_NOT_FOUND, "\"%s\" was not found; tried %s", name, jb_str_get(&s.tried));
    jb_str_free(&s.tried);
    return rc;
}
