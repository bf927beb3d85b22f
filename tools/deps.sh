#!/bin/bash
# What joulebench needs from the system, and how to get it on Debian.
#   deps.sh --check-libs MODULE...   silent when pkg-config knows them all, else says what to run
#   deps.sh --install [models|all]   installs what is missing by apt (root or sudo), else prints the one command; "models" adds the client that `make models` uses,
#                                    "all" that, and what `make check` and `make check-kernel` use beyond the tests: clang, cross compiler, emulator
set -euo pipefail

build_packages=(gcc libc6-dev make pkg-config libcjson-dev zlib1g-dev libsodium-dev libpapi-dev libpowercap-dev libpcre2-dev libcmocka-dev gnuplot-nox)
models_packages=(python3-pip)
check_packages=(clang-14 libclang-rt-14-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross git python3 python3-jsonschema libfuse3-dev
    qemu-system-x86 busybox-static cpio libelf1)

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

# Prints those of the arguments that are not installed. Another package may provide the program: gnuplot has three.
missing() {
    local p
    for p in "$@"; do
        case $p in
        gcc | make | pkg-config | git | python3) command -v "$p" >/dev/null || echo "$p" ;;
        python3-pip) python3 -m pip --version >/dev/null 2>&1 || command -v pip3 pip >/dev/null || echo "$p" ;;
        gnuplot-nox) command -v gnuplot >/dev/null || echo "$p" ;;
        *) installed "$p" || echo "$p" ;;
        esac
    done
}

check_libs() {
    local m absent=()
    for m in "$@"; do pkg-config --exists "$m" 2>/dev/null || absent+=("$m"); done
    [ ${#absent[@]} -eq 0 ] && return 0
    echo "joulebench: missing libraries (pkg-config): ${absent[*]}; run: make deps" >&2
    return 1
}

install_packages() {
    local want=("${build_packages[@]}")
    case ${1:-} in
    "") ;;
    models) want+=("${models_packages[@]}") ;;
    all) want+=("${models_packages[@]}" "${check_packages[@]}") ;;
    *) echo "make deps: DEPS is \"models\" or \"all\", not \"$1\"" >&2 && return 1 ;;
    esac
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "make deps: this is no Debian-like system; see docs/dependencies.md for what to install" >&2
        return 1
    fi
    local lacking
    mapfile -t lacking < <(missing "${want[@]}")
    if [ ${#lacking[@]} -eq 0 ]; then
        echo "deps: nothing missing"
        return 0
    fi
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
            as_root=(sudo)
        else
            echo "make deps: not root and no usable sudo. Run this as root:" >&2
            echo "  apt-get update && apt-get install -y --no-install-recommends ${lacking[*]}" >&2
            return 1
        fi
    fi
    echo "deps: installing ${lacking[*]}"
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${lacking[@]}"
}

case ${1:-} in
--check-libs) shift && check_libs "$@" ;;
--install) shift && install_packages "$@" ;;
*) echo "usage: deps.sh --check-libs MODULE... | --install [models|all]" >&2 && exit 1 ;;
esac
