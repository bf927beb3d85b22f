#!/bin/bash
# Are joulebench's answers those of llama.cpp, and as near to the exact ones? Token ids, perplexity, argmax and KL against an f32 run, and whether logits depend on threads and batches.
#   LLAMA_BUILD=/path/to/llama.cpp/build tests/llm/answers.sh OUT MODEL.gguf...
#   LLAMA_SOURCE (LLAMA_BUILD's parent: its headers)   PYTHON (python3; with torch, numpy, gguf for the f32 run)   JOULEBENCH (build/joulebench)
#   CHUNKS (40: windows of 512 tokens for the perplexity)   WINDOWS (24: for the f32 run; 150 MB of logits a window, three times over)   THREADS (all CPUs)
#   SECTIONS ("tokens perplexity reference independence")
# OUT gets what each program printed (OUT/raw) and table.md. Nothing of llama.cpp is built; tests/peers/llama_logits.c is compiled against its libraries.
# Exit codes: 0 all as it should be, 1 wrong use, 2 an answer is not, 77 all that could be done is, but something was missing (said).
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -ge 2 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 1; }
export JOULEBENCH=${JOULEBENCH:-build/joulebench} LLAMA_BUILD=${LLAMA_BUILD:-} PYTHON=${PYTHON:-python3}
export LLAMA_SOURCE=${LLAMA_SOURCE:-${LLAMA_BUILD:+$(dirname "$LLAMA_BUILD")}}
[ -x "$JOULEBENCH" ] || { echo "answers.sh: $JOULEBENCH is not there (make)" >&2; exit 1; }
exec python3 tests/llm/answers.py "$@"
