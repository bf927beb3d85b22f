#!/bin/sh
# Runs inside the emulated kernel, as root, under busybox. Each check is one line: "ok - ...", "not ok - ...", "skip - ...".
energy=/sys/module/jb_energy/parameters
zones=/sys/class/powercap
trust=--trust-guest-rapl

set_to() { echo "$2" >"$energy/$1"; }

# check TEXT COMMAND...: its output is shown when it fails.
check() {
    text=$1
    shift
    if "$@" >/tmp/check.out 2>&1; then echo "ok - $text"; else
        echo "not ok - $text (status $?)"
        tail -n 15 /tmp/check.out | sed 's/^/  | /'
    fi
}

load() { insmod "/modules/$1.ko" $2 $3 $4 || echo "not ok - $1 does not load"; }
unload() { for m; do rmmod "$m" || echo "not ok - $m does not unload"; done; }

echo 0 >/proc/sys/kernel/perf_event_paranoid

# One counter, three ways: frozen, with joules injected.
load jb_energy packages=2
load jb_zones
load jb_pmu
agree unit 61.035156 perf papi
set_to frozen 1
agree inject 5000000000 perf papi powercap
set_to frozen 0
unload jb_pmu jb_zones jb_energy

# The kernel's own driver, with its own units.
load iosf_mbi
load intel_rapl_common
load jb_energy
load jb_pmu
load jb_msr
set_to frozen 1
agree inject 5000000000 perf papi powercap
set_to frozen 0
unload jb_msr jb_pmu jb_energy
