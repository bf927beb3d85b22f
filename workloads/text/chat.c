// ChatML, recognised by its template: the Jinja text must be one of the forms in which ChatML is written, token for token. Anything else is not understood
// here, and a prompt built on a guess would measure another task.
#include "workloads/text/chat.h"

#include <stdlib.h>
#include <string.h>

#define KEY "tokenizer.chat_template"

// True when the white space at s[i], behind a "}}", is text that would be printed: no dash trims it away.
static bool is_printed(const char *s, size_t n, size_t i)
{
    size_t next = i;
    while (next < n && strchr(" \t\r\n", s[next]))
        next++;
    return s[i - 3] != '-' && next + 2 < n && s[next + 2] != '-';
}

// A template without what means nothing to Jinja: white space within tags and behind blocks ({% %}), the dashes that trim it; "..." becomes '...'.
static void squeeze(const char *s, size_t n, struct jb_str *out)
{
    char quote = 0;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (quote && c == '\\' && i + 1 < n) { // an escape stays as it is
            jb_str_addn(out, s + i++, 2);
        } else if (quote) {
            if (c == '\n') // as it is, or escaped: the same
                jb_str_add(out, "\\n");
            else
                jb_str_addn(out, c == quote ? "'" : &c, 1);
            quote = c == quote ? 0 : quote;
        } else if (c == '"' || c == '\'') {
            quote = c;
            jb_str_add(out, "'");
        } else if (strchr(" \t\r\n", c) && c) {
            if (i >= 3 && s[i - 1] == '}' && s[i - 2] == '}' && is_printed(s, n, i))
                jb_str_add(out, " ");
        } else if (c != '-' || !((i && strchr("%{", s[i - 1])) || (i + 1 < n && strchr("%}", s[i + 1])))) {
            jb_str_addn(out, &c, 1);
        }
    }
}

// Passes over one of the alternatives at *at (NULL-terminated); false: none of them stands there.
static bool skip_any(const char **at, const char *const *alternatives)
{
    for (; *alternatives; alternatives++) {
        size_t n = strlen(*alternatives);
        if (strncmp(*at, *alternatives, n) == 0) {
            *at += n;
            return true;
        }
    }
    return false;
}

#define ANY(...) (const char *const[]){ __VA_ARGS__, NULL }

// "\n" of Jinja in a text between quotes, copied.
static void unescape(const char *s, size_t n, struct jb_str *out)
{
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (c == '\\' && i + 1 < n) {
            c = s[++i];
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
        }
        jb_str_addn(out, &c, 1);
    }
}

// The system message that stands in a template for conversations that bring none; false: malformed.
static bool read_default(const char **at, struct jb_str *system)
{
    if (!skip_any(at, ANY("{%ifloop.firstandmessages[0]['role']!='system'%}{{'<|im_start|>system\\n")))
        return true; // there is none
    const char *end = strstr(*at, "<|im_end|>\\n'}}{%endif%}");
    if (!end || memchr(*at, '\'', (size_t)(end - *at)))
        return false;
    unescape(*at, (size_t)(end - *at), system);
    *at = end;
    return skip_any(at, ANY("<|im_end|>\\n'}}{%endif%}"));
}

static bool is_chatml(const char *squeezed, struct jb_str *system)
{
    const char *at = squeezed;
    (void)skip_any(&at, ANY("{%ifnotadd_generation_promptisdefined%}{%setadd_generation_prompt=false%}{%endif%}"));
    return skip_any(&at, ANY("{%formessageinmessages%}")) && read_default(&at, system) && skip_any(&at, ANY("{{'<|im_start|>'+message['role']+'\\n'+message['content']+'<|im_end|>'+'\\n'}}",
                                                                                                       "{{'<|im_start|>'+message['role']+'\\n'+message['content']+'<|im_end|>\\n'}}",
                                                                                                       "{{'<|im_start|>'+message.role+'\\n'+message.content+'<|im_end|>'+'\\n'}}",
                                                                                                       "{{'<|im_start|>'+message.role+'\\n'+message.content+'<|im_end|>\\n'}}")) &&
           skip_any(&at, ANY("{%endfor%}")) && skip_any(&at, ANY("{%ifadd_generation_prompt%}{{'<|im_start|>assistant\\n'}}{%endif%}")) && *at == '\0';
}

static int refuse(const struct jb_gguf *g, const char *template, struct jb_err *err)
{
    char begin[121] = "";
    struct jb_str shown = { 0 };
    strncpy(begin, template, sizeof begin - 1);
    jb_str_add_json(&shown, begin);
    int rc = jb_fail(err, JB_E_UNSUPPORTED, "%s: key \"" KEY "\": a template that is not known (known: ChatML); it begins with %.200s", jb_gguf_name(g), jb_str_get(&shown));
    jb_str_free(&shown);
    return rc;
}

static void add_message(struct jb_str *out, const char *role, const char *content)
{
    jb_str_add(out, "<|im_start|>");
    jb_str_add(out, role);
    jb_str_add(out, "\n");
    jb_str_add(out, content);
    jb_str_add(out, "<|im_end|>\n");
}

static int check_roles(const struct jb_chat_message *messages, size_t n, struct jb_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(messages[i].role, "system") != 0 && strcmp(messages[i].role, "user") != 0 && strcmp(messages[i].role, "assistant") != 0)
            return jb_fail(err, JB_E_INVALID, "message %zu: role \"%.40s\" (known: system, user, assistant)", i, messages[i].role);
    return JB_OK;
}

int jb_chat_prompt(const struct jb_gguf *g, const struct jb_chat_message *messages, size_t n, bool generate, struct jb_str *out, struct jb_err *err)
{
    const char *template = NULL;
    size_t size = 0;
    int rc = check_roles(messages, n, err);
    if (!rc)
        rc = jb_gguf_str(g, KEY, &template, &size, err);
    if (rc)
        return rc;
    struct jb_str squeezed = { 0 }, system = { 0 };
    squeeze(template, size, &squeezed);
    if (!is_chatml(jb_str_get(&squeezed), &system))
        rc = refuse(g, template, err);
    if (squeezed.failed || system.failed)
        rc = jb_fail(err, JB_E_NOMEM, "%s: no memory for the chat template", jb_gguf_name(g));
    if (!rc && n) {
        if (system.len && strcmp(messages[0].role, "system") != 0)
            add_message(out, "system", system.s);
        for (size_t i = 0; i < n; i++)
            add_message(out, messages[i].role, messages[i].content);
        if (generate)
            jb_str_add(out, "<|im_start|>assistant\n");
        if (out->failed)
            rc = jb_fail(err, JB_E_NOMEM, "no memory for a prompt");
    }
    jb_str_free(&squeezed);
    jb_str_free(&system);
    return rc;
}
