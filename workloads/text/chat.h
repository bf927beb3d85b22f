// The text of a conversation as a model was trained to read it. ChatML is known; any other template is an error, not a guess.
#ifndef JB_WORKLOADS_TEXT_CHAT_H
#define JB_WORKLOADS_TEXT_CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"
#include "base/strbuf.h"
#include "runtime/gguf.h"

struct jb_chat_message { const char *role, *content; }; // role: "system", "user" or "assistant"; borrowed

// Appends the messages in the model's form, `<|im_start|>ROLE\nCONTENT<|im_end|>\n` each, with the template's own system message in front if it has one and the
// first message is none; `generate` adds `<|im_start|>assistant\n`. Encode it with JB_ENCODE_PARSE_SPECIAL (markers within a content are markers then, too).
// NOT_FOUND: the file has no tokenizer.chat_template; UNSUPPORTED: it has another one, which the detail shows; INVALID: an unknown role.
// No messages: only judges the template. NOMEM leaves `out` marked as failed.
int jb_chat_prompt(const struct jb_gguf *g, const struct jb_chat_message *messages, size_t n, bool generate, struct jb_str *out, struct jb_err *err);

#endif
