// Errors: 0 or a negative JB_E_* code, and a detail text that the caller supplies room for.
// Rules: outputs are written only on success; errno is captured before anything else; nobody below cli/ prints or exits.
#ifndef JB_BASE_ERR_H
#define JB_BASE_ERR_H

#include <stdarg.h>

enum jb_code {
#define JB_ERR(name, value, text) JB_E_##name = -(value),
#include "base/err.def"
#undef JB_ERR
};

#define JB_OK 0

// Filled by the callee on failure; every function accepts NULL for it.
struct jb_err {
    int code;         // JB_E_*
    char detail[480]; // one line: which file, where (offset, line, key), why, and if known how to fix it
};

// Sets *err (NULL allowed) and returns `code`, so that `return jb_fail(err, JB_E_IO, "...")` reads in one line.
__attribute__((format(printf, 3, 4))) int jb_fail(struct jb_err *err, int code, const char *format, ...);
int jb_vfail(struct jb_err *err, int code, const char *format, va_list args);
// The same, with ": " and strerror(errnum) at the end.
__attribute__((format(printf, 4, 5))) int jb_fail_errno(struct jb_err *err, int code, int errnum, const char *format, ...);
// Puts `prefix: ` in front of an existing detail (adds the file or cell name on the way up). Returns err->code (INTERNAL for a NULL err:
// a caller that passes NULL on keeps the code it got in a variable).
__attribute__((format(printf, 2, 3))) int jb_err_prefix(struct jb_err *err, const char *format, ...);
// The code that an errno of the file system means (ENOENT -> NOT_FOUND, EACCES -> DENIED, ENOSPC -> NO_SPACE, ...; the rest: IO).
int jb_code_of_errno(int errnum);
// Short constant name ("io") and sentence of a code.
const char *jb_code_name(int code);
const char *jb_code_text(int code);

#endif
