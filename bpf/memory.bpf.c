/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * OOM kills: one event for each process the kernel kills for want of memory,
 * with all that will be gone when user space looks for it.
 *
 * mark_victim alone is not proof of a kill: the kernel also marks processes
 * that were dying anyway, to let them use the reserves. Only __oom_kill_process
 * sends SIGKILL from the kernel, on the same CPU and under the victim's
 * task_lock, right before it marks the victim. So the signal opens the case and
 * the mark closes it. The signal also hands over the task on kernels whose
 * mark_victim has only its number.
 */
#include "vmlinux.h"
#include "lib/bpf.h"
#include "lib/core.h"
#include "lib/memcg.h"
#include "lib/pid.h"
#include "lib/ring.h"
#include "lib/signal.h"

char LICENSE[] SEC("license") = "GPL";

#define PF_KTHREAD 0x00200000

/* Indices of the counters of a process (include/linux/mm_types_task.h). */
#define FILE_PAGES 0
#define ANON_PAGES 1
#define SHMEM_PAGES 3

struct kill {
	__u64 boot_ns;	  /* CLOCK_BOOTTIME */
	__u64 start_ns;	  /* of the victim, same clock */
	__s64 anon_pages;
	__s64 file_pages;
	__s64 shmem_pages;
	__u32 victim_global; /* tgid as the kernel log prints it */
	struct pid_numbers victim_pid;
	struct pid_numbers trigger_pid;
	__s16 oom_score_adj;
	__u8 trigger_kthread;
	__u8 oom_known; /* whether level[].oom can be relied on */
	__u8 victim_comm[16];
	__u8 trigger_comm[16];
	struct cgroup_chain victim;
	struct cgroup_chain trigger;
};

/* Lets the loader describe the event to user space. */
const struct kill *unused_kill __attribute__((unused));

/* Inode of the pid namespace in whose terms process ids are reported. */
volatile const __u32 pid_ns = 0;

RING(256 << 10);

struct killed {
	__u64 task; /* its address, 0 for none */
	__u32 pid;
	__u32 pad;
};

/* The last task on this CPU that the kernel sent SIGKILL to. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct killed);
} last_killed SEC(".maps");

static __always_inline struct killed *slot(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&last_killed, &zero);
}

/* TP_PROTO(int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result) */
SEC("tp_btf/signal_generate")
int kernel_kill(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[2];
	struct killed *k;

	if ((int)ctx[0] != SIGKILL || ctx[1] != SEND_SIG_PRIV || (int)ctx[4] != TRACE_SIGNAL_DELIVERED)
		return 0;
	k = slot();
	if (!k)
		return 0;
	k->task = (__u64)task;
	k->pid = read(task, pid);
	return 0;
}

static __always_inline void read_rss(struct mm_struct *mm, struct kill *e)
{
	struct mm_struct___array *old = (void *)mm;

	if (has(mm, rss_stat[0].count)) {
		e->anon_pages = read(mm, rss_stat[ANON_PAGES].count);
		e->file_pages = read(mm, rss_stat[FILE_PAGES].count);
		e->shmem_pages = read(mm, rss_stat[SHMEM_PAGES].count);
	} else {
		e->anon_pages = read(old, rss_stat.count[ANON_PAGES].counter);
		e->file_pages = read(old, rss_stat.count[FILE_PAGES].counter);
		e->shmem_pages = read(old, rss_stat.count[SHMEM_PAGES].counter);
	}
}

static __always_inline int report(struct task_struct *task)
{
	struct task_struct *current = bpf_get_current_task_btf();
	struct task_struct *leader = read(task, group_leader);
	struct kill *e = reserve(sizeof(*e));
	struct mem_cgroup *memcg = NULL;

	if (!e)
		return 0;
	e->boot_ns = bpf_ktime_get_boot_ns();
	e->start_ns = read(leader, start_boottime);
	e->victim_global = read(task, tgid);
	e->oom_score_adj = read(read(task, signal), oom_score_adj);
	e->oom_known = has(memcg, oom_lock);
	e->trigger_kthread = !!(read(current, flags) & PF_KTHREAD);
	read_rss(read(task, mm), e);
	process_id(task, pid_ns, &e->victim_pid);
	process_id(current, pid_ns, &e->trigger_pid);
	bpf_probe_read_kernel(e->victim_comm, sizeof(e->victim_comm), address(leader, comm));
	bpf_probe_read_kernel(e->trigger_comm, sizeof(e->trigger_comm), address(current, comm));
	read_chain(task, &e->victim);
	read_chain(current, &e->trigger);
	bpf_ringbuf_submit(e, 0);
	return 0;
}

/* TP_PROTO(struct task_struct *task, uid_t uid) */
SEC("tp_btf/mark_victim")
int oom_kill(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct killed *k = slot();

	if (!k || k->task != (__u64)task)
		return 0;
	k->task = 0;
	return report(task);
}

/* TP_PROTO(int pid), before 6.8 and its backports */
SEC("tp_btf/mark_victim")
int oom_kill_by_pid(__u64 *ctx)
{
	struct killed *k = slot();
	struct task_struct *task;

	if (!k || !k->task || k->pid != (__u32)ctx[0])
		return 0;
	task = (void *)k->task;
	k->task = 0;
	return report(task);
}
