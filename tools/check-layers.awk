# Reads sources named by paths from the root; see check-layers.sh.

BEGIN {
    allowed["base"] = " base "
    allowed["kernels"] = " kernels base "
    allowed["runtime"] = " runtime kernels base "
    allowed["early_exit"] = " early_exit runtime kernels base "
    allowed["power"] = " power base "
    allowed["workloads"] = " workloads early_exit runtime base "
    allowed["reports"] = " reports base "
    allowed["harness"] = " harness workloads early_exit runtime kernels power reports base "
    allowed["cli"] = " cli harness workloads early_exit runtime kernels power reports base "
    found = 0
}

function finding(rule, text) {
    printf "%s:%d: %s: %s\n", FILENAME, FNR, rule, text
    found = 1
}

# The line without comments, and with strings and characters emptied. in_comment lives on between lines.
function code_of(line,    out, i, c, two, quote) {
    if (!in_comment && line !~ /["'\/]/) return line # most lines
    out = ""
    for (i = 1; i <= length(line); i++) {
        c = substr(line, i, 1)
        two = substr(line, i, 2)
        if (in_comment) {
            if (two == "*/") { in_comment = 0; i++; out = out " " }
        } else if (two == "//") {
            break
        } else if (two == "/*") {
            in_comment = 1; i++
        } else if (c == "\"" || c == "'") {
            quote = c
            for (i++; i <= length(line) && substr(line, i, 1) != quote; i++)
                if (substr(line, i, 1) == "\\") i++
            out = out quote quote
        } else {
            out = out c
        }
    }
    return out
}

# Is NAME called in the line, as a plain function: not x.NAME(, x->NAME( or other_NAME( ?
function calls(code, name,    at, before, rest) {
    rest = code
    while (match(rest, "(^|[^A-Za-z0-9_])" name "[ \t]*\\(")) {
        before = substr(rest, 1, RSTART)
        if (substr(rest, RSTART, 1) == "(" || RSTART == 1) before = substr(rest, 1, RSTART - 1)
        if (before !~ /(\.|->)[ \t]*$/) return 1
        rest = substr(rest, RSTART + RLENGTH)
    }
    return 0
}

FNR == 1 {
    split(FILENAME, part, "/")
    folder = part[1]
    in_comment = 0
    x86_home = FILENAME ~ /^kernels\/x86\// || FILENAME ~ /^base\/cpu[^\/]*$/
}

{
    is_include = !in_comment && $0 ~ /^[ \t]*#[ \t]*include/
    code = code_of($0)
}

is_include {
    target = $0
    sub(/^[ \t]*#[ \t]*include[ \t]*/, "", target)
    quoted = substr(target, 1, 1) == "\""
    sub(/^["<]/, "", target)
    sub(/[">].*$/, "", target)
    top = target
    sub(/\/.*$/, "", top)
    if (quoted && !(top in allowed)) finding("include", "\"" target "\" is not a path from the root, such as \"base/err.h\"")
    if (top in allowed && index(target, "/") && !index(allowed[folder], " " top " "))
        finding("include", folder " may not include \"" target "\" (it may use:" allowed[folder] "only)")
    if (!x86_home && target ~ /^(([a-z0-9]*mm|x86|x86gpr|avx[a-z0-9]*|fma|amx[a-z0-9]*|f16c)intrin|cpuid)\.h$/)
        finding("x86", "<" target "> belongs into kernels/x86 or base/cpu*")
    next
}

folder != "cli" && code ~ /print|puts|putchar|perror|psignal|err|warn|exit|_Exit|abort|stdout/ { # the rules in full only where they may apply
    if (calls(code, "(v?printf|puts|putchar|perror|psignal|vw?printf|wprintf|error|warnx?|errx?)"))
        finding("printing", "results and errors are handed up; cli/ prints")
    if (code ~ /(^|[^A-Za-z0-9_])(stderr|stdout)([^A-Za-z0-9_]|$)/) finding("printing", "stdout and stderr are cli's")
    if (calls(code, "(exit|_exit|_Exit|quick_exit|abort)")) finding("exit", "an error is returned; cli/ ends the process")
}

END { exit found }
