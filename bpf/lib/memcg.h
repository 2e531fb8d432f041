/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The memory cgroup of a task and those above it. The id of a cgroup is the
 * inode of its directory, on cgroup v1 and v2 alike; a cgroup without the
 * memory controller counts as its nearest ancestor that has it.
 */
#ifndef TAPIO_LIB_MEMCG_H
#define TAPIO_LIB_MEMCG_H

#include "core.h"

#define CGROUP_LEVELS 12
#define CGROUP_NAME 128

struct cgroup_level {
	__u64 id;
	__u64 usage;   /* pages charged */
	__u64 max;     /* pages allowed */
	__u64 failcnt; /* how often a charge met max */
	__u32 oom;     /* an OOM kill is under way for it or for one above it */
	__u32 pad;
	__u8 name[CGROUP_NAME];
};

struct cgroup_chain {
	__u32 depth; /* levels filled, innermost first */
	__u32 cut;   /* there were more */
	struct cgroup_level level[CGROUP_LEVELS];
};

static __always_inline struct cgroup_subsys_state *memory_css(struct task_struct *task)
{
	struct css_set *set = read(task, cgroups);
	struct cgroup_subsys_state **subsys = address(set, subsys[0]);
	struct cgroup_subsys_state *css = NULL;

	if (set)
		bpf_probe_read_kernel(&css, sizeof(css),
				      subsys + enumerator(enum cgroup_subsys_id, memory_cgrp_id));
	return css;
}

static __always_inline void read_level(struct cgroup_subsys_state *css, struct cgroup_level *out)
{
	struct kernfs_node *kn = read(read(css, cgroup), kn);
	/* css is the first member of struct mem_cgroup (mem_cgroup_from_css). */
	struct mem_cgroup *memcg = (void *)css;
	struct page_counter *counter = address(memcg, memory);

	out->id = read(kn, id);
	out->usage = read(counter, usage.counter);
	out->max = read(counter, max);
	out->failcnt = read(counter, failcnt);
	out->oom = has(memcg, oom_lock) ? read(memcg, oom_lock) : 0;
	out->pad = 0;
	if (bpf_probe_read_kernel_str(out->name, sizeof(out->name), read(kn, name)) < 0)
		out->name[0] = 0;
}

/* Fills the chain from the task's memory cgroup up to the root. */
static __always_inline void read_chain(struct task_struct *task, struct cgroup_chain *out)
{
	struct cgroup_subsys_state *css = memory_css(task);
	__u32 depth = 0;

	for (__u32 i = 0; i < CGROUP_LEVELS; i++) {
		if (!css)
			break;
		read_level(css, &out->level[i]);
		css = read(css, parent);
		depth = i + 1;
	}
	out->depth = depth;
	out->cut = css != NULL;
}

#endif
