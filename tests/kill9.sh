#!/bin/bash
# N random kill -9 during a sweep, each resumed. At the end: the same cells as an undisturbed run has, every block there, none twice, none torn.
#   tests/kill9.sh [N] [SWEEP OPTION...]     PLAN=plans/smoke.json  JOULEBENCH=build/joulebench  MAX_MS=1500 (longest life of a run)  SEED=
set -euo pipefail
cd "$(dirname "$0")/.."
n=${1:-50} plan=${PLAN:-plans/smoke.json} bin=${JOULEBENCH:-build/joulebench} max_ms=${MAX_MS:-1500}
shift $(($# > 0))
options=(--no-plots "$@")
RANDOM=${SEED:-$$}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'echo "kill9: line $LINENO failed"' ERR

sweep() { "$bin" sweep "$plan" -o "$1" --resume "${options[@]}" >"$dir/log" 2>&1; }
cells() { sed -n 's/.*"kind":"cells","ids":\[\([^]]*\)\].*/\1/p;s/.*"ids":\[\([^]]*\)\],"kind":"cells".*/\1/p' "$1/journal.jsonl" | tail -n 1 | tr ',' '\n' | sort; }
# One line for each block in the journal: cell and repetition.
blocks() { sed -n 's/.*"kind":"block","cell":"\([0-9a-f]*\)","repetition":\([0-9]*\).*/\1 \2/p' "$1/journal.jsonl" | sort; }
fail() { echo "kill9: $*"; tail -n 5 "$dir/log"; exit 1; }

sweep "$dir/whole" || { status=$?; [ $status -eq 3 ] || fail "the undisturbed run ended with $status"; }
cells "$dir/whole" >"$dir/cells"
blocks "$dir/whole" >"$dir/blocks"
[ -s "$dir/blocks" ] || fail "the undisturbed run has no block"
[ -z "$(uniq -d "$dir/blocks")" ] || fail "a block twice in the undisturbed run"

check() {
    cmp -s "$dir/cells" <(cells "$1") || fail "other cells than the undisturbed run"
    [ -z "$(blocks "$1" | uniq -d)" ] || fail "a block was measured twice: $(blocks "$1" | uniq -d | head -n 1)"
    cmp -s "$dir/blocks" <(blocks "$1") || fail "blocks lost: $(diff "$dir/blocks" <(blocks "$1") | head -n 3)"
    # Reading it all again checks the journal's chain and every raw hash; a damaged cell would be failed.
    "$bin" report "$1" -o "$dir/report" --no-plots >"$dir/log" 2>&1 || [ $? -eq 3 ] || fail "the report cannot be made"
    ! grep -q "does not match\|do not match" "$dir/report"/* 2>/dev/null || fail "raw bytes do not match their hash"
}

killed=0 round=0 longest=0
while [ "$killed" -lt "$n" ]; do
    round=$((round + 1)) run=$dir/run$round done=0
    while [ "$killed" -lt "$n" ]; do
        "$bin" sweep "$plan" -o "$run" --resume "${options[@]}" >"$dir/log" 2>&1 &
        pid=$!
        ms=$((RANDOM % max_ms + 1))
        sleep "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
        if kill -9 $pid 2>/dev/null; then
            wait $pid 2>/dev/null && status=0 || status=$?
            [ $status -eq 137 ] || { [ $status -eq 0 ] || [ $status -eq 3 ] || fail "ended with $status before it could be killed"; done=1; break; }
            killed=$((killed + 1))
            have=0 # killed before there was a journal
            [ ! -s "$run/journal.jsonl" ] || have=$(blocks "$run" | wc -l)
            [ "$have" -ge "$longest" ] || fail "blocks were lost: $have, had $longest"
            longest=$have
        else
            wait $pid && status=0 || status=$?
            [ $status -eq 0 ] || [ $status -eq 3 ] || fail "ended with $status"
            done=1
            break
        fi
    done
    [ $done -eq 1 ] || sweep "$run" || [ $? -eq 3 ] || fail "the last resume failed"
    check "$run"
    longest=0
    rm -rf "$run"
done
echo "kill9: $killed kills over $round sweeps of $(wc -l <"$dir/cells") cells and $(wc -l <"$dir/blocks") blocks: same cells, no block lost, twice or torn"
