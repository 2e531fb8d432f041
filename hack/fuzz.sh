#!/usr/bin/env bash
# fuzz.sh TIME: every fuzz test for a while.
set -euo pipefail
cd "$(dirname "$0")/.."
grep -rlE '^func Fuzz' --include='*_test.go' . | grep -v '^./test/lab/' | sort | while read -r file; do
	grep -oE '^func Fuzz[A-Za-z0-9_]+' "$file" | sed 's/func //' | while read -r name; do
		go test -run '^$' -fuzz "^$name\$" -fuzztime "$1" "$(dirname "$file")" 2>&1 | tail -1
	done
done
