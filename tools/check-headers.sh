#!/bin/bash
# Compiles each header alone, twice included: it must bring what it uses, and guard itself.
#   check-headers.sh CC 'FLAGS' [ROOT]           one line a finding, status 1 when there is any
#   check-headers.sh --self-test CC 'FLAGS'      a header that leans on its includer must be found
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

# One header: CC FLAGS HEADER, in the root.
check_one() {
    local cc=$1 flags=$2 header=$3 output
    if [[ $header == kernels/x86/* ]]; then
        [[ $($cc -dumpmachine) == x86_64* ]] || return 0
        flags="$flags -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni"
    fi
    # shellcheck disable=SC2086
    output=$(printf '#include "%s"\n#include "%s"\ntypedef int jb_not_empty;\n' "$header" "$header" |
        $cc $flags -Werror -Wno-unused-function -Wno-unused-const-variable -fsyntax-only -x c - 2>&1) && return 0
    printf '%s: does not compile alone:\n%s\n' "$header" "$(head -n 12 <<<"$output" | sed 's/^/    /')"
    return 1
}
export -f check_one

check_tree() {
    local headers
    cd "$3"
    mapfile -t headers < <(find base kernels runtime early_exit power workloads reports harness cli -name '*.h' 2>/dev/null | LC_ALL=C sort)
    [ ${#headers[@]} -gt 0 ] || { echo "check-headers: no headers below $3" >&2 && return 1; }
    printf '%s\n' "${headers[@]}" | xargs -P "$(nproc)" -I{} bash -c 'check_one "$@"' _ "$1" "$2" {} || return 1
    echo "check-headers: ${#headers[@]} headers"
}

case ${1:-} in
--self-test)
    ! output=$(check_tree "$2" "$3" "$here/fixtures/headers/bad") && grep -q 'leans.h: does not' <<<"$output" && grep -q 'unguarded.h: does not' <<<"$output" ||
        { echo "check-headers: self-test: the bad headers were not found" && exit 1; }
    ;;
*) check_tree "$1" "$2" "${3:-$(cd "$here/.." && pwd)}" ;;
esac
