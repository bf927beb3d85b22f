// The text buffer, UTF-8 and the escapers.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/strbuf.h"
#include "base/utf8.h"

static void buffer_grows_and_clears(void **state)
{
    (void)state;
    struct jb_str b = {0};
    assert_string_equal(jb_str_get(&b), "");
    for (int i = 0; i < 10000; i++) jb_str_addf(&b, "%d,", i);
    assert_int_equal(strlen(b.s), b.len);
    assert_int_equal(b.len, 48890);
    assert_false(b.failed);
    jb_str_clear(&b);
    assert_string_equal(jb_str_get(&b), "");
    jb_str_addn(&b, "a\0b", 3);
    assert_int_equal(b.len, 3);
    jb_str_free(&b);
    assert_null(b.s);
    jb_str_free(&b);
}

static void long_formats_are_whole(void **state)
{
    (void)state;
    struct jb_str b = {0};
    for (int n = 250; n < 262; n++) { // around the size of the buffer on the stack
        jb_str_clear(&b);
        jb_str_addf(&b, "%*d|", n, 7);
        assert_int_equal(b.len, n + 1);
        assert_int_equal(b.s[n], '|');
    }
    jb_str_free(&b);
}

static void it_may_be_added_to_itself(void **state)
{
    (void)state;
    struct jb_str b = {0};
    jb_str_add(&b, "0123456789");
    for (int i = 0; i < 8; i++) jb_str_addn(&b, b.s, b.len); // through several moves
    assert_int_equal(b.len, 2560);
    for (size_t i = 0; i < b.len; i++) assert_int_equal(b.s[i], '0' + (int)(i % 10));
    jb_str_clear(&b);
    jb_str_add(&b, "abc");
    for (int i = 0; i < 6; i++) jb_str_addf(&b, "%s%s", b.s, b.s);
    assert_int_equal(b.len, 3 * 729);
    jb_str_free(&b);
}

static void absurd_length_only_fails(void **state)
{
    (void)state;
    struct jb_str b = {0};
    jb_str_add(&b, "kept");
    jb_str_addn(&b, "x", SIZE_MAX - 2); // refused before a byte is read
    assert_true(b.failed);
    jb_str_add(&b, "more");
    assert_string_equal(jb_str_get(&b), "kept");
    jb_str_free(&b);
}

static void utf8_follows_the_table(void **state)
{
    (void)state;
    uint32_t c;
    assert_int_equal(jb_utf8_step("A", 1, &c), 1);
    assert_int_equal(jb_utf8_step("\xc3\xa9", 2, &c), 2);
    assert_int_equal(c, 0xe9);
    assert_int_equal(jb_utf8_step("\xe2\x82\xac", 3, &c), 3);
    assert_int_equal(c, 0x20ac);
    assert_int_equal(jb_utf8_step("\xf4\x8f\xbf\xbf", 4, &c), 4);
    assert_int_equal(c, 0x10ffff);
    static const char *const bad[] = {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xc3", "\xe2\x82", "\xc3(", "\xe2\x28\xa1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_int_equal(jb_utf8_step(bad[i], strlen(bad[i]), &c), 0);
    assert_int_equal(jb_utf8_step("", 0, &c), 0);
}

typedef void (*add_fn)(struct jb_str *b, const char *text);

static void expect(add_fn add, const char *text, const char *expected)
{
    struct jb_str b = {0};
    add(&b, text);
    assert_string_equal(jb_str_get(&b), expected);
    jb_str_free(&b);
}

static void html(void **state)
{
    (void)state;
    expect(jb_str_add_html, "", "");
    expect(jb_str_add_html, "plain \xc3\xa9", "plain \xc3\xa9");
    expect(jb_str_add_html, "a<b>\"c\"&'d'", "a&lt;b&gt;&quot;c&quot;&amp;&#39;d&#39;");
    expect(jb_str_add_html, "<script>\n\t</script>", "&lt;script&gt;&#10;&#9;&lt;/script&gt;");
    expect(jb_str_add_html, "\x01\x7f\xff", JB_UTF8_REPLACEMENT JB_UTF8_REPLACEMENT JB_UTF8_REPLACEMENT);
}

static void csv(void **state)
{
    (void)state;
    expect(jb_str_add_csv, "", "");
    expect(jb_str_add_csv, "plain", "plain");
    expect(jb_str_add_csv, "a,b", "\"a,b\"");
    expect(jb_str_add_csv, "\"q\"", "\"\"\"q\"\"\"");
    expect(jb_str_add_csv, "two\nlines", "\"two\nlines\"");
    expect(jb_str_add_csv, " padded", "\" padded\"");
}

static void json(void **state)
{
    (void)state;
    expect(jb_str_add_json, "", "\"\"");
    expect(jb_str_add_json, "a\"b\\c/\n\r\t\b\f\x01", "\"a\\\"b\\\\c/\\n\\r\\t\\b\\f\\u0001\"");
    expect(jb_str_add_json, "\xe2\x82\xac", "\"\xe2\x82\xac\"");
    expect(jb_str_add_json, "x\xff\xfey\xed\xa0\x80", "\"x" JB_UTF8_REPLACEMENT JB_UTF8_REPLACEMENT "y" JB_UTF8_REPLACEMENT JB_UTF8_REPLACEMENT JB_UTF8_REPLACEMENT "\"");
    expect(jb_str_add_json, "cut\xe2\x82", "\"cut" JB_UTF8_REPLACEMENT JB_UTF8_REPLACEMENT "\"");
}

static void gnuplot(void **state)
{
    (void)state;
    expect(jb_str_add_gnuplot, "plain", "plain");
    // No quote, back quote or newline may be left to end the string or run a command.
    expect(jb_str_add_gnuplot, "\"; system 'x'\n`id`", "\\042; system \\047x\\047 \\140id\\140");
    expect(jb_str_add_gnuplot, "a_b^{c}@~", "a\\\\\\137b\\\\\\136\\\\\\173c\\\\\\175\\\\\\100\\\\\\176");
    expect(jb_str_add_gnuplot, "\\n", "\\\\\\134n");
    expect(jb_str_add_gnuplot, "R&D", "R\\\\U+00026D");
}

static void markdown(void **state)
{
    (void)state;
    expect(jb_str_add_md, "a|b`c*d_e<f>g\\h\ni", "a\\|b\\`c\\*d\\_e\\<f\\>g\\\\h i");
    expect(jb_str_add_md, "[x](y)&amp;", "\\[x\\](y)\\&amp;");
}

static void every_byte_everywhere(void **state)
{
    (void)state;
    static const add_fn adds[] = {jb_str_add_html, jb_str_add_csv, jb_str_add_json, jb_str_add_gnuplot, jb_str_add_md};
    for (size_t a = 0; a < sizeof adds / sizeof adds[0]; a++) {
        for (int i = 1; i < 256; i++) {
            for (int k = 1; k < 256; k++) {
                struct jb_str b = {0};
                const char text[3] = {(char)i, (char)k, 0};
                adds[a](&b, text);
                assert_false(b.failed);
                // All but CSV, which passes bytes on, write valid UTF-8 without controls.
                for (size_t p = 0; a != 1 && p < b.len;) {
                    size_t step = jb_utf8_step(b.s + p, b.len - p, NULL);
                    if (step == 0 || (unsigned char)b.s[p] < 0x20) fail_msg("escaper %zu, bytes %02x %02x", a, (unsigned)i, (unsigned)k);
                    p += step;
                }
                jb_str_free(&b);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_grows_and_clears), cmocka_unit_test(long_formats_are_whole), cmocka_unit_test(it_may_be_added_to_itself),
        cmocka_unit_test(absurd_length_only_fails), cmocka_unit_test(utf8_follows_the_table), cmocka_unit_test(html), cmocka_unit_test(csv),
        cmocka_unit_test(json), cmocka_unit_test(gnuplot), cmocka_unit_test(markdown), cmocka_unit_test(every_byte_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
