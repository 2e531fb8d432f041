/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Processes of containers: programs that were started in a container from
 * outside of it (its first process, and what a probe or "exec" runs there), and
 * ends of these and of whatever a signal ended. What a container's own
 * processes start and end in good order is only counted.
 */
#include "vmlinux.h"
#include "lib/bpf.h"
#include "lib/core.h"
#include "lib/pid.h"
#include "lib/ring.h"
#include "lib/signal.h"
#include "lib/where.h"

char LICENSE[] SEC("license") = "GPL";

#define FILE_NAME 128

enum { EXEC = 0, EXIT = 1 };

struct process {
	__u64 boot_ns;	/* CLOCK_BOOTTIME */
	__u64 start_ns; /* of the process, same clock */
	__u32 what;	/* EXEC or EXIT */
	__u32 status;	/* of EXIT, as wait(2) gives it */
	struct pid_numbers pid;
	struct pid_numbers parent;
	__u8 first;   /* the first process of its pid namespace */
	__u8 outside; /* its parent is in another cgroup: it was started from outside */
	__u8 oom;     /* the kernel chose it for want of memory */
	__u8 pad[5];
	__u8 comm[16];
	__u8 file[FILE_NAME]; /* of EXEC */
	struct cgroup_path where;
};

/* Lets the loader describe the event to user space. */
const struct process *unused_process __attribute__((unused));

/* Inode of the pid namespace in whose terms process ids are reported. */
volatile const __u32 pid_ns = 0;

/* Programs that containers' own processes started, and those that ended with status 0 or another one. */
__u64 inner_execs;
__u64 inner_exits;
__u64 inner_failures;

RING(512 << 10);

static __always_inline bool from_outside(struct task_struct *task)
{
	struct cgroup_subsys_state *own = memory_css(task), *parents = memory_css(read(task, real_parent));

	return own != parents;
}

static __always_inline void fill(struct process *e, __u32 what, struct task_struct *task, bool outside)
{
	struct task_struct *leader = read(task, group_leader);
	struct signal_struct *shared = read(task, signal);

	e->boot_ns = bpf_ktime_get_boot_ns();
	e->start_ns = read(leader, start_boottime);
	e->what = what;
	e->status = 0;
	e->first = !!(read(shared, flags) & SIGNAL_UNKILLABLE);
	e->outside = outside;
	e->oom = read(shared, oom_mm) != NULL;
	e->file[0] = 0;
	process_id(task, pid_ns, &e->pid);
	process_id(read(leader, real_parent), pid_ns, &e->parent);
	bpf_probe_read_kernel(e->comm, sizeof(e->comm), address(leader, comm));
	read_path(task, &e->where);
}

/* TP_PROTO(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm) */
SEC("tp_btf/sched_process_exec")
int started(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct linux_binprm *program = (void *)ctx[2];
	struct process *e;

	if (!is_watched(task))
		return 0;
	if (!from_outside(task)) {
		__sync_fetch_and_add(&inner_execs, 1);
		return 0;
	}
	e = reserve(sizeof(*e));
	if (!e)
		return 0;
	fill(e, EXEC, task, true);
	if (bpf_probe_read_kernel_str(e->file, sizeof(e->file), read(program, filename)) < 0)
		e->file[0] = 0;
	bpf_ringbuf_submit(e, 0);
	return 0;
}

/* TP_PROTO(struct task_struct *p), later with group_dead */
SEC("tp_btf/sched_process_exit")
int ended(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct signal_struct *shared = read(task, signal);
	struct process *e;
	bool outside;
	__u32 status;

	if (read(shared, live.counter) != 0 || !is_watched(task))
		return 0;
	/* As wait_task_zombie has it. */
	status = read(shared, flags) & SIGNAL_GROUP_EXIT ? read(shared, group_exit_code)
							 : read(read(task, group_leader), exit_code);
	outside = from_outside(read(task, group_leader));
	if (!outside && !(status & 0x7f)) {
		if (status)
			__sync_fetch_and_add(&inner_failures, 1);
		else
			__sync_fetch_and_add(&inner_exits, 1);
		return 0;
	}
	e = reserve(sizeof(*e));
	if (!e)
		return 0;
	fill(e, EXIT, task, outside);
	e->status = status;
	bpf_ringbuf_submit(e, 0);
	return 0;
}
