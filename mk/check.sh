#!/bin/bash
# Everything that CI runs, part by part. A part that cannot be done here is skipped with its reason; the others go on after a failure.
# The last line is "N passed, N failed, N skipped": test cases where a part counts them, else the part itself.
#   PARTS="layers tests"   only these        BUILD, JOBS, MAKE, WERROR   as in the Makefile
set -uo pipefail
cd "$(dirname "$0")/.."

MAKE=${MAKE:-make} BUILD=${BUILD:-build} JOBS=${JOBS:-$(nproc)}
make_=("$MAKE" --no-print-directory "-j$JOBS" "BUILD=$BUILD")
bin=$BUILD/joulebench
logs=$BUILD/check
mkdir -p "$logs"
SKIP=77

have() { command -v "$1" >/dev/null; }
skip() { echo "skipped: $*"; return $SKIP; }
clang_name() { for c in clang-14 clang; do have $c && echo $c && return; done; return 1; }

part_deps() { tools/deps.sh --install || tools/deps.sh --check-libs libcjson zlib libsodium papi powercap cmocka; }
part_build() { "${make_[@]}" build tests; }
part_layers() { "${make_[@]}" check-layers; }
part_headers() { "${make_[@]}" check-headers; }
part_docs() { "${make_[@]}" check-docs; }
part_tests() { "${make_[@]}" test; }

part_kernels() {
    [ -x "$bin" ] || skip "no $bin" || return
    if "$bin" doctor | grep -qE '^tier +ref$'; then skip "this CPU has no kernel above the reference" || return; fi
    "$bin" kernels --check
}

# Every tests/<folder>/run.sh, with the program as its argument and in $JOULEBENCH.
part_scripts() {
    local script bad=0 found=0 p=0 f=0 s=0 line
    for script in tests/*/run.sh; do
        [ -e "$script" ] || continue
        found=1
        echo "-- $script"
        JOULEBENCH=$bin timeout 600 bash "$script" "$bin" 2>&1 | tee "$logs/script.tmp"
        local status=${PIPESTATUS[0]}
        line=$(grep -xE '[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped' "$logs/script.tmp" | tail -n 1)
        if [ "$status" -ne 0 ]; then bad=1; fi
        if [ -n "$line" ]; then
            read -r a b c <<<"$(tr -cd '0-9 ' <<<"$line")"
            p=$((p + a)) f=$((f + b)) s=$((s + c))
            [ "$status" -ne 0 ] && [ "$b" -eq 0 ] && f=$((f + 1))
        elif [ "$status" -eq 0 ]; then p=$((p + 1)); else f=$((f + 1)); fi
    done
    [ $found -eq 1 ] || skip "there is no tests/*/run.sh" || return
    echo "$p passed, $f failed, $s skipped"
    return $bad
}

# The whole way once: a short sweep, resumed, and its report.
part_smoke() {
    local out=$BUILD/check/smoke
    [ -f plans/smoke.json ] || skip "there is no plans/smoke.json" || return
    rm -rf "$out"
    "$bin" sweep plans/smoke.json -o "$out" || return 1
    "$bin" sweep plans/smoke.json -o "$out" --resume || return 1
    "$bin" report "$out" || return 1
    test -s "$out/report.html" && test -s "$out/results.json"
}

# A few of the random kills that tests/kill9.sh does by the dozen.
part_kills() {
    [ -x tests/kill9.sh ] || skip "there is no tests/kill9.sh" || return
    JOULEBENCH=$bin tests/kill9.sh "${KILLS:-4}"
}

# What only the real language model can show; skipped where it is not in the cache.
part_model() { tests/llm/model.sh "$bin"; }

# The short form of the proof of compare and gate (docs/trust.md).
part_trust() { "${make_[@]}" trust-short; }

part_install() {
    local dest=$PWD/$BUILD/check/dest
    rm -rf "$dest"
    "${make_[@]}" install PREFIX=/usr "DESTDIR=$dest" || return 1
    # From elsewhere, and moved: it must find its own data.
    (cd / && "$dest/usr/bin/joulebench" --version && "$dest/usr/bin/joulebench" list >/dev/null &&
        "$dest/usr/bin/joulebench" sweep "$dest/usr/share/joulebench/plans/smoke.json" --dry-run) || return 1
    man -l "$dest/usr/share/man/man1/joulebench.1" >/dev/null 2>&1 || ! have man
}

part_asan() { "${make_[@]}" asan; }

part_tsan() {
    grep -qlE 'pthread|jb:threads' tests/*/test_*.c || skip "no test uses threads" || return
    "${make_[@]}" tsan
}

part_fuzz() {
    clang_name >/dev/null || echo "note: without clang, by tests/fuzz/driver.c"
    "${make_[@]}" fuzz-smoke
}
part_fuzz_driver() { "${make_[@]}" fuzz-fallback SMOKE_SECONDS=1; }

part_clang() {
    local cc
    cc=$(clang_name) || skip "clang is not installed (make deps DEPS=all)" || return
    "${make_[@]}" "CC=$cc" build tests && "$BUILD/clang/joulebench" kernels --check
}

part_aarch64() {
    have aarch64-linux-gnu-gcc || skip "aarch64-linux-gnu-gcc is not installed (make deps DEPS=all)" || return
    "${make_[@]}" objects CC=aarch64-linux-gnu-gcc
}

declare -A title=([deps]="dependencies" [build]="build" [layers]="layers" [headers]="headers alone" [docs]="documented tables" [tests]="tests" [kernels]="kernels against the reference"
    [scripts]="golden and script tests" [smoke]="smoke sweep and report" [kills]="kill -9 and resume" [model]="the real language model" [trust]="trust, short" [install]="installation" [asan]="tests, address + undefined"
    [tsan]="threaded tests, thread sanitizer" [fuzz]="fuzzers, short" [fuzz_driver]="fuzzers without clang" [clang]="clang build" [aarch64]="aarch64 objects")
order=(deps build layers headers docs tests kernels scripts smoke kills model trust install asan tsan fuzz fuzz_driver clang aarch64)

seconds_since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", b - a }'; }

passed=0 failed=0 skipped=0
run_part() {
    local name=$1 log=$logs/$1.log started=$EPOCHREALTIME status line p=0 f=0 s=0
    printf '== %s\n' "${title[$name]}"
    "part_$name" >"$log" 2>&1
    status=$?
    line=$(grep -xE '[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped' "$log" | tail -n 1)
    if [ $status -eq $SKIP ]; then
        skipped=$((skipped + 1))
        printf '   SKIPPED  %s (%s)\n' "$(grep '^skipped: ' "$log" | tail -n 1 | cut -c 10-)" "$(seconds_since "$started")"
        return
    fi
    [ -n "$line" ] && read -r p f s <<<"$(tr -cd '0-9 ' <<<"$line")"
    if [ $status -ne 0 ]; then
        [ "$f" -eq 0 ] && f=1
        grep -vE '^  (CC|AR|LINK|ok) ' "$log" | tail -n 80 | sed 's/^/   | /'
    elif [ -z "$line" ]; then
        p=1
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    [ "$s" -gt 0 ] && grep -hE '^ *(skip|SKIP) ' "$log" | sed 's/^ */   /'
    grep -h '^note: ' "$log" | sed 's/^/   /'
    printf '   %s  %s%s\n' "$([ "$f" -eq 0 ] && echo ok || echo FAILED)" "${line:+$line, }" "$(seconds_since "$started")"
}

begin=$EPOCHREALTIME
for name in ${PARTS:-${order[@]}}; do run_part "$name"; done
echo "logs: $logs; in all $(seconds_since "$begin")"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
