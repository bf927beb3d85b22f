# Live comparisons need whole processes. Read by run.sh.
printf '{"name": "before", "plan": "short.json", "only": "*int8 final"}' >before.json
printf '{"name": "after", "plan": "short.json", "only": "*int8 final", "args": ["--slow-query=300"]}' >after.json
printf '{"name": "other", "plan": "short.json", "only": "*f32 final"}' >other.json
printf '{"name": "lost", "plan": "short.json", "joulebench": "./no-such-program"}' >lost.json

"$program" compare --live before.json after.json --seconds 4 --restart-s 0.2 -o cmp >out 2>err
status=$?
check "a live comparison ends with 0" [ $status -eq 0 ]
check "a query that takes four times as long is found" grep -q 'p50 latency.*times as long' out
check "its accuracy is the same" grep -q 'very same samples' out
check "it counts its pairs" grep -Eq ', [0-9]+ pairs of blocks' out
check "comparison.json is of a live comparison" grep -q '"mode": "live"' cmp/comparison.json
"$program" compare --live before.json other.json --seconds 1 --only '*final' >out 2>err
check "one cell of each side is a pair, whatever they are called" grep -q 'int8 final -> .*f32 final' out
"$program" compare --live before.json lost.json --seconds 1 >out 2>err
status=$?
check "a side without a program is told" [ $status -ne 0 ]
check "and named" grep -q 'lost' err
env --default-signal=INT "$program" compare --live before.json after.json --seconds 60 >out 2>err &
pid=$!
sleep 4
kill -INT $pid
wait $pid
status=$?
check "Ctrl-C ends a live comparison with 130" [ $status -eq 130 ]
check "and shows what was measured" grep -q 'pairs of blocks' out
sleep 0.5
left=$(for p in $(pgrep -f ' worker'); do [ "$(readlink "/proc/$p/cwd")" = "$PWD" ] && echo "$p"; done)
check "no worker is left" [ -z "$left" ]
