//go:build linux

package node

//go:generate go tool -modfile=../../../tools/go.mod bpf2go -tags linux -target amd64,arm64 -type sent -type cgroup_path -type pid_numbers bpf ../../../bpf/signals.bpf.c -- -Wall -Wextra -Werror -I../../../bpf -I../../../bpf/vmlinux -I../../../bpf/lib
