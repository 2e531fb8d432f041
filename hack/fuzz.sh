#!/usr/bin/env bash
# fuzz.sh TIME: every fuzz test for a while.
set -euo pipefail
cd "$(dirname "$0")/.."

# fuzz runs one. On a busy machine the go command at times calls the end of its
# own time a failure ("context deadline exceeded", without an input that fails):
# that is tried again.
fuzz() {
	local out
	for _ in 1 2 3; do
		if out=$(go test -run '^$' -fuzz "^$1\$" -fuzztime "$2" "$3" 2>&1); then
			tail -1 <<<"$out"
			return
		fi
		grep -q 'context deadline exceeded' <<<"$out" && ! grep -q 'Failing input written' <<<"$out" || break
	done
	echo "$out"
	return 1
}

grep -rlE '^func Fuzz' --include='*_test.go' . | grep -v '^./test/lab/' | sort | while read -r file; do
	grep -oE '^func Fuzz[A-Za-z0-9_]+' "$file" | sed 's/func //' | while read -r name; do
		fuzz "$name" "$1" "$(dirname "$file")"
	done
done
