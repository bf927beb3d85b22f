#!/bin/bash
# Judges one revision against another on this machine: builds both, writes the two sides, runs the live gate.
#   gate.sh BASELINE_TREE CANDIDATE_TREE [OUT_DIR]
# The trees are checkouts of joulebench; each gets its own build. Exit code: the gate's (0 pass, 10 fail, 11 inconclusive, 12 invalid environment, 13 nothing measured, 2 bad input).
#   PLAN      what is measured, a file of the candidate's tree (plans/smoke.json)
#   RULES     margins (gate.json beside this script)
#   ONLY      pattern over cells ('*int8*'); all without it
#   SECONDS_OF_MEASURING  the longest time (60)
#   GATE_OPTIONS          further options of `joulebench gate`
#   PROGRAM   where the program lies in a tree (build/joulebench); SKIP_BUILD=yes takes what lies there
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 2 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2 && exit 1; }
baseline=$(cd "$1" && pwd) candidate=$(cd "$2" && pwd) out=${3:-gate-out}
plan=${PLAN:-plans/smoke.json} rules=${RULES:-$here/gate.json} program=${PROGRAM:-build/joulebench}
case $plan in /*) ;; *) plan=$candidate/$plan ;; esac
mkdir -p "$out"

if [ -z "${SKIP_BUILD:-}" ]; then
    for tree in "$baseline" "$candidate"; do make -C "$tree" >"$out/build.log" 2>&1 || { tail -n 20 "$out/build.log" >&2 && exit 2; }; done
fi

# Both sides measure the same plan: the candidate's.
side() { printf '{"name": "%s", "joulebench": "%s", "plan": "%s"%s}\n' "$1" "$2/$program" "$plan" "${ONLY:+, \"only\": \"$ONLY\"}"; }
side baseline "$baseline" >"$out/baseline.json"
side candidate "$candidate" >"$out/candidate.json"

# shellcheck disable=SC2086
exec "$candidate/$program" gate --live "$out/baseline.json" "$out/candidate.json" --rules "$rules" --seconds "${SECONDS_OF_MEASURING:-60}" -o "$out" --junit "$out/gate.xml" ${GATE_OPTIONS:-}
