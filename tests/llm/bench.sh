#!/bin/bash
# Tokens a second, load and memory side by side with a llama.cpp that is given, never built: the same files, threads and CPUs, in turns.
#   LLAMA_BENCH=/path/to/llama-bench tests/llm/bench.sh OUT MODEL.gguf...
#   chrt -f 5 taskset -c 0,1 ... in front of it, where other work runs on the machine
#   ROUNDS (7)   THREADS ("1 2")   PROMPTS ("128 512")   GENERATE (64)   JOULEBENCH (build/joulebench)   ROOFLINE (build/tests/llm/tools/roofline)
#   LLAMA_CLI (llama-cli beside llama-bench; for load and memory)   PEER_PHASES ("pp tg": the phases in which this build of the peer answers right; see answers.sh)
# OUT gets what each program printed (OUT/raw), samples.tsv (one a line), environment.txt and table.md. tests/llm/bench.py says what is compared, and how.
# Exit codes: 1 usage, 4 something is missing or failed.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -ge 2 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 1; }
export JOULEBENCH=${JOULEBENCH:-build/joulebench} ROOFLINE=${ROOFLINE:-build/tests/llm/tools/roofline} LLAMA_BENCH=${LLAMA_BENCH:-}
export LLAMA_CLI=${LLAMA_CLI:-${LLAMA_BENCH:+$(dirname "$LLAMA_BENCH")/llama-cli}}
for program in "$JOULEBENCH" "$ROOFLINE"; do [ -x "$program" ] || { echo "bench.sh: $program is not there (make build tests)" >&2; exit 4; }; done
[ -n "$LLAMA_BENCH" ] || echo "bench.sh: LLAMA_BENCH is not set: joulebench alone" >&2
for program in $LLAMA_BENCH $LLAMA_CLI; do [ -x "$program" ] || { echo "bench.sh: $program is no program" >&2; exit 4; }; done
exec python3 tests/llm/bench.py "$@"
