/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Signals that can end a process: who sent which to whom, and what became of
 * it. The tracepoint runs in the sender's context, with the result: delivered,
 * ignored, or already pending (enum of include/trace/events/signal.h).
 *
 * Left out is what decides nothing: faults that the program handles itself
 * (runtimes use them for their own ends, at any rate), and the kills with which
 * the kernel clears a pid namespace whose first process ended.
 */
#include "vmlinux.h"
#include "lib/bpf.h"
#include "lib/core.h"
#include "lib/pid.h"
#include "lib/ring.h"
#include "lib/signal.h"
#include "lib/where.h"

char LICENSE[] SEC("license") = "GPL";

#define SIGSEGV 11
#define SIGBUS 7
#define SIGILL 4
#define SIGFPE 8
#define SIGTRAP 5
#define SIGSYS 31

/* SIGHUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 TERM XCPU XFSZ SYS */
#define FATAL ((1ULL << 1) | (1ULL << 2) | (1ULL << 3) | (1ULL << 4) | (1ULL << 5) | (1ULL << 6) |     \
	       (1ULL << 7) | (1ULL << 8) | (1ULL << 9) | (1ULL << 10) | (1ULL << 11) | (1ULL << 12) | \
	       (1ULL << 15) | (1ULL << 24) | (1ULL << 25) | (1ULL << 31))

/* Those that the processor or the seccomp filter causes. */
#define FAULTS ((1ULL << SIGILL) | (1ULL << SIGTRAP) | (1ULL << SIGBUS) | (1ULL << SIGFPE) | (1ULL << SIGSEGV) | (1ULL << SIGSYS))

/* Those with uses of their own, of which only a fatal one is told. */
#define OWN_USE ((1ULL << 1) | (1ULL << 10) | (1ULL << 12))

enum { SIGNAL = 0, OOM_MARK = 1 };

struct sent {
	__u64 boot_ns;	/* CLOCK_BOOTTIME */
	__u64 start_ns; /* of the target, same clock */
	__u64 address;	/* of a fault */
	__u32 what;	/* SIGNAL or OOM_MARK, which says that the kernel killed target_global for want of memory */
	__s32 sig;
	__s32 code; /* si_code */
	__s32 result;
	__s32 syscall; /* of SIGSYS, else -1 */
	__u32 target_global; /* tgid as the kernel numbers it */
	struct pid_numbers target_pid;
	struct pid_numbers sender_pid;
	__u8 from_kernel;
	__u8 disposition;
	__u8 dying; /* the target was ending already */
	__u8 first; /* the target is the first process of its pid namespace */
	__u32 pad;
	__u8 target_comm[16];
	__u8 sender_comm[16];
	struct cgroup_path target;
	struct cgroup_path sender;
};

/* Lets the loader describe the event to user space. */
const struct sent *unused_sent __attribute__((unused));

/* Inode of the pid namespace in whose terms process ids are reported. */
volatile const __u32 pid_ns = 0;

RING(512 << 10);

struct killed {
	__u64 task; /* its address, 0 for none */
	__u32 pid;
	__u32 tgid;
};

/* The last watched task on this CPU that the kernel sent SIGKILL to. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct killed);
} last_killed SEC(".maps");

static __always_inline void remember(struct task_struct *task)
{
	__u32 zero = 0;
	struct killed *k = bpf_map_lookup_elem(&last_killed, &zero);

	if (!k)
		return;
	k->task = (__u64)task;
	k->pid = read(task, pid);
	k->tgid = read(task, tgid);
}

/* Whether the current task ends and takes its pid namespace with it (zap_pid_ns_processes). */
static __always_inline bool clears_namespace(struct task_struct *current, struct task_struct *task)
{
	return (read(current, flags) & PF_EXITING) && read(current, tgid) != read(task, tgid);
}

/* TP_PROTO(int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result) */
SEC("tp_btf/signal_generate")
int signal_sent(__u64 *ctx)
{
	struct task_struct *current = bpf_get_current_task_btf();
	struct kernel_siginfo *info = (void *)ctx[1];
	struct task_struct *task = (void *)ctx[2];
	struct task_struct *leader, *sender;
	struct signal_struct *shared;
	__u32 sig = (__u32)ctx[0];
	bool real = ctx[1] > SEND_SIG_PRIV;
	bool from_kernel;
	struct sent *e;
	__u8 how;
	__s32 code = 0;

	if (sig == 0 || sig > NSIG - 1 || !(FATAL >> sig & 1))
		return 0;
	if (real)
		code = read(info, si_code);
	/* include/uapi/asm-generic/siginfo.h: 0 and below are of processes, of timers and of queues. */
	from_kernel = ctx[1] == SEND_SIG_PRIV || code > 0 || code == -2 /* SI_TIMER */;
	how = disposition(task, sig);
	if (how == HANDLED && from_kernel && (FAULTS >> sig & 1))
		return 0;
	if (how != BY_DEFAULT && (OWN_USE >> sig & 1))
		return 0;
	if (from_kernel && sig == SIGKILL && clears_namespace(current, task))
		return 0;
	if (!is_watched(task) && (from_kernel || !is_watched(current)))
		return 0;
	if (from_kernel && sig == SIGKILL)
		remember(task);
	e = reserve(sizeof(*e));
	if (!e)
		return 0;
	leader = read(task, group_leader);
	sender = read(current, group_leader);
	shared = read(task, signal);
	e->boot_ns = bpf_ktime_get_boot_ns();
	e->start_ns = read(leader, start_boottime);
	e->what = SIGNAL;
	e->sig = sig;
	e->code = code;
	e->result = (__s32)ctx[4];
	e->address = 0;
	e->syscall = -1;
	if (real && code > 0 && (FAULTS >> sig & 1)) {
		if (sig == SIGSYS)
			e->syscall = read(info, _sifields._sigsys._syscall);
		else
			e->address = (__u64)read(info, _sifields._sigfault._addr);
	}
	e->target_global = read(task, tgid);
	e->from_kernel = from_kernel;
	e->disposition = how;
	e->dying = !!(read(shared, flags) & SIGNAL_GROUP_EXIT);
	e->first = !!(read(shared, flags) & SIGNAL_UNKILLABLE);
	e->pad = 0;
	process_id(task, pid_ns, &e->target_pid);
	process_id(current, pid_ns, &e->sender_pid);
	bpf_probe_read_kernel(e->target_comm, sizeof(e->target_comm), address(leader, comm));
	bpf_probe_read_kernel(e->sender_comm, sizeof(e->sender_comm), address(sender, comm));
	read_path(task, &e->target);
	read_path(current, &e->sender);
	bpf_ringbuf_submit(e, 0);
	return 0;
}

/* TP_PROTO(struct task_struct *task, uid_t uid), or TP_PROTO(int pid) before 6.8 and its backports */
SEC("tp_btf/mark_victim")
int oom_marked(__u64 *ctx)
{
	__u32 zero = 0;
	struct killed *k = bpf_map_lookup_elem(&last_killed, &zero);
	struct sent *e;

	if (!k || !k->task || (k->task != ctx[0] && k->pid != ctx[0]))
		return 0;
	k->task = 0;
	e = reserve(sizeof(*e));
	if (!e)
		return 0;
	e->boot_ns = bpf_ktime_get_boot_ns();
	e->what = OOM_MARK;
	e->sig = SIGKILL;
	e->target_global = k->tgid;
	e->target.depth = 0;
	e->sender.depth = 0;
	bpf_ringbuf_submit(e, 0);
	return 0;
}
