#!/bin/bash
# Compiles each header alone, twice included: it must bring what it uses, and guard itself.
#   check-headers.sh CC 'FLAGS' [ROOT]           one line a finding, status 1 when there is any
#   check-headers.sh --self-test CC 'FLAGS'      a header that leans on its includer must be found
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

check_tree() {
    local cc=$1 flags=$2 root=$3 headers bad=0 output header extra
    mapfile -t headers < <(cd "$root" && find base kernels runtime early_exit power workloads reports harness cli -name '*.h' 2>/dev/null | LC_ALL=C sort)
    [ ${#headers[@]} -gt 0 ] || { echo "check-headers: no headers below $root" >&2 && return 1; }
    local machine
    machine=$($cc -dumpmachine)
    for header in "${headers[@]}"; do
        extra=
        if [[ $header == kernels/x86/* ]]; then
            [[ $machine == x86_64* ]] || continue
            extra='-mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni'
        fi
        # shellcheck disable=SC2086
        output=$(cd "$root" && printf '#include "%s"\n#include "%s"\ntypedef int jb_not_empty;\n' "$header" "$header" |
            $cc $flags $extra -Werror -Wno-unused-function -Wno-unused-const-variable -fsyntax-only -x c - 2>&1) || {
            echo "$header: does not compile alone:"
            sed 's/^/    /' <<<"$output" | head -n 12
            bad=1
        }
    done
    [ $bad -eq 0 ] && echo "check-headers: ${#headers[@]} headers"
    return $bad
}

case ${1:-} in
--self-test)
    ! output=$(check_tree "$2" "$3" "$here/fixtures/headers/bad") && grep -q 'leans.h: does not' <<<"$output" && grep -q 'unguarded.h: does not' <<<"$output" ||
        { echo "check-headers: self-test: the bad headers were not found" && exit 1; }
    ;;
*) check_tree "$1" "$2" "${3:-$here/..}" ;;
esac
