// Readings to joules: whatever a counter does and however it is read, a window's bounds hold the true joules, or the window is refused with a reason.
// The truth is simulated. JB_TRACK_SEQUENCES=N: how many sequences; JB_TRACK_SEED=N: that one alone, step by step.
#include "tests/power/unit.h"
#include <errno.h>
#include <inttypes.h>
#include "power/track.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SEQUENCES 150000u
#else
#define SEQUENCES 2000000u
#endif

#define MS 1000000u
#define S 1000000000u
#define STEPS 16
#define MAX_READINGS 48
#define N_SLOTS 6

// ---- A machine whose true energy is known at every moment.

enum mode { PLAIN, CLEAN, RESETS, FREEZES, FALLING, STREAM, N_MODES };
static const char *const mode_name[N_MODES] = {"plain", "clean", "resets", "freezes", "falling", "stream"};

struct machine {
    struct jb_rng rng;
    enum mode mode;
    struct jb_channel channel;
    double ceiling_w, factor;           // factor: the driver's error, within its stated accuracy
    uint64_t step_ns, now_ns, update_ns; // update_ns: no two updates are further apart
    double watts[STEPS], uj_before[STEPS + 1];
    double jitter, step_uj;
    uint64_t update_seed, modulus, start_count; // in counts; modulus 0: 2^64
    uint64_t offset;                    // added to the counter by resets, charging
    uint64_t frozen_from_ns;            // far ahead: not
    uint64_t frozen_seen_ns;            // end of the first read behind it; 0: none yet
};

static double unit(struct machine *m) { return jb_rng_unit(&m->rng); }
static uint64_t below(struct machine *m, uint64_t n) { return jb_rng_below(&m->rng, n ? n : 1); }
static bool one_in(struct machine *m, uint64_t n) { return jb_rng_below(&m->rng, n) == 0; }

// Energy of the counter since time 0.
static double energy_uj(const struct machine *m, uint64_t t_ns)
{
    uint64_t step = t_ns / m->step_ns;
    return (double)(step / STEPS) * m->uj_before[STEPS] + m->uj_before[step % STEPS] + m->watts[step % STEPS] * 1e-3 * (double)(t_ns % m->step_ns);
}

static uint64_t mixed(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static uint64_t update_k(const struct machine *m, uint64_t k, uint64_t base)
{
    return k * base - (uint64_t)(0.5 * m->jitter * (double)(mixed(k * 0x9e3779b97f4a7c15u + m->update_seed) >> 11) * 0x1p-53 * (double)base);
}

// The last update at or before t. Two are never further apart than update_ns.
static uint64_t updated_at(const struct machine *m, uint64_t t_ns)
{
    if (m->update_ns <= 1) return t_ns;
    uint64_t base = (uint64_t)((double)m->update_ns / (1 + 0.5 * m->jitter));
    if (base == 0) return t_ns;
    uint64_t k = t_ns / base + 1;
    while (k > 0 && update_k(m, k, base) > t_ns) k--;
    return k ? update_k(m, k, base) : 0;
}

// Whole counts of the kernel, of whole steps of the hardware.
static uint64_t counts_at(const struct machine *m, uint64_t t_ns)
{
    uint64_t at = updated_at(m, t_ns > m->frozen_from_ns ? m->frozen_from_ns : t_ns), steps = (uint64_t)(energy_uj(m, at) / m->step_uj);
    return m->channel.step_uj > 0 ? (uint64_t)((double)steps * m->step_uj / m->channel.unit) : steps;
}

static uint64_t shown(const struct machine *m, uint64_t t_ns)
{
    uint64_t counts = counts_at(m, t_ns);
    if (m->mode == FALLING) return m->start_count + m->offset - counts;
    uint64_t sum = m->start_count + m->offset + counts;
    return m->modulus ? sum % m->modulus : sum;
}

static void make_power(struct machine *m, bool busy)
{
    static const double shapes[] = {0, 0.01, 0.5, 1};
    double most = m->ceiling_w * shapes[1 + below(m, 3)], least = one_in(m, 2) ? most : most * shapes[below(m, 3)];
    if (busy && least < 0.01 * most) least = 0.01 * most;
    for (int i = 0; i < STEPS; i++) {
        double u = unit(m);
        m->watts[i] = u < 0.3 ? least : u < 0.6 ? most : least + (most - least) * unit(m);
        m->uj_before[i + 1] = m->uj_before[i] + m->watts[i] * 1e-3 * (double)m->step_ns;
    }
}

// Every update shows more energy than the last.
static bool never_rests(const struct machine *m)
{
    double least = m->watts[0];
    for (int i = 1; i < STEPS; i++) least = fmin(least, m->watts[i]);
    return least * 1e-3 * (double)m->update_ns / 3 > 2 * (m->step_uj + m->channel.unit);
}

static void make_machine(struct machine *m, uint64_t seed)
{
    memset(m, 0, sizeof *m);
    jb_rng_seed(&m->rng, seed);
    m->mode = (enum mode)below(m, N_MODES);
    m->ceiling_w = pow(10, 3 * unit(m) - 0.5);
    m->update_ns = m->mode == STREAM ? 0 : one_in(m, 10) ? 100 * MS : (uint64_t)pow(10, 4 + 4 * unit(m));
    m->step_ns = 1 + (uint64_t)((double)(m->update_ns ? m->update_ns : MS) * pow(10, 2.5 * unit(m) - 1));
    m->jitter = one_in(m, 3) ? 0 : unit(m);
    m->update_seed = jb_rng_u64(&m->rng);
    m->factor = 1;
    m->frozen_from_ns = INT64_MAX;
    struct jb_channel *c = &m->channel;
    *c = (struct jb_channel){.kind = JB_CHANNEL_ENERGY, .ceiling_w = m->ceiling_w, .update_ns = m->update_ns};
    if (m->update_ns == 100 * MS && one_in(m, 2)) c->update_ns = 0; // not known: 100 ms is assumed
    c->unit = one_in(m, 3) || m->mode == FREEZES ? 0x1p-32 * 1e6 : one_in(m, 2) ? 1 : 1 + 60 * unit(m);
    m->step_uj = one_in(m, 2) ? c->unit : c->unit * (1 + 100 * unit(m));
    c->step_uj = m->step_uj > c->unit ? m->step_uj : 0;
    c->falling = m->mode == FALLING;
    if (one_in(m, 4)) {
        c->accuracy = 0.1 * unit(m);
        m->factor = 1 + c->accuracy * (2 * unit(m) - 1);
    }
    make_power(m, m->mode == FREEZES);
    c->never_rests = m->mode == FREEZES || (one_in(m, 2) && never_rests(m));
    double period_uj = m->ceiling_w * 1e-3 * (double)(m->update_ns ? m->update_ns : MS) + m->step_uj;
    double range_uj = period_uj * (m->mode == RESETS || m->mode == CLEAN ? 100 + 1000 * unit(m) : pow(10, 0.3 + 3 * unit(m)));
    if (m->mode != FALLING && !one_in(m, 5)) {
        c->range = (uint64_t)(range_uj / c->unit) + 2;
        // After the largest count comes 0; or there is one more step of the hardware in between, of which only a part is shown.
        m->modulus = c->range + (one_in(m, 2) || c->step_uj == 0 ? 1 : (uint64_t)(m->step_uj / c->unit));
    }
    m->start_count = m->mode == FALLING ? UINT64_C(1) << 62 : c->range ? below(m, c->range) : one_in(m, 2) ? 0 : below(m, UINT64_C(1) << 60);
    m->now_ns = S + below(m, S);
}

// ---- The slow way: every reading of the stretch, by the formula of power/track.h.

struct seen { uint64_t s_least_ns, s_most_ns; double uj; };
struct mark { bool set; uint64_t t_ns; double true_uj; int stretch; };

struct run {
    struct machine m;
    struct jb_track track;
    struct seen seen[MAX_READINGS];
    size_t n_seen, first_of_stretch;
    int stretch;                        // counts the failures
    bool started;
    uint64_t last_begin_ns, last_end_ns, last_count, latest_known_ns;
    struct mark mark[N_SLOTS];
    uint64_t held, refused, wrapped, clean_refused;
    double widths, oracle_widths;
    uint64_t seed;
    bool verbose;
};

#define SAY(r, ...) do { if ((r)->verbose) print_message(__VA_ARGS__); } while (0)

static double step_of_track(const struct machine *m) { return m->channel.step_uj > 0 ? m->channel.step_uj + m->channel.unit : m->channel.unit; }

static void bounds_at(const struct run *r, uint64_t t_ns, double *lower, double *upper)
{
    const double p = r->m.ceiling_w * 1e-3;
    *lower = -INFINITY, *upper = INFINITY;
    for (size_t i = r->first_of_stretch; i < r->n_seen; i++) {
        const struct seen *s = &r->seen[i];
        double after = s->s_most_ns > t_ns ? (double)(s->s_most_ns - t_ns) : 0, before = t_ns > s->s_least_ns ? (double)(t_ns - s->s_least_ns) : 0;
        *lower = fmax(*lower, s->uj - p * after);
        *upper = fmin(*upper, s->uj + step_of_track(&r->m) + p * before);
    }
}

static void remember(struct run *r, const struct jb_reading *in, double uj)
{
    uint64_t update = r->m.channel.update_ns ? r->m.channel.update_ns : 100 * MS;
    struct seen s = {.s_least_ns = in->exact ? in->begin_ns : in->begin_ns > update ? in->begin_ns - update : 0, .s_most_ns = in->end_ns, .uj = uj};
    bool first = !r->started;
    if (first) r->first_of_stretch = r->n_seen;
    const struct seen *prev = first ? NULL : &r->seen[r->n_seen - 1];
    bool old = prev && r->m.channel.never_rests && in->count == r->last_count; // what never rests and stands still shows an old value
    if (prev && (old || prev->s_least_ns > s.s_least_ns)) s.s_least_ns = prev->s_least_ns;
    if (prev && !in->exact && in->count != r->last_count && r->last_begin_ns > s.s_least_ns) s.s_least_ns = r->last_begin_ns;
    r->seen[r->n_seen++] = s;
    r->started = true;
    r->last_begin_ns = in->begin_ns;
    r->last_end_ns = r->latest_known_ns = in->end_ns;
    r->last_count = in->count;
}

// ---- What can happen.

static void broken(struct run *r)
{
    r->started = false;
    r->stretch++;
}

static void read_fails(struct run *r, int errnum)
{
    struct jb_reading in = {.begin_ns = r->m.now_ns, .end_ns = r->m.now_ns + below(&r->m, 1000), .errnum = errnum};
    r->m.now_ns = in.end_ns;
    int rc = jb_track_push(&r->track, &in);
    SAY(r, "  fails with %d at %" PRIu64 ": %d\n", errnum, in.begin_ns, rc);
    if (errnum == EAGAIN) {
        assert_int_equal(rc, 0);
        return;
    }
    assert_int_equal(rc, JB_E_UNAVAILABLE);
    assert_true(r->track.fault[0]);
    broken(r);
}

static void read_well(struct run *r)
{
    struct machine *m = &r->m;
    if (r->n_seen == MAX_READINGS) return;
    uint64_t width = one_in(m, 8) ? below(m, 2 * (m->update_ns ? m->update_ns : MS)) : below(m, 3000), moment = one_in(m, 4) ? 0 : one_in(m, 4) ? width : below(m, width + 1);
    struct jb_reading in = {.begin_ns = m->now_ns, .end_ns = m->now_ns + width, .exact = m->mode == STREAM, .count = shown(m, m->now_ns + moment)};
    m->now_ns = in.end_ns;
    if (m->now_ns > m->frozen_from_ns && m->frozen_seen_ns == 0) m->frozen_seen_ns = m->now_ns;
    int rc = jb_track_push(&r->track, &in);
    SAY(r, "  reads %" PRIu64 " in [%" PRIu64 ", %" PRIu64 "]: %d%s%s\n", in.count, in.begin_ns, in.end_ns, rc, rc ? " " : "", rc ? r->track.fault : "");
    if (rc) {
        assert_true(rc == JB_E_RANGE || rc == JB_E_UNAVAILABLE || rc == JB_E_INVALID);
        assert_true(r->track.fault[0]);
        broken(r); // a new stretch begins with this very reading
    }
    if (rc == JB_E_INVALID) return;
    double uj = (double)counts_at(m, in.begin_ns + moment) * m->channel.unit;
    remember(r, &in, uj);
}

static void out_of_order(struct run *r)
{
    if (!r->started || r->last_end_ns < S) return;
    struct jb_reading in = {.begin_ns = r->last_begin_ns - 10, .end_ns = r->last_end_ns - 1 - below(&r->m, 5), .count = r->last_count, .exact = r->m.mode == STREAM};
    if (in.end_ns < in.begin_ns) in.end_ns = in.begin_ns;
    int rc = jb_track_push(&r->track, &in);
    SAY(r, "  out of order: %d\n", rc);
    assert_int_equal(rc, JB_E_INVALID);
    broken(r);
}

static void set_mark(struct run *r)
{
    struct machine *m = &r->m;
    int slot = (int)below(m, N_SLOTS);
    uint64_t t = m->now_ns;
    if (r->started && one_in(m, 4)) t = r->last_begin_ns + below(m, r->last_end_ns - r->last_begin_ns + 1); // within the last read
    else if (m->mode == STREAM && one_in(m, 2)) t += below(m, 3 * MS);                                      // what is known comes late
    jb_track_mark(&r->track, slot, t);
    r->mark[slot] = (struct mark){.set = true, .t_ns = t, .true_uj = energy_uj(m, t) * m->factor, .stretch = r->stretch};
    SAY(r, "  mark %d at %" PRIu64 "\n", slot, t);
}

// A window that must be answered: both ends lie in one stretch of good readings, one of them behind the end, and something moved.
static bool must_be_known(const struct run *r, const struct mark *a, const struct mark *b)
{
    return r->started && a->stretch == r->stretch && b->stretch == r->stretch && r->latest_known_ns >= b->t_ns && (!r->m.channel.never_rests);
}

static void compare(struct run *r, const struct mark *a, const struct mark *b, const struct jb_span *s)
{
    double low_a, high_a, low_b, high_b;
    bounds_at(r, a->t_ns, &low_a, &high_a);
    bounds_at(r, b->t_ns, &low_b, &high_b);
    double accuracy = r->m.channel.accuracy, lower = fmax(low_b - high_a, 0) * (1 - accuracy), upper = (high_b - low_a) * (1 + accuracy), eps = 1e-6 + 1e-9 * energy_uj(&r->m, b->t_ns);
    if (s->lower_uj > lower + eps || s->upper_uj < upper - eps)
        fail_msg("seed %" PRIu64 ": [%.6f, %.6f] is narrower than all readings allow, [%.6f, %.6f]", r->seed, s->lower_uj, s->upper_uj, lower, upper);
    r->widths += s->upper_uj - s->lower_uj;
    r->oracle_widths += upper - lower;
}

static void ask(struct run *r)
{
    int from = (int)below(&r->m, N_SLOTS), to = (int)below(&r->m, N_SLOTS);
    const struct mark *a = &r->mark[from], *b = &r->mark[to];
    struct jb_span s = {NAN, NAN, NAN, 0};
    char reason[256] = "";
    int rc = jb_track_between(&r->track, from, to, &s, reason, sizeof reason);
    if (!a->set || !b->set || b->t_ns < a->t_ns) {
        assert_int_not_equal(rc, 0);
        return;
    }
    double truth = b->true_uj - a->true_uj, eps = 1e-6 + 1e-12 * b->true_uj;
    SAY(r, "  asks %d to %d: %d [%.6f, %.6f] %.6f, truth %.6f %s\n", from, to, rc, s.lower_uj, s.upper_uj, s.uj, truth, reason);
    if (rc) {
        if (!reason[0] || strlen(reason) >= sizeof reason - 1) fail_msg("seed %" PRIu64 ": refused without a reason", r->seed);
        if (must_be_known(r, a, b)) fail_msg("seed %" PRIu64 ": refused (%s), though all is known", r->seed, reason);
        r->refused++;
        return;
    }
    // That a value not seen before is older than any may be shows only when it stands for some more periods.
    if (b->t_ns + r->m.update_ns > r->m.frozen_from_ns && b->t_ns <= r->m.frozen_seen_ns + 5 * r->track.update_ns && truth >= s.lower_uj) return;
    if (!(s.lower_uj <= truth + eps && truth - eps <= s.upper_uj))
        fail_msg("seed %" PRIu64 " (%s): truth %.6f outside [%.6f, %.6f]", r->seed, mode_name[r->m.mode], truth, s.lower_uj, s.upper_uj);
    if (!(s.lower_uj <= s.uj && s.uj <= s.upper_uj && s.lower_uj >= 0)) fail_msg("seed %" PRIu64 ": %.6f not in its own bounds [%.6f, %.6f]", r->seed, s.uj, s.lower_uj, s.upper_uj);
    if (r->started && a->stretch == r->stretch && b->stretch == r->stretch && r->m.mode != FREEZES) compare(r, a, b, &s);
    r->held++;
    r->wrapped += s.wraps;
}

// The counter jumps by so much that power cannot explain it, and that a wrap cannot either.
static void reset(struct run *r)
{
    struct machine *m = &r->m;
    double most_uj = m->ceiling_w * 1e-3 * (double)(m->now_ns + 4 * m->update_ns - r->track.edge_least_ns);
    if (m->modulus && (!r->started || most_uj > 0.3 * (double)m->modulus * m->channel.unit)) return; // else it looks like one
    if (!m->modulus) m->offset = 0, m->start_count = 0; // 64 bits: a fall, if there was anything
    else m->offset += (uint64_t)((0.4 + 0.2 * unit(m)) * (double)m->modulus);
    SAY(r, "  reset\n");
}

static void charge(struct run *r)
{
    struct machine *m = &r->m;
    uint64_t drawn = r->started ? r->last_count - shown(m, m->now_ns) : 0;
    m->offset += drawn + 1000 + (uint64_t)(m->ceiling_w * 1e-3 * 4 * (double)m->update_ns / m->channel.unit); // more than is drawn until it is read
    SAY(r, "  charged\n");
}

// How long until the next event: from nothing to several wraps.
static uint64_t pause_ns(struct machine *m)
{
    double update = (double)(m->update_ns ? m->update_ns : MS);
    double wrap = m->channel.range ? (double)m->channel.range * m->channel.unit / (m->ceiling_w * 1e-3) : 100 * update;
    double most = m->mode == CLEAN || m->mode == RESETS ? 0.15 * wrap : one_in(m, 10) ? 3 * wrap : 0.6 * wrap;
    return (uint64_t)(one_in(m, 3) ? most * unit(m) : one_in(m, 2) ? 3 * update * unit(m) : one_in(m, 4) ? 0 : 0.1 * update * unit(m));
}

static void happen(struct run *r)
{
    static const int failures[] = {EIO, ENODATA, ENODEV, EINVAL, EAGAIN, EACCES};
    struct machine *m = &r->m;
    uint64_t what = below(m, 100);
    m->now_ns += pause_ns(m);
    if (what < 45) read_well(r);
    else if (what < 70) set_mark(r);
    else if (what < 92) ask(r);
    else if (what == 92 && m->mode != CLEAN) read_fails(r, failures[below(m, N_ELEMENTS(failures))]);
    else if (what == 93 && m->mode != CLEAN) out_of_order(r);
    else if (what < 96 && m->mode == RESETS) reset(r), read_well(r);
    else if (what < 96 && m->mode == FALLING) charge(r), read_well(r);
    else if (what < 98 && m->mode == FREEZES && m->frozen_from_ns == INT64_MAX) m->frozen_from_ns = m->now_ns;
}

static void one_sequence(struct run *r, uint64_t seed, bool verbose)
{
    make_machine(&r->m, seed);
    r->seed = seed;
    r->verbose = verbose;
    r->n_seen = r->first_of_stretch = 0;
    r->stretch = 0;
    r->started = false;
    r->last_begin_ns = r->last_end_ns = r->latest_known_ns = 0;
    memset(r->mark, 0, sizeof r->mark);
    jb_track_init(&r->track, &r->m.channel);
    int n = 10 + (int)below(&r->m, 60);
    SAY(r, "seed %" PRIu64 ": %s, ceiling %.3f W, update %" PRIu64 " ns, unit %.6f, step %.6f, range %" PRIu64 ", modulus %" PRIu64 "\n", seed, mode_name[r->m.mode], r->m.ceiling_w,
        r->m.update_ns, r->m.channel.unit, r->m.step_uj, r->m.channel.range, r->m.modulus);
    for (int i = 0; i < n; i++) happen(r);
}

static void any_sequence_holds_the_truth_or_is_refused(void **state)
{
    (void)state;
    static struct run r;
    const char *count = getenv("JB_TRACK_SEQUENCES"), *only = getenv("JB_TRACK_SEED");
    uint64_t n = count ? strtoull(count, NULL, 10) : SEQUENCES;
    uint64_t held[N_MODES] = {0}, refused[N_MODES] = {0}, wraps = 0, all = 0;
    if (only) {
        one_sequence(&r, strtoull(only, NULL, 10), true);
        return;
    }
    for (uint64_t seed = 1; seed <= n; seed++) {
        uint64_t h = r.held, f = r.refused;
        one_sequence(&r, seed, false);
        held[r.m.mode] += r.held - h;
        refused[r.m.mode] += r.refused - f;
    }
    wraps = r.wrapped;
    for (int i = 0; i < N_MODES; i++) {
        print_message("%-8s %9" PRIu64 " windows held, %9" PRIu64 " refused\n", mode_name[i], held[i], refused[i]);
        assert_true(held[i] > n / 12);
        all += held[i];
    }
    print_message("%" PRIu64 " sequences, %" PRIu64 " windows held, %" PRIu64 " wraps, bounds %.3f times those of the slow way\n", n, all, wraps, r.widths / r.oracle_widths);
    assert_true(held[CLEAN] > refused[CLEAN] && wraps > n / 10 && r.widths < 1.5 * r.oracle_widths);
}

// ---- Samples of power: a sample is of some moment in its read or, unless it is stamped, up to an update period before it; from one such moment to the next
// power lies between the two samples. Everything else is free, and done here in the worst way: now at the one, now at the other.

#define MOST_SAMPLES 24

struct samples {
    struct jb_rng rng;
    struct jb_channel channel;
    double ceiling_w;
    size_t n;
    uint64_t begin_ns[MOST_SAMPLES], end_ns[MOST_SAMPLES], moment_ns[MOST_SAMPLES], turn_ns[MOST_SAMPLES]; // turn: from the sample's power to the next one's
    double watts[MOST_SAMPLES];
};

static double power_uj(const struct samples *s, uint64_t t_ns)
{
    // Before the first sample anything was possible.
    double uj = t_ns < s->moment_ns[0] ? -s->ceiling_w * 1e-3 * (double)(s->moment_ns[0] - t_ns) : 0;
    for (size_t i = 0; i + 1 < s->n; i++) {
        uint64_t from = s->moment_ns[i], turn = s->turn_ns[i], to = s->moment_ns[i + 1];
        double first = s->channel.averaged ? s->watts[i + 1] : s->watts[i];
        if (t_ns > from) uj += first * 1e-3 * (double)((t_ns < turn ? t_ns : turn) - from);
        if (t_ns > turn) uj += s->watts[i + 1] * 1e-3 * (double)((t_ns < to ? t_ns : to) - turn);
    }
    return uj;
}

static void make_samples(struct samples *s, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    jb_rng_seed(&s->rng, seed);
    s->ceiling_w = 100;
    s->n = 6 + jb_rng_below(&s->rng, MOST_SAMPLES - 6);
    bool exact = jb_rng_below(&s->rng, 2);
    uint64_t update = exact ? 0 : 1000000 + jb_rng_below(&s->rng, 50 * MS), gap = update / 4 + 1000000 + jb_rng_below(&s->rng, 60 * MS), now = 1000 * MS;
    s->channel = (struct jb_channel){.kind = JB_CHANNEL_POWER, .unit = jb_rng_below(&s->rng, 2) ? 1e-6 : 0.5, .ceiling_w = s->ceiling_w, .update_ns = update, .averaged = jb_rng_below(&s->rng, 4) == 0};
    for (size_t i = 0; i < s->n; i++) {
        now += jb_rng_below(&s->rng, 4) ? gap : jb_rng_below(&s->rng, 2 * gap);
        s->begin_ns[i] = now;
        now += jb_rng_below(&s->rng, 3000);
        s->end_ns[i] = now;
        uint64_t least = s->begin_ns[i] - update, most = now;
        if (i && s->moment_ns[i - 1] > least) least = s->moment_ns[i - 1];
        s->moment_ns[i] = jb_rng_below(&s->rng, 3) == 0 ? least : jb_rng_below(&s->rng, 2) ? most : least + jb_rng_below(&s->rng, most - least + 1);
        double u = jb_rng_unit(&s->rng);
        s->watts[i] = i && u < 0.5 ? s->watts[i - 1] : u < 0.7 ? 10 : u < 0.9 ? 90 : 99 * jb_rng_unit(&s->rng);
    }
    for (size_t i = 0; i + 1 < s->n; i++) s->turn_ns[i] = s->moment_ns[i] + jb_rng_below(&s->rng, s->moment_ns[i + 1] - s->moment_ns[i] + 1);
}

// Two marks at random times between the first sample and the last that has come.
static bool one_window_of_power(uint64_t seed, double *width, double *figure)
{
    struct samples s;
    struct jb_track t;
    make_samples(&s, seed);
    jb_track_init(&t, &s.channel);
    size_t n = 3 + jb_rng_below(&s.rng, s.n - 3); // what comes behind is not known yet
    uint64_t from = s.begin_ns[0], to = s.end_ns[n - 1], at[2];
    bool set[2] = {false, false};
    for (int i = 0; i < 2; i++) at[i] = from + jb_rng_below(&s.rng, (jb_rng_below(&s.rng, 8) ? to : s.end_ns[0]) - from + 1);
    if (at[0] > at[1]) { uint64_t x = at[0]; at[0] = at[1]; at[1] = x; }
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < 2; k++)
            if (!set[k] && at[k] < s.begin_ns[i]) jb_track_mark(&t, k, at[k]), set[k] = true;
        struct jb_reading r = {.begin_ns = s.begin_ns[i], .end_ns = s.end_ns[i], .exact = s.channel.update_ns == 0, .watts = (floor(s.watts[i] / s.channel.unit) + (double)jb_rng_below(&s.rng, 2)) * s.channel.unit}; // rounded one way or the other
        assert_int_equal(jb_track_push(&t, &r), 0);
        for (int k = 0; k < 2; k++)
            if (!set[k] && at[k] <= s.end_ns[i]) jb_track_mark(&t, k, at[k]), set[k] = true; // within the read
    }
    struct jb_span span;
    char why[256] = "";
    if (jb_track_between(&t, 0, 1, &span, why, sizeof why)) {
        assert_true(why[0]);
        return false;
    }
    double truth = power_uj(&s, at[1]) - power_uj(&s, at[0]), eps = 1e-6 + 1e-9 * power_uj(&s, at[1]);
    if (!(span.lower_uj <= truth + eps && truth - eps <= span.upper_uj))
        fail_msg("seed %" PRIu64 ": update %" PRIu64 " ns: truth %.3f outside [%.3f, %.3f]", seed, s.channel.update_ns, truth, span.lower_uj, span.upper_uj);
    assert_true(span.lower_uj <= span.uj && span.uj <= span.upper_uj);
    *width += span.upper_uj - span.lower_uj;
    *figure += span.uj;
    return true;
}

static void power_between_neighbouring_samples(void **state)
{
    (void)state;
    uint64_t held = 0, n = SEQUENCES / 5;
    double width = 0, figure = 0;
    for (uint64_t seed = 1; seed <= n; seed++) held += one_window_of_power(seed, &width, &figure);
    print_message("%" PRIu64 " windows of power of %" PRIu64 " held, half-width %.3g of the figure\n", held, n, width / 2 / figure);
    assert_true(held > n * 9 / 10);
}

// ---- By hand. A ceiling of 100 W is 0.1 uJ a nanosecond; updates every millisecond, so that a value is up to 100000 uJ behind.

struct bench { struct jb_channel channel; struct jb_track track; };

static void bench_open(struct bench *b, uint64_t range)
{
    b->channel = (struct jb_channel){.kind = JB_CHANNEL_ENERGY, .unit = 1, .range = range, .ceiling_w = 100, .update_ns = MS, .never_rests = true};
    jb_track_init(&b->track, &b->channel);
}

static int push(struct bench *b, double ms, uint64_t count)
{
    struct jb_reading r = {.begin_ns = (uint64_t)(ms * MS), .end_ns = (uint64_t)(ms * MS) + 1000, .count = count};
    return jb_track_push(&b->track, &r);
}

static void mark(struct bench *b, int slot, double ms) { jb_track_mark(&b->track, slot, (uint64_t)(ms * MS)); }

static struct jb_span held_in(struct bench *b, double lower, double upper)
{
    struct jb_span s = {0};
    char why[256] = "";
    if (jb_track_between(&b->track, 0, 1, &s, why, sizeof why)) fail_msg("refused: %s", why);
    if (fabs(s.lower_uj - lower) > 0.5 || fabs(s.upper_uj - upper) > 0.5) fail_msg("[%.3f, %.3f] instead of [%.3f, %.3f]", s.lower_uj, s.upper_uj, lower, upper);
    assert_true(s.lower_uj <= s.uj && s.uj <= s.upper_uj);
    return s;
}

static void refused_for(struct bench *b, const char *says)
{
    struct jb_span s = {0};
    char why[256] = "";
    assert_int_not_equal(jb_track_between(&b->track, 0, 1, &s, why, sizeof why), 0);
    if (!strstr(why, says)) fail_msg("refused for \"%s\", not for \"%s\"", why, says);
}

static void a_window_of_four_readings(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 0);
    assert_int_equal(push(&b, 1000, 5000000), 0);
    mark(&b, 0, 1000.001);
    assert_int_equal(push(&b, 1100, 6000000), 0);
    mark(&b, 1, 1100.001);
    // Both values are up to a millisecond old when they are read, and the microsecond of the read comes on top: 0.1 uJ/ns * 1001000 ns, and a unit.
    held_in(&b, 1000000 - 100101, 1000000 + 100101);
    // An edge right behind the end: no more than 500 uJ and a unit were drawn until then.
    assert_int_equal(push(&b, 1100.1, 6000000), 0);
    assert_int_equal(push(&b, 1100.5, 6000500), 0);
    held_in(&b, 1000000 - 100101, 1000501);
    jb_track_unmark(&b.track, 0);
    refused_for(&b, "never begun");
}

static void a_wrap(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 9999999); // 10 J, 100 ms at the ceiling
    push(&b, 1000, 9900000);
    mark(&b, 0, 1000.001);
    assert_int_equal(push(&b, 1040, 100000), 0); // 200 mJ, counted from 9999999 to 0 without a step: the unit that may lie between is in the upper bound
    mark(&b, 1, 1040.001);
    struct jb_span s = held_in(&b, 199999 - 100101, 199999 + 1 + 100101);
    assert_int_equal(s.wraps, 1);
}

static void what_is_refused(void **state)
{
    (void)state;
    const struct { uint64_t range; double ms; uint64_t count; int code; const char *says; } cases[] = {
        {9999999, 1250, 5500000, JB_E_UNAVAILABLE, "ambiguous wrap"},       // two wraps and a half at the ceiling
        {9999999, 1105, 5500000, JB_E_UNAVAILABLE, "ambiguous wrap"},       // 105 ms are enough for one whole wrap unseen
        {9999999, 1010, 4000000, JB_E_RANGE, "ran backwards or was reset"}, // as a wrap 9 J in 10 ms
        {0, 1010, 4000000, JB_E_RANGE, "ran backwards or was reset"},
        {0, 1010, 9000000, JB_E_RANGE, "more power than the ceiling"},     // 4 J in 10 ms are 400 W
        {9999999, 1010, 10000000, JB_E_INVALID, "above its own range"},
        {0, 1010, 5000000, JB_E_UNAVAILABLE, "frozen"},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct bench b;
        bench_open(&b, cases[i].range);
        push(&b, 999, 4990000);
        push(&b, 1000, 5000000);
        mark(&b, 0, 1000.001);
        mark(&b, 1, 1000.002);
        int rc = push(&b, cases[i].ms, cases[i].count);
        if (rc != cases[i].code || !strstr(b.track.fault, cases[i].says)) fail_msg("case %zu: %d \"%s\"", i, rc, b.track.fault);
        refused_for(&b, cases[i].says);
        // And then all is well again.
        double next = cases[i].ms + 1;
        uint64_t count = rc == JB_E_INVALID ? 20000 : cases[i].count;
        assert_int_equal(push(&b, next, count + 10000), 0);
        mark(&b, 0, next + 0.001);
        assert_int_equal(push(&b, next + 20, count + 1010000), 0);
        mark(&b, 1, next + 20.001);
        held_in(&b, 1000000 - 100101, 1000000 + 100101);
    }
}

static void failed_readings_have_reasons(void **state)
{
    (void)state;
    const struct { int errnum; const char *why, *says; } cases[] = {
        {EIO, "", "Input/output"}, {ENODEV, "", "vanished"}, {ENODATA, "", "empty"}, {EINVAL, "", "not a number"}, {EACCES, "", "ermission"}, {EIO, "the meter's plug was pulled", "plug"},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct bench b;
        bench_open(&b, 0);
        push(&b, 1000, 5000000);
        mark(&b, 0, 1000.001);
        push(&b, 1010, 5100000);
        struct jb_reading r = {.begin_ns = 1011 * MS, .end_ns = 1011 * MS, .errnum = cases[i].errnum};
        snprintf(r.why, sizeof r.why, "%s", cases[i].why);
        assert_int_equal(jb_track_push(&b.track, &r), JB_E_UNAVAILABLE);
        push(&b, 1012, 5120000);
        mark(&b, 1, 1012.001);
        push(&b, 1014, 5140000);
        refused_for(&b, cases[i].says);
    }
}

static void no_reading_behind_the_end(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 0);
    mark(&b, 0, 1);
    mark(&b, 1, 2);
    refused_for(&b, "");
    push(&b, 3, 5000000);
    push(&b, 4, 5010000);
    mark(&b, 0, 4.001);
    mark(&b, 1, 5);
    refused_for(&b, "no reading behind");
}

static void a_full_64_bit_counter_that_falls(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 0);
    b.channel.falling = true;
    push(&b, 1000, 5000000);
    mark(&b, 0, 1000.001);
    assert_int_equal(push(&b, 1100, 4000000), 0);
    mark(&b, 1, 1100.001);
    held_in(&b, 1000000 - 100101, 1000000 + 100101);
    assert_int_equal(push(&b, 1200, 4100000), JB_E_RANGE);
    assert_non_null(strstr(b.track.fault, "charged"));
}

// A value that stands still behind the end says nothing of the energy at the end: it may have stood there long before.
static void frozen_before_the_end(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 0);
    push(&b, 1000, 5000000);
    push(&b, 1000.5, 5010000);
    mark(&b, 0, 1000.501);
    mark(&b, 1, 1100);
    assert_int_equal(push(&b, 1100.001, 5100000), 0); // frozen at some time since
    assert_int_equal(push(&b, 1101.5, 5100000), 0);
    assert_int_equal(push(&b, 1102.5, 5100000), 0);
    refused_for(&b, "not moved");
}

static void dead_before_the_end(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 0);
    push(&b, 1000, 5000000);
    push(&b, 1000.5, 5010000);
    mark(&b, 0, 1000.501);
    mark(&b, 1, 1100);
    assert_int_equal(push(&b, 1100.001, 5100000), 0); // its last value, of some time since
    struct jb_reading r = {.begin_ns = 1101 * MS, .end_ns = 1101 * MS, .errnum = ENODEV};
    assert_int_equal(jb_track_push(&b.track, &r), JB_E_UNAVAILABLE);
    refused_for(&b, "vanished");
}

// ---- Tightness: with edges at both ends the real power decides, not the ceiling.

static void edges_make_bounds_tight(void **state)
{
    (void)state;
    const double ceiling_w = 1000, real_w = 10; // 10 uJ a microsecond
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct jb_rng rng;
        jb_rng_seed(&rng, seed);
        struct jb_channel c = {.kind = JB_CHANNEL_ENERGY, .unit = 1, .range = 262143328850u, .ceiling_w = ceiling_w, .update_ns = 1500000, .never_rests = true};
        struct jb_track t;
        jb_track_init(&t, &c);
        uint64_t now = 1000 * MS + jb_rng_below(&rng, MS), marks[2] = {0};
        for (int end = 0; end < 2; end++) {
            for (int k = 0; k < 400; k++) { // four periods of a millisecond, looked at every 10 us; the mark in the middle
                struct jb_reading r = {.begin_ns = now, .end_ns = now + 1000, .count = (uint64_t)(real_w * 1e-3 * (double)(now / MS * MS))};
                assert_int_equal(jb_track_push(&t, &r), 0);
                now += 1000;
                if (k == 200) jb_track_mark(&t, end, marks[end] = now);
                now += 9000;
            }
            now += 50 * MS;
        }
        struct jb_span s;
        char why[256];
        assert_int_equal(jb_track_between(&t, 0, 1, &s, why, sizeof why), 0);
        double truth = real_w * 1e-3 * (double)(marks[1] - marks[0]), half = (s.upper_uj - s.lower_uj) / 2, period_uj = real_w * 1000;
        assert_true(s.lower_uj <= truth && truth <= s.upper_uj);
        if (half > 1.15 * period_uj) fail_msg("half-width %.1f uJ, %.1f in a period", half, period_uj);
        if (fabs(s.uj - truth) > 0.1 * period_uj) fail_msg("best %.1f, truth %.1f", s.uj, truth);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_of_four_readings),
        cmocka_unit_test(a_wrap),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(failed_readings_have_reasons),
        cmocka_unit_test(no_reading_behind_the_end),
        cmocka_unit_test(a_full_64_bit_counter_that_falls),
        cmocka_unit_test(frozen_before_the_end),
        cmocka_unit_test(dead_before_the_end),
        cmocka_unit_test(edges_make_bounds_tight),
        cmocka_unit_test(power_between_neighbouring_samples),
        cmocka_unit_test(any_sequence_holds_the_truth_or_is_refused),
    };
    return cmocka_run_group_tests_name("track", tests, NULL, NULL);
}
