#!/bin/sh
# Runs inside the emulated kernel, as root, under busybox. Each check is one line: "ok - ...", "not ok - ...", "skip - ...".
# 20 W and 3 W of memory are the model's powers (jb_energy.c); a second package draws half of it.
energy=/sys/module/jb_energy/parameters
limit=/sys/class/powercap/intel-rapl:0/constraint_0_power_limit_uw
trust=--trust-guest-rapl
cd /tmp

at() { read -r uptime idle </proc/uptime && echo "note - $uptime s: $1"; }
set_to() { echo "$2" >"$energy/$1"; }
load() { insmod "/modules/$1.ko" $2 $3 $4 || echo "not ok - $1 does not load"; }
unload() { for m; do rmmod "$m" || echo "not ok - $m does not unload"; done; }

# says TEXT PATTERN COMMAND...: the command's output has the pattern; it is shown when not.
says() {
    text=$1 pattern=$2
    shift 2
    "$@" >says.out 2>&1
    if grep -qE -e "$pattern" says.out; then echo "ok - $text"; else
        echo "not ok - $text: /$pattern/ is not in"
        tail -n 12 says.out | cut -c 1-300 | sed 's/^/  | /'
    fi
}
# equals TEXT EXPECTED FOUND
equals() { if [ "$2" = "$3" ]; then echo "ok - $1: $3"; else echo "not ok - $1: $3, not $2"; fi; }
# measure SOURCE COMMAND...: into m.json
measure() {
    source=$1
    shift
    joulebench power measure --json -o m.json --idle 0 --max-power-w 60 --power "$source" $trust -- "$@" || echo "not ok - measure ends with status $?"
}

one_counter_three_ways() {
    set_to frozen 1
    agree inject 5000000000 perf papi powercap
    set_to frozen 0
}

known_power() {
    for s in perf papi powercap auto; do
        measure $s sleep 1
        judge holds m.json "$1" "$2, $s"
    done
}

probes() {
    says "probe: perf is measured when vouched for" '^ *perf +available, measured' joulebench power probe $trust
    says "probe: papi" '^ *papi +available, measured' joulebench power probe $trust
    says "probe: powercap" '^ *powercap +available, measured' joulebench power probe $trust
    says "probe: unvouched for, a guest's RAPL is modelled" '^ *perf +available, modelled' joulebench power probe
    says "list: the disjoint cover" 'package-0 dram-0 package-1 dram-1' joulebench power list $trust
    says "doctor has the probe" 'power/events|event_source/devices/power' joulebench doctor
    echo 2 >/proc/sys/kernel/perf_event_paranoid
    says "another user: perf names the setting" 'perf_event_paranoid is 2' su nobody -s /bin/sh -c "joulebench power probe $trust"
    says "another user: perf's fix" 'sysctl kernel.perf_event_paranoid=0' su nobody -s /bin/sh -c "joulebench power probe $trust"
    says "another user: powercap's mode bits" 'energy_uj.*-r--------' su nobody -s /bin/sh -c "joulebench power probe $trust"
    says "another user: --require-energy refuses" 'status 13' su nobody -s /bin/sh -c "joulebench power measure --require-energy $trust -- touch started; echo status \$?"
    equals "refused before it started" no "$([ -e started ] && echo yes || echo no)"
    echo 0 >/proc/sys/kernel/perf_event_paranoid
}

unvouched() {
    joulebench power measure --json -o m.json --idle 0 --power perf -- sleep 0.2
    judge none m.json hypervisor "a guest's RAPL is no energy"
    says "it stands apart" '"energy_modelled": *\{[^}]*"class": *"modelled"' tr -d '\n' <m.json
}

failures() {
    measure powercap sh -c "echo 5 >$energy/fail; sleep 0.3; echo 0 >$energy/fail"
    judge holds m.json 34.5 "a failure that nobody saw does no harm"
    measure powercap sh -c "sleep 0.2; echo 5 >$energy/fail; sleep 0.2"
    judge none m.json "driver failed to read" "EIO in the driver fails the window (the class makes EINVAL of it)"
    set_to fail 0
    measure powercap sh -c "sleep 0.2; echo 1 >$energy/frozen; sleep 2"
    judge none m.json "frozen" "frozen counters fail the window"
    set_to frozen 0
    measure powercap sh -c "sleep 0.2; echo 9000000000 >$energy/inject_uj"
    judge none m.json "" "more than was possible fails the window"
}

# The whole plan, every cell of it; emulation is some fifty times slower than the plan expects.
sweep() {
    joulebench sweep /usr/share/joulebench/plans/smoke.json --power "$1" $trust -o "sweep.$1" \
        --set 'percentiles=[0.5]' --set accuracy_samples=100 --set block_ms=100 --set max_seconds=20 --set energy_half_width=0.2 >sweep.out 2>&1 ||
        { echo "  | the sweep ended with status $?"; tail -n 5 sweep.out | sed 's/^/  | /'; }
    judge measured "sweep.$1/results.json" "a whole smoke sweep, $1"
}

# Until the limit has been set, ten seconds at most.
limit_in_force() {
    tries=0
    while [ "$(cat $limit)" != 12000000 ] && [ $tries -lt 100 ]; do
        usleep 100000
        tries=$((tries + 1))
    done
    equals "$1" 12000000 "$(cat $limit)"
}

limits() {
    before=$(cat $limit)
    says "limits: listed" 'package-0.*long_term.*125 W' joulebench power limits list
    says "limits: held while a command runs" '^12000000$' joulebench power limits set 12 --zone package-0 -- cat $limit
    equals "limits: put back after it" "$before" "$(cat $limit)"
    joulebench power limits set 12 --zone package-0 -- joulebench power measure --json -o m.json --idle 0 --max-power-w 60 --power powercap $trust -- sleep 1 >says.out 2>&1
    judge holds m.json 26.5 "limits: 12 W are observed" # 12 + 3 and, unlimited, 10 + 1.5
    joulebench power limits set 12 --zone package-0 -- sleep 60 >says.out 2>&1 &
    limit_in_force "limits: in force"
    kill -KILL $!
    wait $! 2>says.out
    equals "limits: left behind by SIGKILL" 12000000 "$(cat $limit)"
    says "limits: restored from the state file" . joulebench power limits restore
    equals "limits: as before" "$before" "$(cat $limit)"
    joulebench power limits set 12 --zone package-0 -- sleep 60 >says.out 2>&1 &
    limit_in_force "limits: in force again"
    kill -TERM $! # (sh lets what it starts in the background ignore SIGINT)
    wait $! 2>says.out
    equals "limits: as before after SIGTERM" "$before" "$(cat $limit)"
    echo 1 >/sys/module/jb_zones/parameters/locked
    says "limits: locked by firmware is said" 'lock' joulebench power limits set 12 --zone package-0 -- true
    echo 0 >/sys/module/jb_zones/parameters/locked
    killall sleep 2>says.out
}

echo 0 >/proc/sys/kernel/perf_event_paranoid
at "the powercap class, two packages"
load jb_energy packages=2
load jb_zones
load jb_pmu
agree unit 61.035156 perf papi
one_counter_three_ways
at "probes"
probes
at "windows"
known_power 34.5 "two packages of known power"
unvouched
failures
at "limits"
limits
unload jb_pmu jb_zones jb_energy

at "the kernel's own driver, one package"
load iosf_mbi
load intel_rapl_common
load jb_energy start_uj=262074000000 # 70 J below 2^32 x 2^-14 J
load jb_pmu
load jb_msr
set_to package_mw 2000
one_counter_three_ways
unload jb_msr jb_pmu jb_energy
load jb_energy start_uj=262004000000 # 140 J below 2^32 x 2^-14 J: 7 s
load jb_msr
measure powercap sleep 8
judge wraps m.json "32 bits wrap within the window"
judge holds m.json 23 "and cost nothing"
load jb_pmu
known_power 23 "the real driver, known power"
at "a sweep"
sweep powercap
unload jb_msr jb_pmu jb_energy
at "done"
