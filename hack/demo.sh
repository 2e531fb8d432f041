#!/usr/bin/env bash
# demo.sh [mine]: makes a real OOM kill behind a caller and lets tapio explain
# it. Without an argument on a lab that it starts and takes down; with "mine" on
# the cluster of your KUBECONFIG (the workload image must be pullable there:
# WORKLOAD_IMAGE).
set -euo pipefail
cd "$(dirname "$0")/.."
cluster=${1:-lab}
namespace=tapio-demo
image=${WORKLOAD_IMAGE:-lab.local/workload:1}

say() { printf '\n\033[1m# %s\033[0m\n' "$*" >&2; }
cleanup() {
	kubectl delete namespace "$namespace" --wait=false >/dev/null 2>&1 || true
	[ "$cluster" != lab ] || bin/labctl down
}

say "building the plugin and the probes it carries"
make --no-print-directory build
if [ "$cluster" = lab ]; then
	say "starting the lab: etcd, API server, kubelets, containerd (the first time builds them, some minutes)"
	make --no-print-directory labctl
	bin/labctl down
	trap cleanup EXIT
	bin/labctl up --nodes 2
	eval "$(bin/labctl env)"
else
	trap cleanup EXIT
fi

say "a server that leaks 3 MiB/s into its 64Mi limit, and a caller"
kubectl create namespace "$namespace"
sed "s|WORKLOAD_IMAGE|$image|" test/e2e/demo.yaml | kubectl -n "$namespace" apply -f -
kubectl -n "$namespace" rollout status deploy/cart deploy/checkout --timeout=90s

say "waiting for the kernel to kill it"
for _ in $(seq 120); do
	reason=$(kubectl -n "$namespace" get pods -l app=cart -o jsonpath='{.items[0].status.containerStatuses[0].lastState.terminated.reason}')
	[ "$reason" != OOMKilled ] || break
	sleep 1
done
[ "$reason" = OOMKilled ] || { echo "it was not killed within two minutes" >&2; exit 1; }

say "kubectl tapio explain deploy/cart -n $namespace"
PATH=$PWD/bin:$PATH kubectl tapio explain deploy/cart -n "$namespace" -v
say "what is left of tapio in the cluster"
PATH=$PWD/bin:$PATH kubectl tapio cleanup
