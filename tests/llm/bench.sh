#!/bin/bash
# Tokens a second side by side with a llama.cpp that is given, never built: llama-bench and joulebench in turns, the same files, threads and CPUs.
#   LLAMA_BENCH=/path/to/llama-bench tests/llm/bench.sh OUT MODEL.gguf...
# A round is each model with each number of threads, by each program; which of them begins alternates from round to round, so that drift and neighbours fall on both.
# Threads are pinned to the first CPUs that this shell may use. OUT gets what each program printed (OUT/raw/<round>-<engine>-<model>-<threads>.json and .err), runs.tsv
# (one sample a line) and table.md: medians, quartiles, and the ratio of the medians.
#   ROUNDS (5)   THREADS ("1 2")   PROMPT (128)   GENERATE (64)   LLAMA_BENCH_ARGS   JOULEBENCH (build/joulebench)
# A peer may be given that answers right in one phase only (docs/language-models.md): PEER_PHASES="pp tg" says which of its phases count.
set -euo pipefail
cd "$(dirname "$0")/../.."

[ $# -ge 2 ] || { echo "usage: LLAMA_BENCH=... bench.sh OUT MODEL.gguf..." >&2; exit 1; }
out=$1 models=("${@:2}")
rounds=${ROUNDS:-5} threads=${THREADS:-1 2} prompt=${PROMPT:-128} generate=${GENERATE:-64}
program=${JOULEBENCH:-build/joulebench}
read -r -a bench_args <<<"${LLAMA_BENCH_ARGS:-}"
cpus=($(python3 -c 'import os; print(*sorted(os.sched_getaffinity(0)))'))
[ -z "${LLAMA_BENCH:-}" ] || [ -x "$LLAMA_BENCH" ] || { echo "bench.sh: LLAMA_BENCH=$LLAMA_BENCH is no program" >&2; exit 4; }
for m in "${models[@]}"; do [ -r "$m" ] || { echo "bench.sh: $m cannot be read" >&2; exit 4; }; done
mkdir -p "$out/raw"
: >"$out/runs.tsv"

# The first n CPUs that this shell may use.
pinned() { # THREADS COMMAND...
    local n=$1 list
    shift
    [ "$n" -le ${#cpus[@]} ] || { echo "bench.sh: $n threads on ${#cpus[@]} CPUs" >&2; return 1; }
    list=$(IFS=,; echo "${cpus[*]:0:n}")
    taskset -c "$list" "$@"
}

# Each engine prints its own JSON to $3.json; a line of samples is made of it by samples().
run_llama() { # MODEL THREADS RAW
    pinned "$2" "$LLAMA_BENCH" -m "$1" -p "$prompt" -n "$generate" -t "$2" -r 2 -o json "${bench_args[@]}" >"$3.json" 2>"$3.err"
}

# How joulebench is timed stands here once it has a language model: the same prompt length and number of tokens, a JSON with samples in tokens a second.
run_joulebench() { # MODEL THREADS RAW
    return 1
}
have_joulebench=0

# samples ENGINE MODEL THREADS RAW: engine, model, threads, phase, tokens/s; the engine's own account of what it ran is checked against what was asked for.
samples() {
    python3 - "$@" "$prompt" "$generate" >>"$out/runs.tsv" <<'PY'
import json, os, sys
engine, model, threads, raw, prompt, generate = sys.argv[1:]
with open(raw + ".json") as f:
    results = json.load(f)
seen = set()
for r in results:
    phase = f"pp{r['n_prompt']}" if r["n_prompt"] else f"tg{r['n_gen']}"
    if r["n_threads"] != int(threads):
        sys.exit(f"{raw}.json: {r['n_threads']} threads, not {threads}")
    for ts in r["samples_ts"]:
        print(engine, os.path.basename(model), threads, phase, f"{ts:.3f}", sep="\t")
    seen.add(phase)
if seen != {f"pp{prompt}", f"tg{generate}"}:
    sys.exit(f"{raw}.json: phases {sorted(seen)}, not pp{prompt} and tg{generate}")
PY
}

run() { # ENGINE ROUND MODEL THREADS
    local raw
    raw=$out/raw/$2-$1-$(basename "$3" .gguf)-$4
    "run_$1" "$3" "$4" "$raw" || { echo "bench.sh: $1 failed; see $raw.err" >&2; exit 4; }
    samples "$1" "$3" "$4" "$raw"
}

engines=()
if [ -n "${LLAMA_BENCH:-}" ]; then engines+=(llama); else echo "skipped: llama.cpp (LLAMA_BENCH is not set)"; fi
if [ $have_joulebench = 1 ] && [ -x "$program" ]; then engines+=(joulebench); else echo "skipped: joulebench (not timed yet)"; fi
[ ${#engines[@]} -gt 0 ] || { echo "bench.sh: nothing to run" >&2; exit 4; }

for ((round = 1; round <= rounds; round++)); do
    for m in "${models[@]}"; do
        for t in $threads; do
            for e in "${engines[@]}"; do run "$e" "$round" "$m" "$t"; done
        done
    done
    engines=($(printf '%s\n' "${engines[@]}" | tac))
done

python3 - "$out/runs.tsv" "${PEER_PHASES:-pp tg}" >"$out/table.md" <<'PY'
import collections, statistics, sys
samples = collections.defaultdict(lambda: collections.defaultdict(list))
for line in open(sys.argv[1]):
    engine, model, threads, phase, ts = line.rstrip("\n").split("\t")
    if engine == "llama" and phase[:2] not in sys.argv[2].split():
        continue
    samples[model, int(threads), phase][engine].append(float(ts))
def figure(values):
    if not values:
        return "-"
    q = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
    return f"{statistics.median(values):.1f} ({q[0]:.1f}..{q[2]:.1f})"
print("tokens/s: median (quartiles)\n")
print("| model | threads | phase | llama.cpp | joulebench | ratio |\n|---|---:|---|---:|---:|---:|")
for (model, threads, phase), by in sorted(samples.items()):
    ratio = f"{statistics.median(by['joulebench']) / statistics.median(by['llama']):.2f}" if by["llama"] and by["joulebench"] else "-"
    print(f"| {model} | {threads} | {phase} | {figure(by['llama'])} | {figure(by['joulebench'])} | {ratio} |")
PY
cat "$out/table.md"
