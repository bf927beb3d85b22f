# What only whole processes show of language models: Ctrl-C in mid-text, text in files of logits, models that do not fit. Read by run.sh.
"$program" synth -o words.gguf --kind llama --layers 6 --width 256 --context 100000 --type q8_0 --exits 2,4 --exits-out words-exits.gguf >/dev/null || bad "a language model is made"

# Writes until it is stopped; 2 s are more than enough for the first tokens, and less than 100,000 take.
for signal in INT:130 TERM:143; do
    env --default-signal=INT "$program" complete words.gguf --exits words-exits.gguf --policy gate -t 0.5 -p 'Call me' -n 90000 --past-end >out 2>err &
    pid=$!
    for _ in $(seq 100); do [ -s out ] && break; sleep 0.1; done
    kill -s "${signal%:*}" $pid
    wait $pid
    status=$?
    check "SIG${signal%:*} in mid-text ends with ${signal#*:}" [ $status -eq "${signal#*:}" ]
    check "what was written is there" [ -s out ]
    check "and what it cost" grep -q '^cost of tokens' err
    check "and that it was interrupted" grep -q '^tokens.*interrupted' err
done
for _ in $(seq 4000); do echo "The quick brown fox jumps over the lazy dog, and on it goes."; done >fox.txt
env --default-signal=INT "$program" perplexity words.gguf -f fox.txt --logits logits.bin >out 2>err &
pid=$!
for _ in $(seq 100); do [ -s out ] && break; sleep 0.1; done
kill -INT $pid
wait $pid
status=$?
check "Ctrl-C ends a perplexity with 130" [ $status -eq 130 ]
check "and leaves no half a file" [ ! -e logits.bin ]

"$program" perplexity words.gguf -f fox.txt --ctx 64 --chunks 2 --logits logits.bin >out 2>err
check "logits are scored positions x vocabulary" [ "$(stat -c %s logits.bin)" -eq $((2 * 31 * 320 * 4)) ]
one=$("$program" perplexity words.gguf -f fox.txt --ctx 64 --chunks 3 --exits words-exits.gguf --policy gate -t 0.5 --json --batch 1 | grep -E 'ppl|digest|agreement')
two=$("$program" perplexity words.gguf -f fox.txt --ctx 64 --chunks 3 --exits words-exits.gguf --policy gate -t 0.5 --json --batch 50 --threads 2 | grep -E 'ppl|digest|agreement')
check "figures do not depend on batches and threads" [ -n "$one" -a "$one" = "$two" ]
exact=$("$program" complete words.gguf --exits words-exits.gguf --policy fixed -s k=2 -p 'Call me' -n 30 2>err)
check "the last exit is the full model" [ "$exact" = "$("$program" complete words.gguf -p 'Call me' -n 30 2>err)" ]
"$program" synth -o wide.gguf --kind llama --layers 256 --width 64 --heads 1 --kv-heads 1 --context 1048576 >/dev/null
"$program" complete wide.gguf -p 'Call me' --ctx 1048576 >out 2>err
status=$?
check "a context that does not fit is refused" [ $status -eq 2 -o $status -eq 4 ]
check "with the size that it needs" grep -qE '[0-9]' err
rm -f words*.gguf wide.gguf fox.txt logits.bin
