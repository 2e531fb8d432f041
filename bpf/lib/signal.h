/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Constants of signals that no BTF holds, and what a task does with a signal.
 */
#ifndef TAPIO_LIB_SIGNAL_H
#define TAPIO_LIB_SIGNAL_H

#include "core.h"

#define SIGKILL 9
#define SEND_SIG_PRIV 1		 /* include/linux/sched/signal.h: sent by the kernel */
#define TRACE_SIGNAL_DELIVERED 0 /* include/trace/events/signal.h */
#define SIGNAL_GROUP_EXIT 0x4	 /* include/linux/sched/signal.h: the process ends already */
#define SIGNAL_UNKILLABLE 0x40	 /* ... the first process of a pid namespace */
#define PF_EXITING 0x4		 /* include/linux/sched.h */
#define NSIG 64

enum disposition {
	BY_DEFAULT = 0, /* SIG_DFL */
	IGNORED = 1,	/* SIG_IGN */
	HANDLED = 2,
};

/* What the process does with the signal; sig is in 1..64. */
static __always_inline __u8 disposition(struct task_struct *task, __u32 sig)
{
	struct sighand_struct *hand = read(task, sighand);
	struct k_sigaction *first = address(hand, action[0]);
	/* An element is larger in the kernel than here. */
	__u32 element = size_of(hand, action) / NSIG;
	__u64 handler = (__u64)read((struct k_sigaction *)((char *)first + (sig - 1) * element), sa.sa_handler);

	return handler < HANDLED ? handler : HANDLED;
}

#endif
