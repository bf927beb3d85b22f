#!/bin/bash
# Every exit code of the gate, by the program as it is; and what never passes: a baseline that is absent, unreadable, empty, cut, or of something else.
#   paths.sh [PROGRAM]
set -uo pipefail
program=$(realpath "${1:-build/joulebench}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
export LC_ALL=C TERM=dumb JOULEBENCH_STATE_DIR=$scratch/state
unset GITHUB_ACTIONS GITHUB_STEP_SUMMARY

passed=0 failed=0
expect() { # CODES WHAT COMMAND...: CODES as "0" or "10|11"
    local want=$1 what=$2
    shift 2
    "$@" >out 2>err
    local status=$?
    case "|$want|" in
    *"|$status|"*) passed=$((passed + 1)) && echo "  ok    $what ($status)" ;;
    *) failed=$((failed + 1)) && echo "  FAIL  $what: $status instead of $want" && tail -n 4 out err | sed 's/^/        | /' ;;
    esac
}
gate() { "$program" gate --baseline "$1" --candidate "$2" "${@:3}"; }
live() { "$program" gate --live "$1" "$2" --power=none "${@:3}"; }

"$program" synth -o net.gguf --stages 3 --width 4 --size 12 --classes 5 >/dev/null || exit 1
"$program" synth -o big.gguf --stages 4 --width 6 --size 12 --classes 5 >/dev/null || exit 1
plan() { # MODEL SEED
    cat <<PLAN
{"schema": "joulebench.plan/1", "name": "paths", "seed": 1,
 "workloads": [{"name": "made-up", "preset": "synthetic", "params": {"h": 12, "w": 12, "classes": 5, "n": $2}}],
 "models": [{"name": "net", "file": "$1", "workload": "made-up"}], "precisions": ["f32"], "policies": [{"name": "final"}],
 "scenarios": ["single-stream"], "percentiles": [0.5], "repetitions": 6, "block_ms": 5, "idle_ms": 1, "max_seconds": 5}
PLAN
}
plan net.gguf 40 >net.json && plan big.gguf 40 >big.json && plan net.gguf 60 >other.json
for p in net big other; do "$program" sweep $p.json -o $p --no-plots --power=none >out 2>err || { tail -n 3 err; exit 1; }; done
cp -r net same
for s in net big other; do printf '{"name": "%s", "plan": "%s.json"}' $s $s >side-$s.json; done
sed 's/}$/, "args": ["--slow-query=60"]}/' side-net.json >side-slow.json
echo '{"metrics": {"macs": {"margin": 0.01}, "model_bytes": {"margin": 0.01}}}' >exact.json
echo '{"metrics": {"joules": {"margin": 0.05}}}' >joules.json
echo '{"metrics": {"p50": {"margin": 0.5}}}' >wide.json
echo '{"metrics": {"p50": {"margin": 0}}}' >narrow.json
echo '{"cells": "no such cell*", "metrics": {"macs": {"margin": 0.01}}}' >nothing.json

expect 0 "the same run passes" gate net same --rules exact.json
expect 10 "a larger model fails" gate net big --rules exact.json
expect 0 "a smaller model passes" gate big net --rules exact.json
expect 11 "no time, no verdict" live side-net.json side-net.json --rules narrow.json --seconds 0.5
expect 0 "no verdict, as they wish: pass" live side-net.json side-net.json --rules narrow.json --seconds 0.5 --inconclusive=pass
expect 10 "no verdict, as they wish: fail" live side-net.json side-net.json --rules narrow.json --seconds 0.5 --inconclusive=fail
expect "10|11|12" "60 % slower never passes at a margin of 5 %" live side-net.json side-slow.json --seconds 4
expect 13 "joules asked for, and no sensor" gate net same --rules joules.json
expect 13 "the same, live" live side-net.json side-net.json --rules joules.json --seconds 0.5
sed 's/"cpu": *{/&"model": "another",/; s/\("cpu[a-z_]*": *\)"[^"]*"/\1"another machine"/' net/results.json >elsewhere.json
expect 12 "latency against another machine's baseline" gate elsewhere.json same --rules wide.json
expect 2 "rules that name no cell" gate net same --rules nothing.json
expect 2 "an absent baseline" gate absent same
mkdir empty && expect 2 "an empty baseline" gate empty same
mkdir zero && : >zero/results.json && expect 2 "a baseline of no bytes" gate zero same
mkdir cut && head -c 700 net/results.json >cut/results.json && expect 2 "a baseline cut off" gate cut same
mkdir list && echo '[]' >list/results.json && expect 2 "a baseline that is something else" gate list same
mkdir none && echo '{}' >none/results.json && expect 2 "a baseline of nothing" gate none same
expect "2|12" "a baseline over other data" gate other same --rules exact.json
expect "2|12" "live, over other data" live side-other.json side-net.json --rules exact.json --seconds 0.5
expect 2 "an absent candidate" gate net absent
expect 2 "absent rules" gate net same --rules absent.json
echo '{"metrics": {"p50": {"margin": "3 %"}}}' >wrong.json && expect 2 "rules that cannot be read" gate net same --rules wrong.json
echo '{"metrics": {}}' >empty.json && expect 2 "rules without a metric" gate net same --rules empty.json
expect 1 "no sides" "$program" gate --live a.json
[ "$(id -u)" -ne 0 ] && { mkdir shut && cp net/results.json shut/ && chmod 0 shut/results.json && expect 2 "an unreadable baseline" gate shut same; }
expect 2 "a baseline that is a directory where a file should be" bash -c "mkdir -p odd/results.json; '$program' gate --baseline odd --candidate same"
if [ -e /dev/full ]; then expect "2|4" "a verdict that cannot be written is no pass" bash -c "'$program' gate --baseline net --candidate same --rules exact.json --junit /dev/full"; fi

echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
