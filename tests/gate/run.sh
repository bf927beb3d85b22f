#!/bin/bash
# The gate as CI uses it: docs/ci/gate.sh, every exit code, what it writes, stored baselines, history. Tiny plans, seconds; verdicts are certain by wide margins, never by speed.
#   run.sh [PROGRAM]
set -uo pipefail
cd "$(dirname "$0")/../.."
source_tree=$PWD
program=$(realpath "${1:-build/joulebench}")
scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch" 2>/dev/null; rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
export LC_ALL=C TERM=dumb
unset GITHUB_ACTIONS GITHUB_STEP_SUMMARY JB_DATA

passed=0 failed=0 skipped=0
ok() { echo "  ok    $1"; passed=$((passed + 1)); }
bad() { echo "  FAIL  $1"; tail -n 8 out err 2>/dev/null | sed 's/^/        | /'; failed=$((failed + 1)); }
skip() { echo "  skip  $1"; skipped=$((skipped + 1)); }
# ends CODE WHAT COMMAND...
ends() {
    local code=$1 what=$2
    shift 2
    "$@" >out 2>err
    local got=$?
    if [ $got -eq "$code" ]; then ok "$what"; else bad "$what: exit code $got, not $code"; fi
}
check() { local what=$1; shift; if "$@" >/dev/null 2>&1; then ok "$what"; else bad "$what: $*"; fi; }

"$program" synth -o net.gguf --stages 3 --width 4 --size 12 --classes 5 >/dev/null || exit 1
"$program" synth -o wide.gguf --stages 3 --width 6 --size 12 --classes 5 >/dev/null || exit 1
cat >plan.json <<'PLAN'
{
  "schema": "joulebench.plan/1", "name": "tiny", "seed": 1,
  "workloads": [ {"name": "made-up", "preset": "synthetic", "params": {"h": 12, "w": 12, "classes": 5, "n": 1000}} ],
  "models": [ {"name": "net", "file": "net.gguf", "workload": "made-up"} ],
  "precisions": ["int8"], "policies": [ {"name": "final"} ],
  "scenarios": ["single-stream"], "threads": [1], "streams": [1], "percentiles": [0.5], "repetitions": 5, "block_ms": 2, "idle_ms": 0, "lead_in_ms": 0.2, "max_seconds": 2, "validity": {"max_other_cpu": 1, "max_steal": 1, "max_involuntary_per_s": 1e9, "max_reference_drift": 1e6, "max_freq_change": 100, "throttling": true, "swap": true}
}
PLAN
sed 's/net.gguf/wide.gguf/' plan.json >wide.json
sed 's/"n": 1000/"n": 900/' plan.json >other-data.json
sed 's/"precisions": \["int8"\]/"precisions": ["f32"]/; s/"final"}/"fixed", "k": [0]}, {"name": "final"}/' plan.json >other-cells.json
side() { printf '{"name": "%s", "plan": "plan.json", "args": ["--power=none"%s]}\n' "$1" "$2" >"$1.json"; }
side a "" && side b "" && side slow ', "--slow-query=900"'
echo '{"name": "dead", "joulebench": "/bin/false", "plan": "plan.json"}' >dead.json
echo '{"metrics": {"accuracy": {"margin": 0.01}, "p50": {"margin": 2}, "mean": {"margin": 9}}}' >wide-rules.json
echo '{"metrics": {"p50": {"margin": 0.000001}}}' >hard.json
echo '{"metrics": {"joules": {"margin": 0.1}, "accuracy": {"margin": 0.01}}}' >joules.json
echo '{"metrics": {"p51": {"margin": 1}}}' >broken.json
gate() { "$program" gate "$@"; }
live() { gate --live "$@" --seconds 30 --restart-s 0.02 --block-ms 1; }

# Every exit code
ends 0 "live: a thing against itself passes" live a.json b.json --rules wide-rules.json -o first --junit first.xml --history history.jsonl
ends 10 "live: ten times slower fails" live a.json slow.json --rules wide-rules.json --json --junit slow.xml --history history.jsonl
cp out slow-comparison.json
check "live: the slowed side says so in its environment" grep -q '"slow_query_percent": "900"' slow-comparison.json
ends 0 "live: ten times faster passes" live slow.json a.json --rules wide-rules.json
ends 11 "live: no time is inconclusive" gate --live a.json b.json --rules hard.json --seconds 0.1 --restart-s 5
ends 0 "--inconclusive=pass" gate --live a.json b.json --rules hard.json --seconds 0.1 --restart-s 5 --inconclusive=pass
ends 10 "--inconclusive=fail" gate --live a.json b.json --rules hard.json --seconds 0.1 --restart-s 5 --inconclusive=fail
ends 12 "live: a worker that dies is an invalid environment" live a.json dead.json --rules wide-rules.json
ends 13 "live: joules asked for, and no sensor" live a.json b.json --rules joules.json
ends 2 "rules that cannot be read" live a.json b.json --rules broken.json
ends 2 "a side that is not there" live a.json absent.json
ends 2 "no cell of that name" live a.json b.json --only 'no such cell'
ends 1 "wrong use" gate --live a.json
ends 1 "wrong use: neither" gate --baseline x

# Stored baselines
"$program" sweep plan.json -o run --no-plots --power=none >/dev/null 2>&1 || bad "sweep"
"$program" sweep wide.json -o wide --no-plots --power=none >/dev/null 2>&1 || bad "sweep"
"$program" sweep other-data.json -o data --no-plots --power=none >/dev/null 2>&1 || bad "sweep"
"$program" sweep other-cells.json -o cells --no-plots --power=none >/dev/null 2>&1 || bad "sweep"
ends 0 "record" gate record run -o base --history history.jsonl
check "a baseline is small" test "$(du -sk base | cut -f1)" -lt 64
ends 0 "stored: the same passes" gate --baseline base --candidate run
ends 0 "stored: the CI rules" gate --baseline base --candidate run --rules "$source_tree/docs/ci/stored.json"
check "stored: accuracy is compared sample by sample" bash -c "\"$program\" gate --baseline base --candidate run --json | grep -q 'right and wrong on the very same samples'"
ends 10 "stored: more MACs and bytes fail" gate --baseline base --candidate wide --rules "$source_tree/docs/ci/stored.json"
ends 12 "stored: other samples are invalid" gate --baseline base --candidate data --rules "$source_tree/docs/ci/stored.json"
ends 12 "stored: latency without intervals cannot be judged" gate --baseline base --candidate data --rules wide-rules.json
ends 13 "stored: joules asked for, and none there" gate --baseline base --candidate run --rules joules.json
ends 2 "stored: no cell in common" gate --baseline base --candidate cells
ends 2 "stored: no such directory" gate --baseline absent --candidate run
mkdir empty && ends 2 "stored: an empty directory" gate --baseline empty --candidate run
mkdir cut && head -c 2000 base/results.json >cut/results.json && ends 2 "stored: a cut file" gate --baseline cut --candidate run
cp -r base lies && sed -i 's/"correct": "[A-Za-z0-9+/]\{8\}/"correct": "AAAAAAAA/' lies/answers.json && ends 2 "stored: answers that contradict the results" gate --baseline lies --candidate run
if [ "$(id -u)" -ne 0 ]; then
    cp -r base locked && chmod 000 locked/results.json && ends 2 "stored: a file that may not be read" gate --baseline locked --candidate run
else
    mkdir -p locked/results.json && ends 2 "stored: a results.json that is no file" gate --baseline locked --candidate run
fi
ends 4 "record: never into a run" gate record run -o wide
ends 2 "record: nothing to record" gate record empty -o base2

# Language models: perplexity, agreement and times of tokens
"$program" synth -o words.gguf --kind llama --layers 3 --width 64 --context 1024 --type q8_0 >/dev/null || bad "a language model is made"
cat >words.json <<'PLAN'
{
  "schema": "joulebench.plan/1", "name": "words", "seed": 1, "accuracy_samples": 8,
  "workloads": [ {"name": "prose"} ], "models": [ {"name": "words", "file": "words.gguf", "workload": "prose"} ],
  "precisions": ["stored"], "policies": [ {"name": "final"} ],
  "scenarios": ["single-stream"], "threads": 1, "percentiles": [0.5], "repetitions": 5, "block_ms": 5, "idle_ms": 0, "lead_in_ms": 0.2, "max_seconds": 5, "validity": {"max_other_cpu": 1, "max_steal": 1, "max_involuntary_per_s": 1e9, "max_reference_drift": 1e6, "max_freq_change": 100, "throttling": true, "swap": true}
}
PLAN
"$program" sweep words.json -o words --no-plots --power=none >/dev/null 2>&1 || bad "sweep of a language model"
ends 0 "language model: record" gate record words -o words-base
ends 0 "language model: the CI rules" gate --baseline words-base --candidate words --rules "$source_tree/docs/ci/language-model.json" --json
check "language model: perplexity and agreement are judged" bash -c 'grep -A40 "\"ppl\"" out | grep -q "\"pass\"" && grep -A40 "\"agreement\"" out | grep -q "\"pass\""'
echo '{"metrics": {"perplexity": {"margin": 0.01}, "p50": {"margin": 9}, "ttft": {"margin": 9}}}' >words-rules.json
for s in wa wb; do echo '{"name": "'$s'", "plan": "words.json", "args": ["--power=none"]}' >$s.json; done
ends 0 "language model: live" gate --live wa.json wb.json --rules words-rules.json --seconds 8 --restart-s 0.5 --json
check "language model: live, the time to the first token is judged" bash -c 'grep -A40 "\"ttft_ns\"" out | grep -q "\"pass\""'

# What it writes
check "files of -o" test -s first/comparison.json -a -s first/comparison.md -a -s first/comparison.html -a -s first/junit.xml
if command -v python3 >/dev/null; then
    for f in first.xml slow.xml first/junit.xml; do check "well-formed: $f" python3 -c 'import sys, xml.dom.minidom as m; m.parse(sys.argv[1])' $f; done
    check "JUnit counts the failure" python3 -c 'import xml.dom.minidom as m; s = m.parse("slow.xml").documentElement; assert int(s.getAttribute("failures")) >= 2, s.toxml()'
    if python3 -c 'import jsonschema' 2>/dev/null; then
        cat >valid.py <<'PY'
import json, sys, jsonschema
schema = json.load(open(sys.argv[1]))
for f in sys.argv[2:]: jsonschema.validate(json.load(open(f)), schema)
PY
        check "schema: comparisons of gates" python3 valid.py "$source_tree/docs/schema/comparison.schema.json" first/comparison.json slow-comparison.json
        check "schema: rules" python3 valid.py "$source_tree/docs/schema/gate.schema.json" "$source_tree/docs/ci/gate.json" "$source_tree/docs/ci/stored.json" "$source_tree/docs/ci/language-model.json" wide-rules.json hard.json joules.json
        if python3 valid.py "$source_tree/docs/schema/gate.schema.json" broken.json 2>/dev/null; then bad "schema: rules that are refused"; else ok "schema: rules that are refused"; fi
    else
        skip "schemas: python3 has no jsonschema"
    fi
else
    skip "python3 is not installed"
fi
echo "before" >summary.md
GITHUB_ACTIONS=true GITHUB_STEP_SUMMARY=summary.md "$program" gate --baseline base --candidate wide --rules "$source_tree/docs/ci/stored.json" >out 2>err
check "annotations on GitHub" grep -q '^::error ' out
check "the job's summary is appended" bash -c 'head -n 1 summary.md | grep -qx before && [ $(wc -l <summary.md) -gt 5 ]'

# History
check "history: a line each" test "$(wc -l <history.jsonl)" -eq 3
printf '{"torn' >>history.jsonl
gate --baseline base --candidate run --history history.jsonl >/dev/null 2>&1
ends 0 "history: a torn line costs nothing else" "$program" report --history history.jsonl -o hist
check "history: page and table" bash -c 'grep -q "<svg" hist/history.html && grep -q "1 lines could not be read" hist/history.md && grep -q "p50 latency" hist/history.md'
ends 2 "history: no such file" "$program" report --history absent.jsonl
ends 1 "history stands alone" "$program" report run --history history.jsonl

# docs/ci
mkdir -p tree/build && ln -s "$program" tree/build/joulebench
export SKIP_BUILD=yes PLAN=$scratch/plan.json SECONDS_OF_MEASURING=30 GATE_OPTIONS="--power none --restart-s 0.02 --block-ms 1"
RULES=$scratch/wide-rules.json ends 0 "docs/ci/gate.sh" "$source_tree/docs/ci/gate.sh" tree tree ci-out
check "docs/ci/gate.sh leaves its files" test -s ci-out/gate.xml -a -s ci-out/comparison.html
ends 1 "docs/ci/gate.sh: wrong use" "$source_tree/docs/ci/gate.sh" tree
RULES=$scratch/broken.json ends 2 "docs/ci/gate.sh hands on the code" "$source_tree/docs/ci/gate.sh" tree tree ci-out
SECONDS_OF_MEASURING=0.2 ends 11 "docs/ci: the rules in the repository can be read" "$source_tree/docs/ci/gate.sh" tree tree ci-out

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
