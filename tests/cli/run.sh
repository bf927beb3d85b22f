#!/bin/bash
# What only whole processes show: signals, a held directory, a full disk, no permission, closed output.
#   run.sh [PROGRAM]
set -uo pipefail
cd "$(dirname "$0")/../.."
source_tree=$PWD
program=$(realpath "${1:-build/joulebench}")
scratch=$(mktemp -d)
mounted=
trap '[ -n "$mounted" ] && umount "$mounted"; chmod -R u+w "$scratch" 2>/dev/null; rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
cd "$scratch" || exit 1
export LC_ALL=C TERM=dumb

passed=0 failed=0 skipped=0
ok() { echo "  ok    $1"; passed=$((passed + 1)); }
bad() { echo "  FAIL  $1"; tail -n 5 out err 2>/dev/null | sed 's/^/        | /'; failed=$((failed + 1)); }
skip() { echo "  skip  $1"; skipped=$((skipped + 1)); }
check() { local what=$1; shift; if "$@"; then ok "$what"; else bad "$what: $*"; fi; }

"$program" synth -o net.gguf --stages 3 --width 4 --size 12 --classes 5 >/dev/null || exit 1
# Long enough to be stopped in the middle.
cat >long.json <<'PLAN'
{
  "schema": "joulebench.plan/1", "name": "long", "seed": 1,
  "workloads": [ {"name": "made-up", "preset": "synthetic", "params": {"h": 12, "w": 12, "classes": 5, "n": 40}} ],
  "models": [ {"name": "net", "file": "net.gguf", "workload": "made-up"} ],
  "precisions": ["f32", "int8"], "policies": [ {"name": "final"}, {"name": "maxprob", "threshold": [0.3, 0.5]} ],
  "scenarios": ["single-stream"], "threads": [1], "streams": [1],
  "percentiles": [0.5], "repetitions": 40, "block_ms": 100, "idle_ms": 1, "max_seconds": 60,
  "validity": {"max_other_cpu": 1, "max_steal": 1, "max_involuntary_per_s": 1e9, "max_reference_drift": 1e6, "max_freq_change": 100, "throttling": true, "swap": true}
}
PLAN
sed 's/"repetitions": 40, "block_ms": 100/"repetitions": 2, "block_ms": 5/; s/"max_seconds": 60/"max_seconds": 2/' long.json >short.json

# Starts the long sweep into $1 and waits until it has measured a block. Background jobs of a script ignore SIGINT, and what is ignored stays so: env puts it back.
start() {
    env --default-signal=INT "$program" sweep long.json -o "$1" --no-plots >out 2>err &
    pid=$!
    for _ in $(seq 300); do
        grep -q '"kind":"block"' "$1/journal.jsonl" 2>/dev/null && return 0
        kill -0 $pid 2>/dev/null || return 1
        sleep 0.1
    done
    return 1
}
blocks() { grep -c '"kind":"block"' "$1/journal.jsonl"; }

for signal in INT:130 TERM:143 HUP:129; do
    name=${signal%:*} want=${signal#*:}
    start "stop$name" || { bad "a sweep begins ($name)"; continue; }
    kill -s "$name" $pid
    wait $pid
    status=$?
    check "SIG$name ends with $want" [ $status -eq $want ]
    check "SIG$name says how to go on" grep -q -- '--resume' err
    check "SIG$name keeps the blocks" [ "$(blocks "stop$name")" -ge 1 ]
    "$program" report "stop$name" --no-plots >out 2>err
    check "the rest of SIG$name can be reported" [ $? -eq 0 -o $? -eq 3 ]
done

before=$(blocks stopTERM)
"$program" sweep short.json -o stopTERM --no-plots --resume >out 2>err
status=$?
check "another plan resumes in the same directory" [ $status -eq 0 ]
check "resuming loses no block" [ "$(blocks stopTERM)" -ge "$before" ]

start held && {
    "$program" sweep long.json -o held --resume --no-plots >out 2>err
    status=$?
    check "a held directory ends with 4" [ $status -eq 4 ]
    check "and names the holder" grep -q "$pid" err
    kill -TERM $pid; wait $pid
}

if [ "$(id -u)" -eq 0 ] && mkdir small && mount -t tmpfs -o size=64k none small 2>/dev/null; then
    mounted=$scratch/small
    "$program" sweep short.json -o small/run >out 2>err
    status=$?
    check "a full disk ends with 4" [ $status -eq 4 ]
    check "and says what to do" grep -q 'free some space' err
    mount -o remount,size=8m small && "$program" sweep short.json -o small/run --no-plots --resume >out 2>err
    status=$?
    check "with space again it goes on" [ $status -eq 0 ]
    umount small && mounted=
else
    skip "a full disk: needs root and mount"
fi

mkdir closed && chmod 555 closed
as_user=()
if [ "$(id -u)" -eq 0 ]; then as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups); fi
if "${as_user[@]}" test -x "$program" 2>/dev/null && ! "${as_user[@]}" test -w closed; then
    "${as_user[@]}" "$program" sweep "$scratch/short.json" -o closed/run >out 2>err
    status=$?
    check "no permission ends with 4" [ $status -eq 4 ]
    check "and names the directory" grep -q 'closed/run' err
else
    skip "no permission: another user cannot run the program"
fi

"$program" list >&- 2>err
status=$?
check "closed output ends with 4" [ $status -eq 4 ]
"$program" list 2>err | head -n 1 >/dev/null
check "a reader that leaves is no crash" [ ! -s err ]

. "$source_tree/tests/cli/power.sh"
. "$source_tree/tests/cli/language.sh"
. "$source_tree/tests/cli/compare.sh"

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
