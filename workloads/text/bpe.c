// Byte-pair merging of one piece: a list of symbols, and a heap of the pairs that may be merged, lowest rank first, leftmost of equals.
// A pair that a merge has made stale stays in the heap and is passed over. Each merge adds two pairs at most: O(n log n).
#include <stdlib.h>

#include "workloads/text/tokenizer_impl.h"

#define NONE UINT32_MAX

void jb_bpe_free(struct jb_bpe *b)
{
    free(b->symbols);
    free(b->heap);
    *b = (struct jb_bpe){ 0 };
}

// n symbols; at most n - 1 pairs at first, and two more for each of n - 1 merges, one of which has left.
static int reserve(struct jb_bpe *b, size_t n)
{
    if (n <= b->room)
        return JB_OK;
    size_t room = n < 128 ? 256 : 2 * n;
    free(b->symbols);
    free(b->heap);
    b->symbols = malloc(room * sizeof *b->symbols);
    b->heap = malloc(2 * room * sizeof *b->heap);
    b->room = b->symbols && b->heap ? room : 0;
    return b->room ? JB_OK : JB_E_NOMEM;
}

static bool before(const struct jb_bpe_pair *a, const struct jb_bpe_pair *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->left < b->left;
}

static void push(struct jb_bpe *b, struct jb_bpe_pair pair)
{
    size_t i = b->heap_n++;
    for (; i > 0 && before(&pair, &b->heap[(i - 1) / 2]); i = (i - 1) / 2)
        b->heap[i] = b->heap[(i - 1) / 2];
    b->heap[i] = pair;
}

static struct jb_bpe_pair pop(struct jb_bpe *b)
{
    struct jb_bpe_pair top = b->heap[0], last = b->heap[--b->heap_n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < b->heap_n; i = child) {
        if (child + 1 < b->heap_n && before(&b->heap[child + 1], &b->heap[child]))
            child++;
        if (!before(&b->heap[child], &last))
            break;
        b->heap[i] = b->heap[child];
    }
    b->heap[i] = last;
    return top;
}

// The pair of symbol `left` and its right neighbour, if it may be merged.
static void offer(struct jb_bpe *b, const struct jb_tokenizer *t, uint32_t left)
{
    uint32_t right = left == NONE ? NONE : b->symbols[left].next;
    if (right == NONE || b->symbols[left].id == JB_NO_TOKEN || b->symbols[right].id == JB_NO_TOKEN)
        return;
    const struct jb_merge *m = jb_merge_find(&t->merges, b->symbols[left].id, b->symbols[right].id);
    if (m)
        push(b, (struct jb_bpe_pair){ .rank = m->rank, .left = left, .left_id = m->left, .right_id = m->right, .merged = m->merged });
}

static void merge_all(struct jb_bpe *b, const struct jb_tokenizer *t)
{
    while (b->heap_n) {
        struct jb_bpe_pair p = pop(b);
        struct jb_bpe_symbol *left = &b->symbols[p.left];
        // A symbol that went into its left neighbour has no id; one that grew has another.
        if (left->id != p.left_id || left->next == NONE || b->symbols[left->next].id != p.right_id)
            continue;
        struct jb_bpe_symbol *right = &b->symbols[left->next];
        left->id = p.merged;
        left->next = right->next;
        right->id = JB_NO_TOKEN;
        if (left->next != NONE)
            b->symbols[left->next].prev = p.left;
        offer(b, t, left->prev);
        offer(b, t, p.left);
    }
}

int jb_bpe_piece(struct jb_bpe *b, const struct jb_tokenizer *t, const char *bytes, size_t n, struct jb_tokens *out, struct jb_encode_facts *facts)
{
    if (reserve(b, n))
        return JB_E_NOMEM;
    for (size_t i = 0; i < n; i++)
        b->symbols[i] = (struct jb_bpe_symbol){ .prev = i ? (uint32_t)i - 1 : NONE, .next = i + 1 < n ? (uint32_t)i + 1 : NONE, .id = t->byte_token[(unsigned char)bytes[i]] };
    b->heap_n = 0;
    for (size_t i = 0; i + 1 < n; i++)
        offer(b, t, (uint32_t)i);
    merge_all(b, t);
    int rc = JB_OK;
    for (uint32_t i = 0; n && i != NONE && !rc; i = b->symbols[i].next) {
        if (b->symbols[i].id != JB_NO_TOKEN)
            rc = jb_tokens_add(out, b->symbols[i].id);
        else if (facts->n_lost++ == 0)
            facts->first_lost = (uint8_t)bytes[i]; // a byte without a token is never merged
    }
    return rc;
}
