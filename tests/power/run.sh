#!/bin/bash
# The program as it is on fabricated energy counters: below --power-root, and in a mount namespace where they are /sys/class/powercap.
#   run.sh [PROGRAM]      JB_TEST_TOOLS: directory of the built tools (default: tests/power/tools beside the program)
set -uo pipefail
cd "$(dirname "$0")/../.."
program=$(realpath "${1:-build/joulebench}")
tools=${JB_TEST_TOOLS:-$(dirname "$program")/tests/power/tools}
scratch=$(mktemp -d)
pids=()
end() {
    for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done
    chmod -R u+w "$scratch" 2>/dev/null
    rm -rf "$scratch"
}
trap end EXIT
chmod 755 "$scratch"
cd "$scratch" || exit 1
export LC_ALL=C TERM=dumb

passed=0 failed=0 skipped=0
ok() { echo "  ok    $1"; passed=$((passed + 1)); }
bad() { echo "  FAIL  $1"; tail -n 6 out err 2>/dev/null | sed 's/^/        | /'; failed=$((failed + 1)); }
skip() { echo "  skip  $1"; skipped=$((skipped + 1)); }
check() { local what=$1; shift; if "$@"; then ok "$what"; else bad "$what: $*"; fi; }
# What the last command left says this, or not.
says() { grep -qF -- "$1" out err; }
silent() { ! grep -qF -- "$1" out err; }

put() { mkdir -p "$(dirname "$1")" && printf '%s' "$2" >"$1"; }
zone() { # TREE/PATH NAME COUNTER [RANGE]
    put "$1/name" "$2"$'\n'
    put "$1/energy_uj" "$3"$'\n'
    put "$1/max_energy_range_uj" "${4:-262143328850}"$'\n'
}
channels() { "$program" power list --power powercap --power-root "$1" >out 2>err; status=$?; }
probe() { "$program" power probe --power-root "$1" >out 2>err; status=$?; }

# A tree that advances in the background; its directory is $1.
advance() {
    local pid
    pid=$("$tools/advance" "$@" -d) || { bad "advance $*"; return 1; }
    pids+=("$pid")
    last=$pid
}

measure() { # TREE SECONDS
    "$program" power measure --idle 0 --power powercap --power-root "$1" --json -o report.json -- sleep "$2" >out 2>err
    status=$?
    cat report.json >>out 2>/dev/null
}
json() { tr -d '\n' <report.json | sed 's/: */:/g; s/, */,/g'; }
watts() { # LEAST MOST: the mean lies between, and in its own bounds
    local figure
    figure=$(json | grep -o '"gross_w":{[^}]*}' | head -n 1)
    field() { sed -n "s/.*\"$1\":\([0-9.e+-]*\).*/\1/p" <<<"$figure"; }
    awk -v least="$1" -v most="$2" -v l="$(field lower)" -v m="$(field mean)" -v u="$(field upper)" 'BEGIN { exit !(m != "" && m + 0 >= least && m + 0 <= most && l <= m + 0 && m + 0 <= u) }'
}

# ---- static trees

zone one/intel-rapl/intel-rapl:0 package-0 1000
zone one/intel-rapl/intel-rapl:0/intel-rapl:0:0 core 500
zone one/intel-rapl/intel-rapl:0/intel-rapl:0:1 dram 200 65712999613
channels "$scratch/one"
check "one socket: package and dram are summed" says "package-0 dram-0"
check "one socket: core is left out" says "core-0 (within its package)"
check "off sysfs the class is replayed" says replayed

cp -r one two
zone two/intel-rapl/intel-rapl:1 package-1 7
zone two/intel-rapl/intel-rapl:2 psys 7
zone two/intel-rapl-mmio/intel-rapl-mmio:0 package-0 1000
channels "$scratch/two"
check "two sockets" says "package-0 dram-0 package-1"
check "psys spans all" says "psys (spans all)"
check "mmio is the same counter" says "package-0/mmio (the same counter as the package)"

put scmi/arm-scmi/arm-scmi:0/name $'soc\n'
put scmi/arm-scmi/arm-scmi:0/power_uw $'7000000\n'
channels "$scratch/scmi"
check "scmi without a counter shows power" says power
check "scmi in a fabricated tree is replayed" says replayed

cp -r one peak
put peak/intel-rapl/intel-rapl:0/constraint_0_name $'long_term\n'
put peak/intel-rapl/intel-rapl:0/constraint_0_power_limit_uw $'15000000\n'
put peak/intel-rapl/intel-rapl:0/constraint_2_name $'peak_power\n'
put peak/intel-rapl/intel-rapl:0/constraint_2_power_limit_uw $'100000000\n'
channels "$scratch/peak"
check "a peak_power constraint counts for the ceiling" says "400 W"

for i in $(seq 0 16); do zone "hex/intel-rapl/intel-rapl:$(printf %x "$i")" "package-$i" "$i"; done
channels "$scratch/hex"
check "hex zone ids, by number" says "package-9 package-10 package-11"
check "all of them" says "package-16"

cp -r one empty
: >empty/intel-rapl/intel-rapl:0/energy_uj
probe "$scratch/empty"
check "an empty counter (ENODATA) is said to be empty" says "its counter is empty"
cp -r one garbage
put garbage/intel-rapl/intel-rapl:0/energy_uj $'many\n'
probe "$scratch/garbage"
check "garbage (EINVAL) is said to be no number" says "not a number"

probe /etc/passwd
check "a root that is a file" says "Not a directory"
ln -s loop loop
probe "$scratch/loop"
check "a root that is a loop" says "symbolic links"
probe "$scratch/nowhere"
check "a root that is not there" says "No such file"

for i in $(seq 0 999); do zone "thousand/intel-rapl/intel-rapl:$(printf %x "$i")" "package-$i" "$i"; done
probe "$scratch/thousand"
check "a thousand zones: refused, not cut" says "more than"

mkdir -p odd/intel-rapl
zone odd/intel-rapl/intel-rapl:0 $'pack\e[31mage\a\xff' 5
"$program" power list --power powercap --power-root "$scratch/odd" --json >out 2>err
check "odd bytes in a name: no escape reaches the terminal" silent $'\e'
"$program" power list --power powercap --power-root "$scratch/odd" >out 2>err
check "nor the table" silent $'\e'

if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null && setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null; then
    cp -r one denied
    chmod 0400 denied/intel-rapl/intel-rapl:0/energy_uj denied/intel-rapl/intel-rapl:0/intel-rapl:0:?/energy_uj
    cp "$program" joulebench
    chmod 755 joulebench
    setpriv --reuid=65534 --regid=65534 --clear-groups ./joulebench power probe --power-root "$scratch/denied" >out 2>err
    check "0400 counters as another user: denied" says "permission denied"
    check "with their mode" says "-r--------"
    check "and what unlocks them" says "chmod a+r"
    setpriv --reuid=65534 --regid=65534 --clear-groups ./joulebench power measure --idle 0 --power-root "$scratch/denied" --require-energy -- touch "$scratch/ran" >out 2>err
    status=$?
    check "--require-energy refuses with 13" [ $status -eq 13 ]
    check "before anything ran" [ ! -e ran ]
else
    skip "0400 counters as another user: this user cannot become another"
fi

# ---- counters that advance

if [ ! -x "$tools/advance" ]; then
    skip "counters that advance: $tools/advance is not built (make tests)"
else
    advance "$scratch/live" -w 20
    measure "$scratch/live" 0.4
    check "20 W and 4 W of dram: 24 W" watts 22.5 25.5
    check "measure passes the status on" [ $status -eq 0 ]
    advance "$scratch/wraps" -w 40 -r 20000000 -c
    "$program" power measure --idle 0 --power powercap --power-root "$scratch/wraps" --max-power-w 60 --json -o report.json -- sleep 1.6 >out 2>err
    cat report.json >>out
    check "a counter that wraps every half a second: 40 W" watts 38 42
    wraps=$(json | grep -o '"wraps":[0-9]*' | head -n 1 | cut -d: -f2)
    check "three wraps or four: $wraps" [ "${wraps:-0}" -ge 3 ]
    advance "$scratch/mirrors" -n 2 -M -w 20
    channels "$scratch/mirrors"
    check "two packages that show one counter" says "package-1 (the same counter as another package)"
    measure "$scratch/mirrors" 0.4
    check "are counted once (and the dram of the second belongs to it)" watts 22.5 25.5
    advance "$scratch/pair" -n 2 -P -m -w 10:30
    measure "$scratch/pair" 0.4
    check "two packages that do not: both" says "package-0 dram-0 package-1 dram-1"

    advance "$scratch/vanish" -w 20
    (sleep 0.5; kill "$last"; rm -r "$scratch/vanish/intel-rapl/intel-rapl:0") &
    measure "$scratch/vanish" 1
    wait $!
    check "zones that vanish: none, with the reason" says "vanished"
    check "and the command ran" [ $status -eq 0 ]

    advance "$scratch/frozen" -w 20
    (sleep 0.5; kill "$last") &
    measure "$scratch/frozen" 1
    wait $!
    check "a counter that freezes: none" says '"none"'
    check "with the reason" grep -qE "frozen|has not moved" out
fi

# ---- where it looks of itself: /sys/class/powercap, in a mount namespace

# Prints nothing and runs its arguments where /sys/class/powercap is the tree $1.
cat >inside <<'INSIDE'
set -e
tree=$1; shift
if [ -d /sys/class/powercap ]; then
    mount --bind "$tree" /sys/class/powercap
else # a directory cannot be made in sysfs: its parent is built anew from what is there
    hold=$(mktemp -d)
    mount --rbind /sys/class "$hold"
    mount -t tmpfs -o mode=755 fabricated /sys/class
    for entry in "$hold"/*; do
        mkdir "/sys/class/${entry##*/}"
        mount --rbind "$entry" "/sys/class/${entry##*/}"
    done
    mkdir /sys/class/powercap
    umount -l "$hold"
    rmdir "$hold"
    mount --bind "$tree" /sys/class/powercap
fi
exec "$@"
INSIDE
namespace=()
for how in "unshare -m" "unshare -Urm"; do
    if $how bash inside "$scratch/one" true 2>why; then read -ra namespace <<<"$how"; break; fi
done
if [ ${#namespace[@]} -eq 0 ]; then
    skip "in a mount namespace: $(tail -n 1 why)"
else
    inside() { local tree=$1; shift; "${namespace[@]}" bash inside "$scratch/$tree" "$@" >out 2>err; status=$?; }
    inside one "$program" power list --power powercap
    check "in a namespace (${namespace[*]}): the tree through libpowercap" says "package-0 dram-0"
    check "is no sysfs: replayed" says replayed
    inside hex "$program" power list --power powercap
    check "in a namespace: hex zone ids" says "package-9 package-10 package-11"
    inside two "$program" power list --power powercap
    check "in a namespace: psys and mmio" says "psys (spans all), package-0/mmio (the same counter as the package)"
    inside scmi "$program" power list --power powercap
    check "in a namespace: scmi" says power
    inside peak "$program" power list --power powercap
    check "in a namespace: peak_power" says "400 W"
    inside empty "$program" power probe
    check "in a namespace: an empty counter" says "its counter is empty"
    inside thousand "$program" power probe
    check "in a namespace: a thousand zones" says "more than"
    inside one "$program" doctor
    check "in a namespace: doctor" says powercap
    if [ -x "$tools/advance" ]; then
        inside live "$program" power measure --idle 0 --power powercap --json -o "$scratch/report.json" -- sleep 0.4
        check "in a namespace: 24 W" watts 22.5 25.5
        inside mirrors "$program" power list --power powercap
        check "in a namespace: mirrors" says "package-1 (the same counter as another package)"
        inside live "$program" power watch --power powercap --help
    fi
    if [ -x "$tools/fuse_powercap" ] && [ -r /dev/fuse ] && mkdir mounted && { "$tools/fuse_powercap" "$scratch/mounted" -w 20 -r 20000000 2>why & pids+=($!); } && sleep 0.5 && [ -e mounted/intel-rapl ]; then
        inside mounted "$program" power measure --idle 0 --power powercap --max-power-w 60 --json -o "$scratch/report.json" -- sleep 1
        check "in a namespace: a file system that computes its counters, 24 W" watts 22.5 25.5
        kill "${pids[-1]}"
        wait "${pids[-1]}" 2>/dev/null
    else
        skip "in a namespace: a file system that computes its counters: fuse_powercap is not built or /dev/fuse not usable"
    fi
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
