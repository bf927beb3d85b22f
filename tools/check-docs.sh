#!/bin/bash
# Holds docs/exit-codes.md to base/exit.def and base/err.def: every row of the tables must stand in the page as it is; and docs/results.md to the schema of results.json: it names every key.
set -euo pipefail
cd "$(dirname "$0")/.."
page=docs/exit-codes.md bad=0
while IFS= read -r row; do
    grep -qxF "$row" "$page" || { echo "$page: lacks the row: $row" && bad=1; }
done < <(sed -n 's/^JB_EXIT(\([A-Z_]*\), \([0-9]*\), "\(.*\)")$/| \2 | \1 | \3 |/p' base/exit.def)
for name in $(sed -n 's/^JB_ERR(\([A-Z_]*\),.*/\1/p' base/err.def | tr 'A-Z' 'a-z'); do
    grep -qF "\`$name\`" "$page" || { echo "$page: lacks the error $name" && bad=1; }
done
if command -v python3 >/dev/null; then
    tools/check-docs-keys.py --self-test || bad=1
    tools/check-docs-keys.py docs/schema/results.schema.json docs/results.md || bad=1
else
    echo "check-docs: keys of results.json: not checked, python3 is not installed"
fi
[ $bad -eq 0 ] && echo "check-docs: $page agrees with base/*.def"
exit $bad
