#!/bin/bash
# Runs cmocka programs from the repository root, several at a time, one line each, and adds up their cases.
#   run-tests.sh PROGRAM...        TEST_JOBS (default: all cores), TEST_TIMEOUT (seconds, default 900)
# The last line is "N passed, N failed, N skipped"; the status is 1 when anything failed. A program without a single
# case counts as failed: zero executed tests prove nothing.
set -uo pipefail
cd "$(dirname "$0")/.."

export ASAN_OPTIONS=${ASAN_OPTIONS:-abort_on_error=0:detect_leaks=1:allocator_may_return_null=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1}
export TEST_TIMEOUT=${TEST_TIMEOUT:-900}

# ThreadSanitizer cannot start on kernels with much address randomisation; switch that off where we may.
export WITHOUT_ASLR=
if setarch "$(uname -m)" -R true 2>/dev/null; then WITHOUT_ASLR="setarch $(uname -m) -R"; fi

run_one() {
    local program=$1 log=$1.log started=$EPOCHREALTIME prefix= status seconds p s f note=
    [[ $program == */tsan*/* ]] && prefix=$WITHOUT_ASLR
    # Kernels against the reference: one case in seven where a sanitizer makes each slow (tests/kernels).
    [[ $program == */asan/* || $program == */tsan/* ]] && export JB_KERNEL_STRIDE=${JB_KERNEL_STRIDE:-7}
    # shellcheck disable=SC2086
    timeout "$TEST_TIMEOUT" $prefix "$program" >"$log" 2>&1
    status=$?
    seconds=$(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
    p=$(grep -c '^\[       OK \]' "$log")
    s=$(grep '^\[  SKIPPED \]' "$log" | grep -v 'test(s)' | sort -u | wc -l)
    f=$(grep '^\[  FAILED  \]' "$log" | grep -v 'test(s)' | sort -u | wc -l)
    if [ $status -eq 124 ]; then note="did not end within $TEST_TIMEOUT s"; fi
    if [ $status -ne 0 ] && [ "$f" -eq 0 ]; then f=1 note=${note:-"ended with status $status"}; fi
    if [ $status -eq 0 ] && [ $((p + s)) -eq 0 ]; then f=1 note="ran no test"; fi
    echo "$p $f $s" >"$program.count"
    { # one write, so that lines of two programs do not mix
        printf '  %-5s %-44s %3d passed%s%s %6s s  %s\n' "$([ "$f" -eq 0 ] && echo ok || echo FAIL)" "$program" "$p" \
            "$([ "$f" -gt 0 ] && printf ' %3d failed' "$f")" "$([ "$s" -gt 0 ] && printf ' %3d skipped' "$s")" "$seconds" "$note"
        # A test says why right before it skips: "skipped: ..."
        awk '/^skipped: / { why = substr($0, 9) } /^\[  SKIPPED \]/ && !/test\(s\)/ && !seen[$4]++ { print "  skip  " $4 ":" (why ? why : " no reason given"); why = "" }' "$log"
        [ "$f" -gt 0 ] && grep -vE '^\[ RUN      \]|^\[       OK \]' "$log" | tail -n 60 | sed 's/^/        | /'
    } >"$program.shown"
    cat "$program.shown"
}
export -f run_one

[ $# -eq 0 ] && echo "0 passed, 0 failed, 0 skipped" && exit 0
for program in "$@"; do rm -f "$program.count"; done
printf '%s\n' "$@" | xargs -P "${TEST_JOBS:-$(nproc)}" -I{} bash -c 'run_one "$1"' _ {}
passed=0 failed=0 skipped=0
for program in "$@"; do
    p=0 f=1 s=0 # a program that left no count did not run
    [ -f "$program.count" ] && read -r p f s <"$program.count"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
