#!/bin/bash
# The layers of CONTRIBUTING.md, enforced on the sources below ROOT (default: this repository).
#   check-layers.sh [ROOT]       one line a finding, status 1 when there is any
#   check-layers.sh --self-test  shows that it can fail: every bad fixture must be found, the good one must pass
# Rules:
#   include   a folder includes only what stands to its right in the table below, by a path from the repository root
#   printing  nobody below cli/ writes to the terminal
#   exit      nobody below cli/ ends the process
#   x86       intrinsics headers only in kernels/x86 and base/cpu*
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

check_tree() {
    local root=$1 files
    mapfile -t files < <(cd "$root" && find base kernels runtime early_exit power workloads reports harness cli \
        -type f \( -name '*.c' -o -name '*.h' -o -name '*.def' -o -name '*.inc' \) 2>/dev/null | LC_ALL=C sort)
    if [ ${#files[@]} -eq 0 ]; then
        echo "check-layers: no sources below $root" >&2
        return 1
    fi
    (cd "$root" && LC_ALL=C awk -f "$here/check-layers.awk" "${files[@]}") && echo "check-layers: ${#files[@]} files"
}

self_test() {
    local fixtures=$here/fixtures/layers bad=0 tree rule output
    for tree in "$fixtures"/bad-*; do
        rule=$(basename "$tree")
        rule=${rule#bad-}
        rule=${rule%%-*}
        if output=$(check_tree "$tree") || ! grep -q ": $rule: " <<<"$output"; then
            echo "check-layers: self-test: $(basename "$tree") was not found" && bad=1
        fi
    done
    if ! output=$(check_tree "$fixtures/good"); then
        echo "check-layers: self-test: the good tree was refused: $output" && bad=1
    fi
    return $bad
}

case ${1:-} in
--self-test) self_test ;;
*) check_tree "${1:-$here/..}" ;;
esac
