#!/bin/bash
# Runs fuzzers for some seconds each, several at a time. New inputs go below build/, never into the committed corpus.
#   run-fuzz.sh BINARY_DIR SECONDS JOBS NAME...
set -uo pipefail
cd "$(dirname "$0")/.."
bin=$1 seconds=$2 jobs=$3
shift 3
if [ $# -eq 0 ]; then
    echo "0 passed, 0 failed, 1 skipped"
    echo "  skip  fuzz: no tests/fuzz/fuzz_*.c"
    exit 0
fi

run_one() {
    local name=$1 seeds work log started status note
    seeds=tests/fuzz/corpus/$name
    work=$bin/grown/$name
    log=$bin/fuzz_$name.log
    mkdir -p "$work"
    local inputs=("$work")
    [ -d "$seeds" ] && inputs+=("$seeds")
    started=$EPOCHREALTIME
    ASAN_OPTIONS=${ASAN_OPTIONS:-allocator_may_return_null=1:detect_leaks=1} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1} \
        timeout $((seconds + 120)) "$bin/fuzz_$name" -seed=1 -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -malloc_limit_mb=1536 \
        -print_final_stats=1 -artifact_prefix="$bin/finding_${name}_" "${inputs[@]}" >"$log" 2>&1
    status=$?
    note=$(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", b - a }')
    note="$note, $(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1) inputs, $(find "$seeds" -type f 2>/dev/null | wc -l) seeds"
    if [ $status -eq 0 ]; then
        echo "  ok    fuzz_$name  $note"
    else
        echo "  FAIL  fuzz_$name  $note; status $status; the input: $bin/finding_${name}_*"
        grep -vE '^#[0-9]+[[:space:]]+(NEW|REDUCE|pulse)' "$log" | tail -n 50 | sed 's/^/        | /'
    fi
    return $status
}
export -f run_one
export bin seconds

printf '%s\n' "$@" | xargs -P "$jobs" -I{} bash -c 'run_one "$1"' _ {} | tee "$bin/summary.txt"
passed=$(grep -c '^  ok' "$bin/summary.txt")
failed=$(grep -c '^  FAIL' "$bin/summary.txt")
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ] && [ "$passed" -eq $# ]
