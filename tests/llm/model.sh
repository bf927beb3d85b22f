#!/bin/bash
# The real language model, where the cache has it: that it answers as it did when it was compared with llama.cpp, and that nothing it does depends on threads, batches or kernels.
#   model.sh [PROGRAM]      exit code 77: the model is not in the cache (make models)
# Stored values are llama.cpp's, commit c392e50 (February 2025), AVX-512 build by gcc 12, on SmolLM2-135M-Instruct.Q4_1.gguf as models.tsv has it:
#   texts/kinds.ids      llama-tokenize -m MODEL -f texts/kinds.txt --ids --no-escape
#   perplexity           llama-perplexity -m MODEL -f texts/passage.txt -c 512 -b 512 --chunks 3      (passage.txt: the beginning of Moby-Dick, chapter 81, of the test split)
# tests/llm/answers.sh compares at length, with a llama.cpp that is there.
set -uo pipefail
cd "$(dirname "$0")/../.."
program=${1:-${JOULEBENCH:-build/joulebench}}
texts=tests/llm/texts
LLAMA_PPL=63.1286

workloads/llm/models.sh --check >/dev/null 2>&1 || { echo "skipped: the language model is not in the cache (make models)"; exit 77; }
model=$(workloads/llm/models.sh --path SmolLM2-135M-Instruct.Q4_1.gguf)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

passed=0 failed=0
took() { awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", b - a }'; }
check() { # WHAT COMMAND...
    local what=$1 started=$EPOCHREALTIME
    shift
    if "$@" >"$scratch/log" 2>&1; then
        echo "  ok    $what ($(took))"
        passed=$((passed + 1))
    else
        echo "  FAIL  $what ($(took))"
        tail -n 20 "$scratch/log" | sed 's/^/        | /'
        failed=$((failed + 1))
    fi
}
key() { sed -n "s/^ *\"$1\": \"\{0,1\}\([^\",]*\).*/\1/p" | head -n 1; }
within() { awk -v a="$1" -v b="$2" -v most="$3" 'BEGIN { d = (a - b) / b; d = d < 0 ? -d : d; printf "%s beside %s: %.4f\n", a, b, d; exit !(a > 0 && d <= most) }'; }

ids() { "$program" tokenize "$model" -f $texts/kinds.txt --ids | diff - <(tr ' ' '\n' <$texts/kinds.ids); }

perplexity() { # OPTIONS...: sets ppl
    ppl=$("$program" perplexity "$model" -f $texts/passage.txt --chunks 3 --json "$@" | key ppl)
}
ppl_is_llamas() { perplexity --threads 2 && within "$ppl" "$LLAMA_PPL" 0.005; }
ppl_of_int8() { perplexity --threads 2 && local f16=$ppl && perplexity --threads 2 --kv int8 && [ "$ppl" != "$f16" ] && within "$ppl" "$f16" 0.01; }

# The same bytes for every way to compute them.
logits() { # OPTIONS...
    "$program" perplexity "$model" -f $texts/passage.txt --ctx 96 --chunks 1 --logits "$scratch/logits" "$@" >/dev/null && sha256sum <"$scratch/logits"
}
same_logits() {
    local first how
    first=$(logits) || return 1
    for how in "--threads 2" "--threads 3 --batch 7" "--batch 1"; do
        # shellcheck disable=SC2086
        [ "$(logits $how)" = "$first" ] || { echo "other logits with $how"; return 1; }
    done
    if "$program" doctor | grep -qE '^tier +(avx512|vnni)$'; then
        [ "$(JB_CPU=avx2 logits)" = "$first" ] || { echo "other logits with JB_CPU=avx2"; return 1; }
    fi
}

text_of() { "$program" complete "$model" --chat -p "Why is the sea salt?" -n 24 --json "$@" | grep -E '"(digest|text)"'; }
same_text() {
    local first how
    first=$(text_of) && grep -q salt <<<"$first" || { echo "odd text: $first"; return 1; }
    for how in "--threads 2" "--threads 3 --batch 5" "--batch 1 --ctx 256"; do
        # shellcheck disable=SC2086
        [ "$(text_of $how)" = "$first" ] || { echo "another text with $how"; return 1; }
    done
}

verify_bits() { "$program" verify-cost "$model" --rounds 1 --context 40 --threads 2; }
too_long() { ! "$program" complete "$model" -f $texts/passage.txt --ctx 512 -n 1; }

# plans/llm.json, of which little is left, on any machine however busy.
any_machine='{"max_other_cpu":1,"max_steal":1,"max_involuntary_per_s":1e9,"max_reference_drift":1e6,"max_freq_change":100,"throttling":true,"swap":true}'
shrink=(--set 'workloads=[{"name":"prose","params":{"bytes":64}},{"name":"cloze"},{"name":"decode","params":{"n":4}}]' --set 'policies=[{"name":"final"},{"name":"gate","threshold":[0.5]},{"name":"final","kv":"int8"}]'
    --set threads=1 --set 'percentiles=[0.5]' --set repetitions=2 --set block_ms=60 --set accuracy_samples=1 --set idle_ms=0 --set lead_in_ms=1 --set max_seconds=120 --set "validity=$any_machine" --only 'prose*')
sweep() {
    "$program" sweep plans/llm.json -o "$scratch/run" --no-plots "${shrink[@]}" || return 1
    grep -q '"exits"' "$scratch/run/results.json" && test -s "$scratch/run/report.html"
}
kills() { PLAN=plans/llm.json JOULEBENCH=$program MAX_MS=5000 tests/kill9.sh 2 "${shrink[@]}"; }

check "token ids of many kinds of text are llama.cpp's" ids
check "perplexity of three windows is within 0.5 % of llama.cpp's" ppl_is_llamas
check "keys and values as int8: another perplexity, within 1 %" ppl_of_int8
check "logits have the same bits for all threads, batches and kernels" same_logits
check "so has greedy text" same_text
check "passes of 1 to 16 positions have the bits of single steps" verify_bits
check "a prompt longer than the context is refused" too_long
check "a sweep of plans/llm.json, shrunk" sweep
check "kill -9 and resume of it" kills
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
