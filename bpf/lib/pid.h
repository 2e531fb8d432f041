/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Process ids as a pid namespace numbers them. A process has one number in
 * each namespace from the kernel's first one down to its own (struct pid).
 */
#ifndef TAPIO_LIB_PID_H
#define TAPIO_LIB_PID_H

#include "core.h"

/* MAX_PID_NS_LEVEL of include/linux/pid_namespace.h is 32. */
#define PID_LEVELS 32

struct pid_numbers {
	__u32 asked; /* in the namespace asked for, 0 where it has none */
	__u32 own;   /* in the process's own, innermost namespace */
};

/* The numbers of the task's process; inum is the inode of a pid namespace. */
static __always_inline void process_id(struct task_struct *task, __u32 inum, struct pid_numbers *out)
{
	struct pid *pid = read(read(task, group_leader), thread_pid);
	struct upid *numbers = address(pid, numbers[0]);
	__u32 level = read(pid, level);

	out->asked = 0;
	out->own = 0;
	if (!pid)
		return;
	for (__u32 i = 0; i < PID_LEVELS; i++) {
		struct upid n = {};

		if (i > level)
			break;
		if (bpf_probe_read_kernel(&n, sizeof(n), numbers + i))
			break;
		if (i == level)
			out->own = n.nr;
		if (read(n.ns, ns.inum) == inum)
			out->asked = n.nr;
	}
}

#endif
