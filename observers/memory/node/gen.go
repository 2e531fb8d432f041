//go:build linux

package node

//go:generate go tool -modfile=../../../tools/go.mod bpf2go -tags linux -target amd64,arm64 -type kill -type cgroup_chain -type cgroup_level -type pid_numbers bpf ../../../bpf/memory.bpf.c -- -Wall -Wextra -Werror -I../../../bpf -I../../../bpf/vmlinux -I../../../bpf/lib
