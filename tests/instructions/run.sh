#!/bin/bash
# The gate on instructions of a query: deterministic counts against a stored baseline, by callgrind and by the CPU's own counter, each where it is there.
#   run.sh [PROGRAM]
set -uo pipefail
cd "$(dirname "$0")/../.."
program=$(realpath "${1:-build/joulebench}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
export LC_ALL=C TERM=dumb
unset GITHUB_ACTIONS GITHUB_STEP_SUMMARY JB_DATA

passed=0 failed=0 skipped=0
ok() { echo "  ok    $1"; passed=$((passed + 1)); }
bad() { echo "  FAIL  $1"; tail -n 8 out err 2>/dev/null | cut -c 1-300 | sed 's/^/        | /'; failed=$((failed + 1)); }
skip() { echo "  skip  $1"; skipped=$((skipped + 1)); }
# ends CODE WHAT COMMAND...
ends() {
    local code=$1 what=$2
    shift 2
    "$@" >out 2>err
    local got=$?
    if [ $got -eq "$code" ]; then ok "$what"; else bad "$what: exit code $got, not $code"; fi
}
check() { local what=$1; shift; if "$@"; then ok "$what"; else bad "$what: $*"; fi; }

"$program" synth -o net.gguf --stages 2 --width 4 --size 12 --classes 5 >/dev/null || exit 1
"$program" synth -o wide.gguf --stages 2 --width 6 --size 12 --classes 5 >/dev/null || exit 1
cat >plan.json <<'PLAN'
{
  "schema": "joulebench.plan/1", "name": "tiny", "seed": 1,
  "workloads": [ {"name": "made-up", "preset": "synthetic", "params": {"h": 12, "w": 12, "classes": 5, "n": 20}} ],
  "models": [ {"name": "net", "file": "net.gguf", "workload": "made-up"} ],
  "precisions": ["int8"], "policies": [ {"name": "final"} ], "scenarios": ["single-stream"],
  "percentiles": [0.5], "repetitions": 1, "block_ms": 1, "idle_ms": 0, "lead_in_ms": 0.1, "max_seconds": 1,
  "validity": {"max_other_cpu": 1, "max_steal": 1, "max_involuntary_per_s": 1e9, "max_reference_drift": 1e6, "max_freq_change": 100, "throttling": true, "swap": true}
}
PLAN
sed 's/net.gguf/wide.gguf/' plan.json >wide.json
echo '{"metrics": {"instructions": {"margin": 0.01}}}' >rules.json
sweep() { "$program" sweep "$1" -o "$2" --no-plots --power=none "${@:3}" >/dev/null 2>err; }
gate() { "$program" gate --baseline "$1" --candidate "$2" --rules rules.json --json; }
counted() { grep -A1 '"instructions": {' "$1/results.json" | grep -qE '[1-9][0-9]{2,}'; }

sweep plan.json uncounted || bad "a sweep that counts nothing"
ends 13 "instructions asked for, and nobody counted: not measured" gate uncounted uncounted

# What one way of counting must give: equal things pass, more instructions fail, and none of it depends on time.
way() {
    local how=$1
    ends 0 "$how: a second count of the same passes" gate "$how" "$how-again"
    check "$how: by the count alone" grep -qE '"name": "instructions"' out
    ends 10 "$how: a wider network fails" gate "$how" "$how-wide"
    ends 0 "$how: a narrower one passes" gate "$how-wide" "$how"
    ends 13 "$how: against a baseline that has none" gate uncounted "$how"
}
ran=0
for how in callgrind papi; do
    if [ $how = callgrind ] && ! command -v valgrind >/dev/null; then
        skip "callgrind: valgrind is not installed"
        continue
    fi
    sweep plan.json $how --count-instructions $how
    if ! counted $how; then
        if [ $how = papi ]; then skip "papi: $(sed -n 's/^ *"instructions": "\(.*\)",*$/\1/p' papi/results.json | head -n 1)"; else bad "callgrind counted nothing"; fi
        continue
    fi
    ran=$((ran + 1))
    sweep plan.json $how-again --count-instructions $how
    sweep wide.json $how-wide --count-instructions $how
    way $how
done
[ $ran -eq 2 ] && ends 13 "two ways of counting are not compared" gate callgrind papi
[ $ran -eq 2 ] || skip "two ways of counting against each other: only $ran of them is here"

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
