// One line of a graph: `OUT = OP IN [IN2] [key=value ...]`. Strict: what is not in docs/model-format.md section 3 is an error.
#include <string.h>

#include "runtime/cnn.h"

// Keys of an operation, as bits.
enum { K_W = 1, K_K = 2, K_S = 4, K_P = 8, K_ACT = 16, K_G = 32 };

static const struct { const char *name; uint32_t allowed, required; int operands; } ops[CNN_KINDS] = {
    [CNN_CONV] = { "conv", K_W | K_K | K_S | K_P | K_ACT | K_G, K_W | K_K, 1 },
    [CNN_FC] = { "fc", K_W | K_ACT, K_W, 1 },
    [CNN_ADD] = { "add", K_ACT, 0, 2 },
    [CNN_MAXPOOL] = { "maxpool", K_K | K_S | K_P, K_K, 1 },
    [CNN_AVGPOOL] = { "avgpool", K_K | K_S | K_P, K_K, 1 },
    [CNN_GAP] = { "gap", 0, 0, 1 },
    [CNN_CONCAT] = { "concat", 0, 0, 2 },
    [CNN_ACT] = { "act", K_ACT, K_ACT, 1 },
};

static const char *const act_names[] = { [JB_ACT_NONE] = "none", [JB_ACT_RELU] = "relu", [JB_ACT_RELU6] = "relu6", [JB_ACT_HSWISH] = "hswish" };

// The next word of *at into out (room n); words are parted by exactly one space. False: no word, or too long.
static bool next_word(const char **at, char *out, size_t n)
{
    size_t len = strcspn(*at, " ");
    if (len == 0 || len >= n)
        return false;
    memcpy(out, *at, len);
    out[len] = 0;
    *at += len;
    if (**at == ' ' && (*at)[1] != 0)
        (*at)++; // a space at the very end stays, and fails as an empty word
    return true;
}

static bool is_name(const char *s)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.");
    return n > 0 && n <= CNN_MAX_NAME && s[n] == 0;
}

// Decimal, no sign, no leading zero. False unless min <= value <= max. *at moves behind it.
static bool parse_number(const char **at, int32_t min, int32_t max, int32_t *out)
{
    size_t n = strspn(*at, "0123456789");
    if (n == 0 || n > 6 || (n > 1 && **at == '0'))
        return false;
    int32_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v * 10 + ((*at)[i] - '0');
    *at += n;
    *out = v;
    return v >= min && v <= max;
}

static bool parse_pair(const char *s, int32_t min, int32_t max, int32_t out[2])
{
    if (!parse_number(&s, min, max, &out[0]))
        return false;
    out[1] = out[0];
    if (*s == 'x') {
        s++;
        if (!parse_number(&s, min, max, &out[1]))
            return false;
    }
    return *s == 0;
}

static bool parse_act(const char *s, enum jb_act *out)
{
    for (size_t i = 0; i < sizeof act_names / sizeof *act_names; i++)
        if (strcmp(s, act_names[i]) == 0) {
            *out = (enum jb_act)i;
            return true;
        }
    return false;
}

static uint32_t key_bit(const char *key)
{
    static const struct { const char *name; uint32_t bit; } keys[] = { { "w", K_W }, { "k", K_K }, { "s", K_S }, { "p", K_P }, { "act", K_ACT }, { "g", K_G } };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i].name) == 0)
            return keys[i].bit;
    return 0;
}

static int parse_key(struct cnn_line *l, char *word, uint32_t *seen, struct jb_err *err)
{
    char *value = strchr(word, '=');
    if (!value)
        return jb_fail(err, JB_E_INVALID, "\"%s\" is no key=value", word);
    *value++ = 0;
    uint32_t bit = key_bit(word);
    if (!(bit & ops[l->kind].allowed))
        return jb_fail(err, JB_E_INVALID, "%s has no key \"%s\"", ops[l->kind].name, word);
    if (*seen & bit)
        return jb_fail(err, JB_E_INVALID, "key \"%s\" stands twice", word);
    *seen |= bit;
    bool ok = false;
    const char *rest = value;
    if (bit == K_W) {
        ok = is_name(value);
        if (ok)
            strcpy(l->weights, value); // is_name has checked the length
    } else if (bit == K_K || bit == K_S) {
        ok = parse_pair(value, 1, 255, bit == K_K ? l->kernel : l->stride);
    } else if (bit == K_P) {
        ok = parse_pair(value, 0, 254, l->pad);
    } else if (bit == K_ACT) {
        ok = parse_act(value, &l->act);
    } else if (bit == K_G) {
        ok = parse_number(&rest, 1, CNN_MAX_CHANNELS, &l->groups) && *rest == 0;
    }
    return ok ? JB_OK : jb_fail(err, JB_E_INVALID, "\"%s\" is no value for key \"%s\"", value, word);
}

// OUT = OP
static int parse_front(struct cnn_line *l, const char **at, struct jb_err *err)
{
    char word[CNN_MAX_LINE + 1];
    if (!next_word(at, word, sizeof word) || !is_name(word))
        return jb_fail(err, JB_E_INVALID, "it does not begin with a name (letters, digits, _ and ., at most 63)");
    strcpy(l->out, word);
    if (!next_word(at, word, sizeof word) || strcmp(word, "=") != 0)
        return jb_fail(err, JB_E_INVALID, "\" = \" does not follow \"%s\"", l->out);
    if (!next_word(at, word, sizeof word))
        return jb_fail(err, JB_E_INVALID, "no operation follows");
    for (int i = 0; i < CNN_KINDS; i++)
        if (strcmp(word, ops[i].name) == 0) {
            l->kind = (enum cnn_kind)i;
            return JB_OK;
        }
    return jb_fail(err, JB_E_INVALID, "unknown operation \"%s\" (conv, fc, add, maxpool, avgpool, gap, concat, act)", word);
}

int cnn_parse_line(struct cnn_line *out, const char *text, struct jb_err *err)
{
    struct cnn_line l = { .kernel = { 1, 1 }, .stride = { 1, 1 }, .groups = 1 };
    char word[CNN_MAX_LINE + 1];
    uint32_t seen = 0;
    if (strlen(text) > CNN_MAX_LINE)
        return jb_fail(err, JB_E_INVALID, "the line is longer than %d bytes", CNN_MAX_LINE);
    int rc = parse_front(&l, &text, err);
    for (int i = 0; i < ops[l.kind].operands && !rc; i++) {
        if (!next_word(&text, word, sizeof word) || !is_name(word))
            return jb_fail(err, JB_E_INVALID, "%s needs %d operand%s", ops[l.kind].name, ops[l.kind].operands, ops[l.kind].operands > 1 ? "s" : "");
        strcpy(i ? l.in2 : l.in, word);
    }
    while (!rc && *text) {
        if (!next_word(&text, word, sizeof word))
            return jb_fail(err, JB_E_INVALID, "words are parted by single spaces");
        rc = parse_key(&l, word, &seen, err);
    }
    if (rc)
        return rc;
    if ((seen & ops[l.kind].required) != ops[l.kind].required)
        return jb_fail(err, JB_E_INVALID, "%s lacks a key that it needs (%s)", ops[l.kind].name, l.kind == CNN_ACT ? "act" : l.kind == CNN_FC ? "w" : l.kind == CNN_CONV ? "w and k" : "k");
    if (l.pad[0] >= l.kernel[0] || l.pad[1] >= l.kernel[1])
        return jb_fail(err, JB_E_INVALID, "the padding is not smaller than the kernel");
    *out = l;
    return JB_OK;
}
