#!/bin/bash
# Golden outputs of the command line: what it prints, where, and with which exit code.
#   run.sh [PROGRAM] [--update] [--only NAME]
# Each line of cli/cases is "NAME: COMMAND"; cli/NAME.golden holds what the command leaves. --update rewrites these and the documents made from the tables.
# Machine differences are kept out: JB_CPU=ref, a directory of its own, and times and places replaced by names.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source_tree=$(cd "$here/../.." && pwd)
program=$source_tree/build/joulebench update=0 only=

while [ $# -gt 0 ]; do
    case $1 in
    --update) update=1 ;;
    --only) only=$2 && shift ;;
    -*) echo "usage: run.sh [PROGRAM] [--update] [--only NAME]" >&2 && exit 1 ;;
    *) program=$(cd "$(dirname "$1")" && pwd)/$(basename "$1") ;;
    esac
    shift
done
[ -x "$program" ] || { echo "run.sh: no program at $program" >&2 && exit 1; }

scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch" 2>/dev/null; rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
joulebench() { "$program" "$@"; }
export -f joulebench
export program LC_ALL=C JB_CPU=ref TERM=dumb JOULEBENCH_STATE_DIR=$scratch/state XDG_CACHE_HOME=$scratch/cache
unset JB_DATA NO_COLOR COLUMNS

# What the commands find: a model, files that are broken in known ways.
prepare() {
    joulebench synth -o net.gguf --stages 3 --width 4 --size 12 --classes 5 >/dev/null || { echo "run.sh: synth failed" >&2 && exit 1; }
    head -c 1000 net.gguf >cut.gguf
    printf 'GGUF\1\0\0\0' >old.gguf
    printf 'no model' >text.gguf
    cp "$here/vocabulary.gguf" . && sed 's/hell o/hexx o/' vocabulary.gguf >merge.gguf && sed 's/smollm/smellm/' vocabulary.gguf >pre.gguf # same lengths
    printf 'hello\377 world' >broken.txt
    printf '\0\0\10\1\0\0\0\11abc' >short.idx
    printf '\0\0\10\1\0\0\0\3abc' >good.idx
    printf '{"schema": "joulebench.plan/1", "name": "x",\n "seeed": 1}\n' >typo.json
    printf '{"schema": "joulebench.plan/1",\n "name": }\n' >broken.json
    cat >tiny.json <<'PLAN'
{
  "schema": "joulebench.plan/1", "name": "tiny", "seed": 1,
  "workloads": [ {"name": "made-up", "preset": "synthetic", "params": {"h": 12, "w": 12, "classes": 5, "n": 40}} ],
  "models": [ {"name": "net", "file": "net.gguf", "workload": "made-up"} ],
  "precisions": ["f32", "int8"],
  "policies": [ {"name": "final"}, {"name": "maxprob", "threshold": [0.5]} ],
  "scenarios": ["single-stream"], "threads": [1], "streams": [1], "percentiles": [0.5], "repetitions": 2, "block_ms": 5, "idle_ms": 1, "max_seconds": 2,
  "validity": {"max_other_cpu": 1, "max_steal": 1, "max_involuntary_per_s": 1e9, "max_reference_drift": 1e6, "max_freq_change": 100, "swap": true, "throttling": true}
}
PLAN
    mkdir -p empty
    zone tree/intel-rapl/intel-rapl:0 package-0
    zone tree/intel-rapl/intel-rapl:0/intel-rapl:0:0 core
    zone tree/intel-rapl/intel-rapl:0/intel-rapl:0:1 dram
    cat >short.trace <<'TRACE'
# joulebench.trace/2
# source name="powercap" class=measured root="/sys/class/powercap" remark="" sampler_period_ns=0 settle_most_ns=0 opened_ns=1000000000 realtime_ns=1795371302000000000
# channel 0 kind=energy control_type="intel-rapl" name="package-0" parent=-1 has_counter path="/sys/a" unit=1 range=262143328850 step_uj=61 ceiling_w=180 ceiling_from="max_power_range_uw" update_ns=1000000
# channel 1 kind=energy control_type="intel-rapl" name="core" parent=0 has_counter path="/sys/b" unit=1 range=262143328850 step_uj=61 update_ns=1000000
begin_ns,end_ns,channel,reading
1000000000,1000002000,0,5000000
1000002000,1000004000,1,2000000
TRACE
    sed 's/5000000$/-1/' short.trace >broken.trace
    # A power zone with two limits, and one that is switched off.
    local zone=zones/intel-rapl/intel-rapl:0
    mkdir -p $zone/intel-rapl:0:0
    echo package-0 >$zone/name && echo core >$zone/intel-rapl:0:0/name && echo 0 >$zone/intel-rapl:0:0/enabled
    echo long_term >$zone/constraint_0_name && echo 28000000 >$zone/constraint_0_power_limit_uw
    echo 5000000 >$zone/constraint_0_min_power_uw && echo 28000000 >$zone/constraint_0_max_power_uw && echo 27983872 >$zone/constraint_0_time_window_us
    echo short_term >$zone/constraint_1_name && echo 64000000 >$zone/constraint_1_power_limit_uw
    echo long_term >$zone/intel-rapl:0:0/constraint_0_name && echo 0 >$zone/intel-rapl:0:0/constraint_0_power_limit_uw
}

# A powercap zone that stands still.
zone() { mkdir -p "$1" && echo "$2" >"$1/name" && echo 262143328850 >"$1/max_energy_range_uj" && echo 100000 >"$1/energy_uj"; }

# Places, and what differs from run to run.
normalise() {
    sed -E -e "s#$scratch#HERE#g" -e "s#[^ \"',:]*/share/joulebench#SHARE#g" -e "s#$source_tree#SOURCE#g" \
        -e 's/^joulebench [0-9.]+[^ ]* \(git .*\)$/joulebench VERSION/' -e 's/^joulebench [0-9.]+:/joulebench VERSION:/' \
        -e 's/^(memory +).*/\1SIZES AND TIME/' -e 's/("model_bytes": )[0-9]+/\1SIZE/' -e 's/about [0-9].* of measuring/about TIME of measuring/' \
        -e 's/^(a read +)[0-9].*/\1TIME/' -e 's/a read costs [0-9]+ ns/a read costs TIME/' -e 's/^(  (time|CPU time|CPU of others) +).*/\1TIME/' -e 's/pid [0-9]+/pid PID/g'
}

passed=0 failed=0
judge() { # NAME EXPECTED-FILE ACTUAL-FILE
    if [ $update -eq 1 ]; then
        cmp -s "$3" "$2" || { cp "$3" "$2" && echo "  wrote ${2#"$source_tree"/}"; }
        passed=$((passed + 1))
    elif [ -e "$2" ] && diff -u --label "${2#"$source_tree"/}" --label now "$2" "$3"; then
        passed=$((passed + 1))
    else
        [ -e "$2" ] || echo "no golden file for $1 (run.sh --update writes it)"
        echo "  FAIL  $1"
        failed=$((failed + 1))
    fi
}

prepare
while IFS= read -r line; do
    [[ -z $line || $line == \#* ]] && continue
    name=${line%%: *} command=${line#*: }
    [[ -n $only && $name != "$only" ]] && continue
    timeout 60 bash -c "$command" >.out 2>.err </dev/null
    status=$?
    {
        echo "\$ $command"
        cat .out
        [ -s .err ] && echo "--- stderr" && cat .err
        echo "--- exit $status"
    } | normalise >.now
    judge "$name" "$here/cli/$name.golden" .now
done <"$here/cli/cases"

# The documents are the same tables.
if [ -z "$only" ]; then
    joulebench help --format markdown >.now && judge "docs/command-line.md" "$source_tree/docs/command-line.md" .now
    joulebench help --format man >.now && judge "docs/man/joulebench.1" "$source_tree/docs/man/joulebench.1" .now
fi
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
