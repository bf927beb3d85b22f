# joulebench power around whole processes: sourced by run.sh, which brings ok, bad, skip, check, $program and a directory of its own.

measure() { "$program" power measure --idle 0 "$@"; }
status_of() { "$@" >out 2>err </dev/null; echo $?; }

with_python() { if command -v python3 >/dev/null; then check "$@"; else skip "$1: python3 is not installed"; fi; }

# A package with core and dram, and a process that advances them in place: 20, 8 and 3 W by the clock. $1: the tree.
zone() { mkdir -p "$1" && echo "$2" >"$1/name" && echo 262143328850 >"$1/max_energy_range_uj" && echo 100000000000 >"$1/energy_uj"; }
advance() {
    local p=$1/intel-rapl/intel-rapl:0 start now us
    start=${EPOCHREALTIME/./}
    while [ -e "$1/on" ]; do
        now=${EPOCHREALTIME/./} && us=$((now - start))
        echo $((100000000000 + us * 20)) 1<>"$p/energy_uj"
        echo $((100000000000 + us * 8)) 1<>"$p/intel-rapl:0:0/energy_uj"
        echo $((100000000000 + us * 3)) 1<>"$p/intel-rapl:0:1/energy_uj"
        read -rt 0.002 <>"$1/pause" || true
    done
}
tree_on() {
    zone "$1/intel-rapl/intel-rapl:0" package-0
    zone "$1/intel-rapl/intel-rapl:0/intel-rapl:0:0" core
    zone "$1/intel-rapl/intel-rapl:0/intel-rapl:0:1" dram
    mkfifo "$1/pause" && touch "$1/on"
    advance "$1" &
    tree_pid=$!
}
tree_off() { rm -f "$1/on"; wait "$tree_pid"; }

# ---- exit codes ----
check "measure hands on 0" [ "$(status_of measure -- true)" -eq 0 ]
check "measure hands on 3" [ "$(status_of measure -- sh -c 'exit 3')" -eq 3 ]
check "without a sensor the report says none and why" grep -q '^  energy .*none: ...' err
check "and nothing stands on stdout" [ ! -s out ]
check "no such command: 127" [ "$(status_of measure -- no-such-command)" -eq 127 ]
check "and says so" grep -q 'no-such-command: command not found' err
check "no such path: 127" [ "$(status_of measure -- ./no-such-file)" -eq 127 ]
echo data >plain
check "not executable: 126" [ "$(status_of measure -- ./plain)" -eq 126 ]
check "a directory: 126" [ "$(status_of measure -- ./)" -eq 126 ]
check "killed by KILL: 137" [ "$(status_of measure -- sh -c 'kill -KILL $$')" -eq 137 ]
check "killed by SEGV: 139" [ "$(status_of measure -- sh -c 'kill -SEGV $$')" -eq 139 ]
check "a wrong option: 125" [ "$(status_of measure --idel 1 -- true)" -eq 125 ]
check "an unknown source: 125" [ "$(status_of measure --power nonsense -- touch started)" -eq 125 ]
check "and nothing was started" [ ! -e started ]
check "an unwritable report: 125, before anything starts" [ "$(status_of measure -o /proc/no/report -- touch started)" -eq 125 -a ! -e started ]
check "a full report: 125" [ "$(status_of measure -o /dev/full -- true)" -eq 125 ]
check "a full report behind a failure: the command's code" [ "$(status_of measure -o /dev/full -- sh -c 'exit 5')" -eq 5 ]
check "required energy that is not there: 13" [ "$(status_of measure --power none --require-energy -- touch started)" -eq 13 ]
check "and nothing was started for it" [ ! -e started ]

# ---- the command's line and files ----
"$program" power measure --idle 0 -r 2 -- printf '%s,' -r 7 -- --help -h >out 2>err
check "behind -- everything is the command's" [ "$(cat out)" = '-r,7,--,--help,-h,-r,7,--,--help,-h,' ]
"$program" power measure --idle 0 printf '%s,' --idle -o x >out 2>err
check "the first word that is no option begins it too" [ "$(cat out)" = '--idle,-o,x,' ]
echo text | "$program" power measure --idle 0 -- cat >out 2>err
check "stdin and stdout are the command's" [ "$(cat out)" = text ]
"$program" power measure --idle 0 --json -- sh -c 'echo own >&2' >out 2>err
check "with --json the last line of stderr is the document" [ "$(tail -n 1 err | cut -c 1-12)" = '{"command":[' -a "$(head -n 1 err)" = own ]
"$program" power measure --idle 0 -o report -- sh -c 'echo own >&2' >out 2>err
check "with -o stderr is the command's alone" [ "$(cat err)" = own ]
check "and the report is in the file" grep -q '^joulebench power measure: sh -c' report
"$program" power measure --idle 0 -o report -- ls /proc/self/fd >out 2>err </dev/null
ls /proc/self/fd >plain 2>err </dev/null
check "the command gets no file of joulebench's" cmp -s out plain
(trap '' INT; "$program" power measure --idle 0 -- sh -c 'kill -INT $$; echo survived' >out 2>err)
check "what is ignored stays ignored" [ "$(cat out)" = survived ]

# ---- repetitions ----
rm -f count
check "the first failure ends the repetitions" [ "$(status_of measure -r 5 -- sh -c 'echo x >>count; [ $(wc -l <count) -lt 3 ]')" -eq 1 -a "$(wc -l <count)" -eq 3 ]
check "and the report says how many there were" grep -q '3 of 5 repetitions' err
rm -f count
check "unless failures are ignored" [ "$(status_of measure -r 5 --ignore-failure -- sh -c 'echo x >>count; exit 9')" -eq 9 -a "$(wc -l <count)" -eq 5 ]
rm -f count
check "warm-up runs are not counted" [ "$(status_of measure -r 2 --warmup 3 -- sh -c 'echo x >>count')" -eq 0 -a "$(wc -l <count)" -eq 5 ]
check "(2 in the report)" grep -q '2 of 2 repetitions' err

# ---- signals ----
for signal in INT:130 TERM:143 HUP:129 QUIT:131; do
    name=${signal%:*} want=${signal#*:}
    rm -f began
    env --default-signal=INT,QUIT "$program" power measure --idle 0 -r 3 -- sh -c 'echo $$ >began; ulimit -c 0; exec sleep 60' >out 2>err &
    pid=$!
    for _ in $(seq 100); do [ -s began ] && break; sleep 0.05; done
    sleep 0.1; kill -s "$name" $pid
    wait $pid
    status=$?
    check "SIG$name reaches the command, and its end is handed on" [ $status -eq $want ]
    check "it has ended (SIG$name)" [ ! -e "/proc/$(cat began)" ]
    check "and what there is is reported (SIG$name)" grep -q '^joulebench power measure' err
done
rm -f began
env --default-signal=INT "$program" power measure --idle 0 -- sh -c 'trap "echo caught; exit 42" TERM; echo >began; while :; do sleep 0.05; done' >out 2>err &
pid=$!
for _ in $(seq 100); do [ -e began ] && break; sleep 0.05; done
kill -TERM $pid; wait $pid
status=$?
check "a command that handles the signal keeps its exit code" [ $status -eq 42 -a "$(cat out)" = caught ]
env --default-signal=INT "$program" power measure --idle 60 -- touch started >out 2>err &
pid=$!
sleep 0.5; kill -INT $pid; wait $pid
status=$?
check "a signal in the idle window: 130, and nothing is started" [ $status -eq 130 -a ! -e started ]
# Ctrl-C of a terminal goes to the whole group: once to the command, not twice.
if command -v script >/dev/null; then
    cat >counts.sh <<'COUNTS'
n=0
trap 'n=$((n + 1))' INT
echo >began
end=$((SECONDS + 3))
while [ $SECONDS -lt $end ]; do sleep 0.1; done
echo "$n" >times
COUNTS
    rm -f began times
    { for _ in $(seq 100); do [ -e began ] && break; sleep 0.05; done; sleep 0.3; printf '\003'; sleep 3.5; } |
        script -qec "env --default-signal=INT '$program' power measure --idle 0 -- bash counts.sh" /dev/null >out 2>&1
    check "Ctrl-C reaches the command once" [ "$(cat times 2>/dev/null)" = 1 ]
else
    skip "Ctrl-C of a terminal: script is not installed"
fi
started=$SECONDS
"$program" power measure --idle 0 -- sh -c 'sleep 20 >/dev/null 2>&1 & echo $! >left' >out 2>err
check "a command that leaves children ends when it ends" [ $((SECONDS - started)) -lt 10 ]
check "and these are left alone" kill "$(cat left)"

# ---- with counters: a trace is the same on a busy machine ----
# 30 s of a package of WATTS (LATER from 0.7 s on), with a core of 8 W in it, and dram of 3 W beside it: trace WATTS LATER RANGE
trace() {
    cat <<'HEAD'
# joulebench.trace/2
# source name="powercap" class=measured root="/sys/class/powercap" remark="" sampler_period_ns=0 settle_most_ns=0 opened_ns=1000000000 realtime_ns=1795371302000000000
HEAD
    awk -v w="$1" -v later="$2" -v range="$3" 'BEGIN {
        split("package-0 core dram", name); split("-1 0 0", parent); split("0 8 3", watts)
        for (c = 1; c <= 3; c++)
            printf "# channel %d kind=energy control_type=\"intel-rapl\" name=\"%s\" parent=%d has_counter path=\"/sys/%d\" unit=1 range=%d step_uj=1 ceiling_w=100 ceiling_from=\"default\" update_ns=1000000\n",
                c - 1, name[c], parent[c], c, range
        print "begin_ns,end_ns,channel,reading"
        for (ms = 0; ms <= 30000; ms += 10)
            for (c = 1; c <= 3; c++) {
                p = c > 1 ? watts[c] : ms <= 700 ? w : later
                if (ms) sum[c] += p * 10000
                printf "%.0f,%.0f,%d,%.0f\n", 1e9 + ms * 1e6, 1e9 + ms * 1e6 + 2000, c - 1, sum[c] % (range + 1)
            }
    }'
}
trace 20 20 999999999 >steady.trace
trace 20 60 999999999 >rising.trace
trace 20 20 3000000 >wraps.trace
replay=(--power replay --power-trace)
check "required energy that is there: the command's code" [ "$(status_of "$program" power measure "${replay[@]}" steady.trace --idle 0.3 -r 3 --require-energy --json -o cost.json -- sleep 0.4)" -eq 0 ]
python3 - <<'PY' >out 2>&1
import json
d = json.load(open("cost.json"))
e = d["energy"]
assert d["meter"]["class"] == "replayed" == e["class"] and e["gross_uj"]["n"] == 3
for r in d["runs"]:  # 23 W in the cover
    g = r["energy"]; w = g["window_ns"]
    assert g["class"] == "replayed", g["reason"]
    assert g["lower_uj"] <= 23e-3 * w <= g["upper_uj"], g
    assert g["upper_uj"] - g["lower_uj"] < 0.25 * g["uj"], g
    assert abs(r["net"]["uj"] - (g["uj"] - d["idle"]["used"]["uj"] * w / d["idle"]["used"]["window_ns"])) < 1
    assert r["net"]["lower_uj"] <= 0 <= r["net"]["upper_uj"]  # sleep does nothing above idle here
    assert r["time_ns"] >= 4e8
assert [p["label"] for p in d["parts"]] == ["package-0", "core-0", "dram-0"] and [p["summed"] for p in d["parts"]] == [True, False, True]
assert not d["idle"]["drift"]
assert abs(e["edp_js"]["mean"] - sum(r["energy"]["uj"] * r["time_ns"] for r in d["runs"]) / 3e15) < 1e-6
assert e["gross_uj"]["ci95"][0] <= e["gross_uj"]["mean"] <= e["gross_uj"]["ci95"][1]
assert abs(e["gross_w"]["mean"] - 23) < 1
assert d["energy_modelled"]["class"] == "none" and d["sampler"]["period_ns"] > 0
print("fine")
PY
with_python "its energy is that of the counters, net of idle" grep -qx fine out
"$program" power measure "${replay[@]}" steady.trace --idle 0.2 -- sleep 0.3 >out 2>err
check "as text: gross, net, idle, parts" [ "$(grep -cE '^  (energy  |net of idle|power|energy-delay|time|idle|source|sums|  package-0|  core-0 .*not summed: within its package|  dram-0)' err)" -eq 11 ]
"$program" power measure "${replay[@]}" rising.trace --idle 0.3 -- sleep 1 >out 2>err
check "idle that drifted is flagged" grep -q 'warning .*drifted' err
"$program" power measure "${replay[@]}" wraps.trace --idle 0 --json -o wraps.json -- sleep 0.6 >out 2>err
with_python "wraps are counted, and change nothing" python3 -c '
import json
d = json.load(open("wraps.json"))
assert 3 <= d["wraps"] <= 8 and abs(d["energy"]["gross_w"]["mean"] - 23) < 1'

awk -F, '/^[0-9]/ && $3 == 1 && $1 > 1300000000 { print $1 "," $2 "," $3 ",!EINVAL"; next } { print }' steady.trace >failing.trace
"$program" power watch "${replay[@]}" failing.trace -i 0.4 -n 3 >out 2>err
status=$?
check "a channel that fails says why, the others go on" [ $status -eq 0 -a "$(grep -c ' total 23.*package-0 20.*core-0 none: .*dram-0 3' out)" -ge 2 ]

if [ "$(nproc)" -gt 1 ] && [ "$(taskset -pc $$ | sed 's/.*: //')" != 0 ] && taskset -c 0 true 2>/dev/null; then
    taskset -c 0 "$program" power measure "${replay[@]}" steady.trace --idle 0 --json -o pinned.json -- sleep 0.2 >out 2>err
    with_python "the sampler keeps off the CPUs that are measured" python3 -c 'import json; assert json.load(open("pinned.json"))["sampler"]["cpu"] > 0'
else
    skip "the sampler's CPU: there is only one"
fi

mkdir -p tree && tree_on "$PWD/tree"
root=(--power-root "$PWD/tree")
"$program" power list "${root[@]}" --json >list.json 2>err
"$program" power probe "${root[@]}" --json >probe.json 2>err
"$program" power limits "${root[@]}" --json >limits.json 2>err
"$program" power measure --idle 0 --power none --json -o none.json -- true
"$program" power watch "${root[@]}" -i 0.2 -n 3 --json >watch.jsonl 2>err
status=$?
check "watch ends after its count" [ $status -eq 0 -a "$(wc -l <watch.jsonl)" -eq 4 ]
env --default-signal=INT "$program" power watch "${root[@]}" -i 0.2 >out 2>err &
pid=$!
for _ in $(seq 100); do [ "$(grep -c ' total ' out)" -ge 2 ] && break; sleep 0.1; done
kill -INT $pid; wait $pid
status=$?
check "Ctrl-C ends watch with 0 and a summary" [ $status -eq 0 -a "$(tail -n 1 out | cut -c 1-3)" = 'in ' ]
check "a line an interval" [ "$(grep -c '^[0-9.]* s  total ' out)" -ge 2 ]
env --default-signal=INT "$program" power record "${root[@]}" -o one.trace -i 0.02 --json >record.json 2>err &
pid=$!
for _ in $(seq 100); do grep -q '^[0-9]' one.trace 2>/dev/null && break; sleep 0.1; done # written once a second
kill -INT $pid; wait $pid
status=$?
check "Ctrl-C ends record with 0 and a whole trace" [ $status -eq 0 -a "$(grep -c '^[0-9]' one.trace)" -ge 30 ]
check "which replay reads" [ "$(status_of "$program" power list --power replay --power-trace one.trace)" -eq 0 ]
check "record writes over nothing" [ "$(status_of "$program" power record "${root[@]}" -o one.trace -d 0.1)" -eq 4 ]
check "but with --force" [ "$(status_of "$program" power record "${root[@]}" -o one.trace -d 0.1 --force)" -eq 0 ]
check "record around a command hands on its code" [ "$(status_of "$program" power record "${root[@]}" -o two.trace -i 0.02 -- sh -c 'sleep 0.2; exit 6')" -eq 6 ]
check "record of a full disk: 4" [ "$(status_of "$program" power record "${root[@]}" -f -o /dev/full -d 0.1)" -eq 4 ]
"$program" power record "${root[@]}" -o closed.trace -d 0.2 0<&- >&- 2>&-
check "with stdout and stderr closed nothing of theirs gets into the trace" [ "$(grep -c recorded closed.trace)" -eq 0 -a "$(grep -c '^[0-9]' closed.trace)" -ge 2 ]
"$program" power measure --power none --idle 0 -o report -- sh -c 'ls /proc/self/fd >list' 0<&- >&- 2>&-
sh -c 'ls /proc/self/fd >plain' 0<&- >&- 2>&-
check "and a command finds them closed" cmp -s list plain
tree_off "$PWD/tree"
check "watch without a sensor: 4" [ "$(status_of "$program" power watch --power none)" -eq 4 ]
check "record without a sensor: 4, and no file" [ "$(status_of "$program" power record --power none -o three.trace)" -eq 4 -a ! -e three.trace ]

if python3 -c 'from jsonschema import Draft202012Validator' 2>/dev/null; then
    python3 - "$source_tree/docs/schema/power.schema.json" <<'PY' >out 2>&1
import copy, json, sys
from jsonschema import Draft202012Validator as V
s = json.load(open(sys.argv[1])); V.check_schema(s); v = V(s)
docs = [json.load(open(f + ".json")) for f in ("list", "probe", "limits", "cost", "wraps", "none", "record")] + [json.loads(l) for l in open("watch.jsonl")]
for d in docs:
    e = list(v.iter_errors(d))
    assert not e, (d["kind"], [(list(c.path), c.message) for c in e[0].context if not str(c.message).startswith("'" + d["kind"])][:3])
def bad(change):
    x = copy.deepcopy(docs[3]); change(x); assert next(v.iter_errors(x), None), "a broken document passed"
bad(lambda x: x.update(extra=1))
bad(lambda x: x.pop("wraps"))
bad(lambda x: x["energy"].update({"class": "modelled"}))
bad(lambda x: x["runs"][0]["energy"].update({"class": "none"}))
bad(lambda x: x["idle"]["used"].update({"class": "none", "uj": 0}))
print("fine")
PY
    check "documents are as docs/schema/power.schema.json says" grep -qx fine out
else
    skip "docs/schema/power.schema.json: python3 with jsonschema is not installed"
fi
