#!/bin/bash
# Boots a Debian kernel under emulation with the modules beside this script, and runs guest.sh inside.
#   boot.sh WORKDIR PREFIX PROGRAM...     PREFIX: an installed joulebench (bin, share); programs: those of agree.c and judge.c
# The last line is "N passed, N failed, N skipped". What is lacking here is "skipped: REASON" and status 0.
# The kernel comes from apt, is kept below WORKDIR and never installed. KERNEL_TIMEOUT: seconds for the
# guest (default 420). KERNEL_GUEST: another script than guest.sh.
set -euo pipefail

[ $# -ge 2 ] || { echo "usage: boot.sh WORKDIR PREFIX PROGRAM..." >&2 && exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
work=$(cd "$1" && pwd) prefix=$(cd "$2" && pwd)
shift 2
programs=("$@")

skip() {
    echo "skipped: $*"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}

need_programs() {
    local p
    [ "$(uname -m)" = x86_64 ] || skip "the emulated machine is x86_64, this one is $(uname -m)"
    for p in qemu-system-x86_64 busybox cpio apt-get dpkg-deb gcc make; do
        command -v "$p" >/dev/null || skip "$p is not installed (make deps DEPS=all)"
    done
    /sbin/ldconfig -p | grep 'libelf\.so\.1 ' >/dev/null || skip "libelf1 is not installed: the kernel's build needs it (make deps DEPS=all)"
}

# The newest kernel of this Debian, and headers of exactly its version.
find_version() {
    image=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    [ -n "$image" ] || skip "apt knows no linux-image-cloud-amd64 (apt-get update; Debian)"
    release=${image#linux-image-}
    version=$(apt-cache policy "$image" | sed -n 's/^ *Candidate: //p')
    headers=linux-headers-$release
    mapfile -t packages < <(printf '%s\n' "$image" "$headers" && apt-cache depends "$headers" | sed -n 's/^ *Depends: \(linux-\(headers\|kbuild\)-.*\)/\1/p')
    root=$work/$release-$version
}

download() {
    local p list=()
    for p in "${packages[@]}"; do list+=("$p=$version"); done
    (cd "$root.new" && apt-get -qq -o APT::Sandbox::User=root download "${list[@]}")
}

fetch() {
    [ -d "$root" ] && return
    rm -rf "$root.new" && mkdir -p "$root.new"
    if ! download 2>"$work/apt.log"; then # an old list names files that are gone
        apt-get update -qq 2>>"$work/apt.log" || true
        download 2>>"$work/apt.log" || skip "apt could not fetch $image $version and its headers: $(tail -n 1 "$work/apt.log")"
    fi
    local deb
    for deb in "$root.new"/linux-image-*.deb; do
        dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root.new" --wildcards './boot/vmlinuz-*' '*/intel_rapl_common.ko' '*/iosf_mbi.ko' && rm "$deb"
    done
    for deb in "$root.new"/*.deb; do dpkg-deb -x "$deb" "$root.new" && rm "$deb"; done
    sed -i "s#^include /usr/src/#include $root/usr/src/#" "$root.new/usr/src/$headers/Makefile"
    mv "$root.new" "$root"
}

build_modules() {
    rm -rf "$work/modules" && cp -r "$here/modules" "$work/modules"
    if ! env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u CC -u CFLAGS make -s -C "$root/usr/src/$headers" M="$work/modules" modules >"$work/modules.log" 2>&1; then
        cat "$work/modules.log"
        echo "the modules could not be built against $headers $version"
        exit 1
    fi
}

# A program with its libraries.
add_program() {
    local library
    install -D "$1" "$tree/usr/bin/$(basename "$1")"
    { ldd "$1" 2>/dev/null || true; } | { grep -oE '/[^ ]+' || true; } | while read -r library; do
        [ -e "$tree$library" ] || install -D "$(realpath "$library")" "$tree$library"
    done
}

build_initramfs() {
    tree=$work/tree
    rm -rf "$tree" && mkdir -p "$tree"/{bin,proc,sys,dev,tmp,modules,etc,usr/share}
    add_program "$(command -v busybox)"
    ln -s /usr/bin/busybox "$tree/bin/sh"
    add_program "$prefix/bin/joulebench"
    for program in "${programs[@]}"; do add_program "$program"; done
    cp -r "$prefix/share/joulebench" "$tree/usr/share/"
    find "$root/lib/modules" -name '*.ko' -exec cp {} "$tree/modules/" \;
    cp "$work/modules"/*.ko "$tree/modules/"
    cp "${KERNEL_GUEST:-$here/guest.sh}" "$tree/guest.sh"
    printf 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n' >"$tree/etc/passwd"
    cat >"$tree/init" <<'END'
#!/bin/sh
/usr/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin HOME=/tmp
mount -t proc proc /proc && mount -t sysfs sysfs /sys && mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp && chmod 1777 /tmp
sh /guest.sh
echo "guest ended with status $?"
poweroff -f
END
    chmod 755 "$tree/init"
    (cd "$tree" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initramfs.gz"
}

# Emulated throughout, never by KVM: a device node proves nothing, and the guest's kernel must see the processor that is named here.
boot() {
    timeout "${KERNEL_TIMEOUT:-420}" qemu-system-x86_64 -accel tcg,thread=multi -cpu Skylake-Server,-pcid -smp 2,sockets=2,cores=1,threads=1 -m 768 \
        -nodefaults -nographic -no-reboot -serial stdio -kernel "$root/boot/vmlinuz-$release" -initrd "$work/initramfs.gz" \
        -append "console=ttyS0 quiet loglevel=3 mitigations=off panic=-1" </dev/null 2>"$work/qemu.log" |
        sed -u 's/\r//g; s/\x1bc//g; s/\x1b\[[0-9;?]*[a-zA-Z]//g' >"$work/guest.log" || true
}

report() {
    local passed failed skipped
    grep -aE '^(ok|not ok|skip|note|  \|) ?' "$work/guest.log" || true
    passed=$(grep -acE '^ok ' "$work/guest.log" || true)
    failed=$(grep -acE '^not ok ' "$work/guest.log" || true)
    skipped=$(grep -acE '^skip ' "$work/guest.log" || true)
    if ! grep -aqx 'guest ended with status 0' "$work/guest.log"; then
        failed=$((failed + 1))
        echo "not ok - the guest did not come to its end:"
        { tail -n 20 "$work/guest.log" && grep -v "TCG doesn't support" "$work/qemu.log"; } | sed 's/^/  | /'
    fi
    echo "logs: $work/guest.log; Linux $release $version, emulated; $SECONDS s"
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

need_programs
find_version
fetch
build_modules
build_initramfs
boot
report
