// "Did you mean": optimal string alignment distance (Damerau 1964 with Wagner & Fischer 1974).
#include <string.h>
#include "cli/option.h"

#define MAX_WORD 64

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t cli_edit_distance(const char *a, const char *b)
{
    size_t row[3][MAX_WORD + 1], n = strlen(a), m = strlen(b);
    if (n > MAX_WORD || m > MAX_WORD)
        return MAX_WORD + 1;
    size_t *before = row[0], *last = row[1], *now = row[2];
    for (size_t j = 0; j <= m; j++)
        last[j] = before[j] = j;
    for (size_t i = 1; i <= n; i++) {
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            now[j] = least(least(last[j] + 1, now[j - 1] + 1), last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[m];
}

const char *cli_suggest(const char *word, const char *const *names)
{
    size_t limit = strlen(word) / 3, best = 4;
    const char *found = NULL;
    limit = limit < 1 ? 1 : limit > 3 ? 3 : limit;
    for (; *names; names++) {
        size_t d = cli_edit_distance(word, *names);
        if (d <= limit && d < best) {
            best = d;
            found = *names;
        }
    }
    return found;
}
