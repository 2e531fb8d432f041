#!/usr/bin/env bash
# test.sh: everything that can be tested on this machine, and at the end what
# could not. FULL=1 adds the long scenarios. Under CI=true what could not run is
# a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
skipped=()
step() { printf '\n== %s\n' "$*"; }
skip() { skipped+=("$1"); echo "skipped: $1"; }

step "tools"
hack/setup.sh

step "check"
make --no-print-directory check

step "every package builds for macOS and Windows"
make --no-print-directory portable

step "generated code is what the sources give"
before=$(git status --porcelain)
make --no-print-directory generate
after=$(git status --porcelain)
if [ "$before" != "$after" ]; then
	echo "make generate changes files:" >&2
	diff <(echo "$before") <(echo "$after") >&2 || true
	exit 1
fi

step "lint"
make --no-print-directory lint

step "fuzz, briefly"
hack/fuzz.sh "${FUZZTIME:-2s}"

step "build"
make --no-print-directory build

if [ "$(uname -s)" != Linux ] || [ "$(id -u)" != 0 ]; then
	skip "live tests: they need root on Linux"
	if command -v kubectl >/dev/null; then
		step "install with krew"
		make --no-print-directory test-krew
	else
		skip "install with krew: it needs kubectl"
	fi
else
	step "the lab's own tests"
	make --no-print-directory labctl
	bin/labctl down
	(cd test/lab && go test ./internal/... ./cmd/labctl/... && go test -tags live -count=1 -timeout 15m ./live)
	step "other kernels"
	make --no-print-directory test-kernels
	step "lab up"
	trap 'bin/labctl down' EXIT
	bin/labctl up --nodes 2
	eval "$(bin/labctl env)"
	step "install with krew"
	make --no-print-directory test-krew
	step "live tests"
	TAPIO_PLUGIN=$PWD/bin/kubectl-tapio TAPIO_LABCTL=$PWD/bin/labctl TAPIO_FULL=${FULL:-} \
		go test -tags live -count=1 -parallel 8 -timeout 50m -v ./test/e2e/... 2>&1 | grep -vE '^(=== (RUN|PAUSE|CONT)|\s*--- PASS.*\(0\.0)' 
	step "lab down"
	trap - EXIT
	bin/labctl down
fi

echo
if [ ${#skipped[@]} -gt 0 ]; then
	printf 'not run here: %s\n' "${skipped[@]}"
	[ "${CI:-}" != true ] || { echo "under CI nothing may be skipped" >&2; exit 1; }
fi
echo "all tests passed"
