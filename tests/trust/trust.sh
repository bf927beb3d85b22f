#!/bin/bash
# The proof of docs/trust.md, part by part.
#   trust.sh full|short DIR PROGRAM TRUST [PART...]
# Parts: coverage stopping peeking accuracy record permuted live-aa live-3 live-1 paths. What was done is kept in DIR: tables as PART.txt; gates as lines of gates.jsonl, where a part that was cut off goes on.
#   REPETITIONS, GATES (live), PERMUTED, SECONDS_A_GATE, SECONDS_RECORDED   sizes     PRIORITY   in front of live gates: "chrt -f 5"
# The last line is "N passed, N failed, N skipped".
set -uo pipefail
{ # read as a whole before it runs: it may run for hours, and be edited meanwhile
here=$(cd "$(dirname "$0")" && pwd)
form=${1:?full or short} dir=${2:?directory} program=$(realpath "${3:?joulebench}") trust=$(realpath "${4:?trust}")
shift 4
mkdir -p "$dir" && dir=$(realpath "$dir") || exit 1

if [ "$form" = short ]; then
    parts=${*:-coverage stopping peeking accuracy record permuted live-short paths}
    : "${REPETITIONS:=60}" "${RESAMPLES:=400}" "${PERMUTED:=300}" "${SECONDS_RECORDED:=9}" "${SECONDS_A_GATE:=8}"
else
    parts=${*:-coverage stopping peeking accuracy record permuted paths live-aa live-3 live-1}
    : "${REPETITIONS:=2000}" "${RESAMPLES:=2000}" "${PERMUTED:=10000}" "${SECONDS_RECORDED:=180}" "${SECONDS_A_GATE:=20}"
fi
: "${GATES:=100}" "${PRIORITY:=}" "${BLOCK_MS:=5}"
gates=$dir/gates.jsonl

# The program finds data where it is installed, or beside its source tree; a build directory elsewhere has neither.
mkdir -p "$dir/share/fashion" && ln -sf "$here"/../../workloads/fashion/data/* "$here"/../../workloads/fashion/models/* "$dir/share/fashion/" && export JB_DATA=$dir/share || exit 1

side() { printf '{"name": "%s", "plan": "%s", "args": ["--power=none", "--slow-query=%s"]}\n' "$1" "$here/plan.json" "$2" >"$dir/$1.json"; }
rules() { printf '{"metrics": {"accuracy": {"margin": 0.02}, "mean": {"margin": %s}, "p50": {"margin": %s}}}\n' "$1" "$1" >"$dir/rules-$1.json"; }
side baseline 0 && side same 0 && side slower1 1 && side slower3 3 && side slower30 30 || exit 1
for margin in 0.05 0.01 0.005; do rules $margin || exit 1; done

# gate SEED CANDIDATE MARGIN: leaves its exit code, and what it found in DIR/gate.json.
gate() {
    rm -f "$dir/gate.json"
    # shellcheck disable=SC2086
    $PRIORITY "$program" gate --live "$dir/baseline.json" "$dir/$2.json" --rules "$dir/rules-$3.json" --seconds "$SECONDS_A_GATE" --block-ms "$BLOCK_MS" --seed "$1" --json >"$dir/gate.json" 2>"$dir/gate.err"
}

# A line a gate is the memory: a seed that is there is not run again. A line cut off by a crash is none.
live() { # PART CANDIDATE MARGIN
    local seed status began
    for seed in $(seq "$GATES"); do
        grep -q "\"part\":\"$1\",\"seed\":$seed,.*}\$" "$gates" 2>/dev/null && continue
        began=$EPOCHREALTIME
        gate "$seed" "$2" "$3"
        status=$?
        [ $status -ge 128 ] && return 1
        "$trust" line file="$dir/gate.json" part="$1" seed="$seed" exit=$status wall="$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')" >>"$gates" || return 1
    done
    "$trust" count file="$gates" part="$1" of="$GATES"
}

# Two gates whose answer is plain. Inconclusive and invalid (11, 12) are no errors of a busy machine; a wrong answer is.
live_short() {
    gate 1 same 0.05
    local same=$?
    gate 1 slower30 0.05
    local slower=$?
    echo "the same at 5 %: exit $same; 30 % slower at 5 %: exit $slower"
    case $same in 0 | 11 | 12) ;; *) cat "$dir/gate.err"; return 1 ;; esac
    case $slower in 10 | 11 | 12) ;; *) cat "$dir/gate.err"; return 1 ;; esac
    [ $same -eq 0 ] || [ $slower -eq 10 ] || { echo "skipped: neither gate could decide on this machine"; return 77; }
}

run_part() {
    case $1 in
    coverage) "$trust" coverage repetitions="$REPETITIONS" resamples="$RESAMPLES" ;;
    stopping) "$trust" stopping repetitions="$REPETITIONS" ;;
    peeking) "$trust" peeking repetitions=$((REPETITIONS * 5)) ;;
    accuracy) "$trust" accuracy repetitions=$((REPETITIONS * 5)) ;;
    # shellcheck disable=SC2086
    record) $PRIORITY "$trust" record program="$program" a="$dir/baseline.json" b="$dir/same.json" out="$dir/pairs.txt" seconds="$SECONDS_RECORDED" block_ms="$BLOCK_MS" ;;
    permuted) "$trust" permuted pairs="$dir/pairs.txt" gates="$PERMUTED" ;;
    live-aa) live live-aa same 0.01 ;;
    live-3) live live-3 slower3 0.01 ;;
    live-1) live live-1 slower1 0.005 ;;
    live-short) live_short ;;
    paths) "$here/paths.sh" "$program" ;;
    *) echo "there is no part $1"; return 1 ;;
    esac
}

passed=0 failed=0 skipped=0
for part in $parts; do
    echo "== $part"
    run_part "$part" 2>&1 | tee "$dir/$part.txt"
    case ${PIPESTATUS[0]} in
    0) passed=$((passed + 1)) ;;
    77) skipped=$((skipped + 1)) ;;
    *) failed=$((failed + 1)) && echo "   FAILED  $part" ;;
    esac
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
exit
}
