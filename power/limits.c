// Holding limits: opened, put back, closed. Changing them is in limits_set.c.
#include "power/limits.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "power/limits_data.h"

// Takes over what an earlier process left; what cannot be opened now may be there again when it is put back.
int jb_limits_take_over(struct jb_limits *l, const struct jb_limits_state *s, struct jb_err *err)
{
    memcpy(l->state.saved, s->saved, sizeof l->state.saved);
    l->state.n = l->n_written = s->n;
    for (size_t i = 0; i < s->n; i++) {
        int e = jb_limits_entry_open(l, i);
        if (e == EWOULDBLOCK) return jb_limits_fail(err, e, s->saved[i].path, "opened", 0);
        if (l->entry[i].fd < 0 || l->io.read(l->io.self, l->entry[i].fd, &l->entry[i].now_uw) != 0 || l->entry[i].now_uw != s->saved[i].original_uw) l->entry[i].changed = 1;
        atomic_store(&l->n, i + 1);
    }
    return JB_OK;
}

static int open_earlier(struct jb_limits *l, bool adopt, struct jb_err *err)
{
    struct jb_limits_left left;
    struct jb_err why = {0};
    struct jb_limits_state *s = malloc(sizeof *s);
    if (!s) return jb_fail(err, JB_E_NOMEM, "power limits");
    int rc = jb_limits_read_left(&l->place, s, &left, &why);
    if (rc == JB_E_NOT_FOUND || (rc == JB_OK && left.n == 0)) rc = jb_limits_place_remove(&l->place, err); // if there is one, it is of no use any more
    else if (rc != JB_OK) rc = jb_fail(err, rc, "%s", why.detail);
    else if (!adopt || strcmp(s->root, l->state.root) != 0)
        rc = jb_fail(err, JB_E_EXISTS, "%s; put them back first: joulebench power limits restore --state %s", left.text, l->place.path);
    else rc = jb_limits_take_over(l, s, err);
    free(s);
    return rc;
}

void jb_limits_free(struct jb_limits *l)
{
    size_t n = atomic_exchange(&l->n, 0);
    for (size_t i = 0; i < n; i++) jb_limits_entry_close(&l->entry[i]);
    jb_limits_place_close(&l->place);
    free(l);
}

int jb_limits_open(struct jb_limits **out, const char *root, const char *state, bool adopt, struct jb_err *err)
{
    struct jb_limits *l = calloc(1, sizeof *l);
    if (!l) return jb_fail(err, JB_E_NOMEM, "power limits");
    l->place = (struct jb_limits_place){.dir = -1, .lock = -1};
    l->io = jb_limits_io_files();
    jb_limits_state_init(&l->state);
    int rc = jb_limits_root(root, l->state.root, sizeof l->state.root, err);
    if (rc == JB_OK) rc = jb_limits_place_open(&l->place, state, true, err);
    if (rc == JB_OK) rc = jb_limits_place_lock(&l->place, err);
    if (rc == JB_OK) rc = open_earlier(l, adopt, err);
    if (rc == JB_OK) *out = l;
    else jb_limits_free(l);
    return rc;
}

int jb_limits_restore(struct jb_limits *l, struct jb_err *err)
{
    int rc = JB_OK;
    for (size_t i = atomic_load(&l->n); i-- > 0;) {
        struct jb_err why = {0};
        int one = l->entry[i].changed ? jb_limits_entry_restore(l, i, &why) : JB_OK;
        if (one != JB_OK && rc == JB_OK) rc = jb_fail(err, one, "%s", why.detail);
    }
    if (rc != JB_OK) return rc;
    size_t n = atomic_exchange(&l->n, 0);
    for (size_t i = 0; i < n; i++) jb_limits_entry_close(&l->entry[i]);
    if (l->state.n == 0) return JB_OK;
    l->state.n = l->n_written = 0;
    return jb_limits_place_remove(&l->place, err);
}

void jb_limits_close(struct jb_limits *l)
{
    if (!l) return;
    (void)jb_limits_restore(l, NULL);
    jb_limits_free(l);
}

static bool any_changed(const struct jb_limits *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->entry[i].changed) return true;
    return false;
}

int jb_limits_leave(struct jb_limits *l, struct jb_err *err)
{
    if (!l) return JB_OK;
    int rc = JB_OK;
    if (any_changed(l)) {
        l->state.kept = true;
        rc = jb_limits_place_write(&l->place, &l->state, err);
    } else if (l->state.n > 0) {
        rc = jb_limits_place_remove(&l->place, err);
    }
    jb_limits_free(l);
    return rc;
}

size_t jb_limits_n_held(const struct jb_limits *l)
{
    return atomic_load(&l->n);
}

void jb_limits_held(const struct jb_limits *l, size_t i, struct jb_limits_held *out)
{
    const struct jb_limits_saved *s = &l->state.saved[i];
    *out = (struct jb_limits_held){s->zone, s->label, s->name, s->original_uw, l->entry[i].now_uw, l->entry[i].window_us};
}
