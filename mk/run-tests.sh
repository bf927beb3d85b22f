#!/bin/bash
# Runs cmocka programs from the repository root, one line each, and adds up their cases.
#   run-tests.sh PROGRAM...
# The last line is "N passed, N failed, N skipped"; the status is 1 when anything failed. A program without a single
# case counts as failed: zero executed tests prove nothing.
set -uo pipefail
cd "$(dirname "$0")/.."

limit=${TEST_TIMEOUT:-300}
export ASAN_OPTIONS=${ASAN_OPTIONS:-abort_on_error=0:detect_leaks=1:allocator_may_return_null=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1}

# ThreadSanitizer cannot start on kernels with much address randomisation; switch that off where we may.
without_aslr=()
if setarch "$(uname -m)" -R true 2>/dev/null; then without_aslr=(setarch "$(uname -m)" -R); fi

passed=0 failed=0 skipped=0
for program in "$@"; do
    prefix=()
    [[ $program == */tsan*/* ]] && prefix=("${without_aslr[@]}")
    log=$program.log
    started=$EPOCHREALTIME
    timeout "$limit" "${prefix[@]}" "$program" >"$log" 2>&1
    status=$?
    seconds=$(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
    p=$(grep -c '^\[       OK \]' "$log")
    s=$(grep '^\[  SKIPPED \]' "$log" | grep -v 'test(s)' | sort -u | wc -l)
    f=$(grep '^\[  FAILED  \]' "$log" | grep -v 'test(s)' | sort -u | wc -l)
    note=
    if [ $status -eq 124 ]; then note="did not end within $limit s"; fi
    if [ $status -ne 0 ] && [ "$f" -eq 0 ]; then f=1; note=${note:-"ended with status $status"}; fi
    if [ $status -eq 0 ] && [ $((p + s)) -eq 0 ]; then f=1; note="ran no test"; fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    grep '^\[  SKIPPED \]' "$log" | grep -v 'test(s)' | sort -u
    if [ "$f" -gt 0 ]; then
        printf '  FAIL  %-44s %3d passed %3d failed  %6s s  %s\n' "$program" "$p" "$f" "$seconds" "$note"
        grep -vE '^\[ RUN      \]|^\[       OK \]' "$log" | tail -n 60 | sed 's/^/        | /'
    else
        printf '  ok    %-44s %3d passed %s %6s s\n' "$program" "$p" "$([ "$s" -gt 0 ] && echo "$s skipped")" "$seconds"
    fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
