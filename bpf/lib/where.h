/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Where a task is: the names of its memory cgroup and those above it, and
 * whether one of them is of interest. User space puts the ids of the cgroups
 * that the run is about into the map watched: those of pods, so that every
 * container in them counts, also one that is still to come.
 */
#ifndef TAPIO_LIB_WHERE_H
#define TAPIO_LIB_WHERE_H

#include "memcg.h"

struct cgroup_path {
	__u64 id;    /* of the innermost */
	__u32 depth; /* names filled, innermost first */
	__u32 cut;   /* there were more */
	__u8 name[CGROUP_LEVELS][CGROUP_NAME];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u32);
} watched SEC(".maps");

/* 0 where user space could not tell the cgroups: then every task counts. */
volatile const __u32 only_watched = 0;

static __always_inline __u64 css_id(struct cgroup_subsys_state *css)
{
	return read(read(read(css, cgroup), kn), id);
}

static __always_inline bool is_watched(struct task_struct *task)
{
	struct cgroup_subsys_state *css = memory_css(task);

	if (!only_watched)
		return true;
	for (__u32 i = 0; i < CGROUP_LEVELS; i++) {
		__u64 id;

		if (!css)
			return false;
		id = css_id(css);
		if (bpf_map_lookup_elem(&watched, &id))
			return true;
		css = read(css, parent);
	}
	return false;
}

static __always_inline void read_path(struct task_struct *task, struct cgroup_path *out)
{
	struct cgroup_subsys_state *css = memory_css(task);
	__u32 depth = 0;

	out->id = css ? css_id(css) : 0;
	for (__u32 i = 0; i < CGROUP_LEVELS; i++) {
		if (!css)
			break;
		if (bpf_probe_read_kernel_str(out->name[i], CGROUP_NAME, read(read(read(css, cgroup), kn), name)) < 0)
			out->name[i][0] = 0;
		css = read(css, parent);
		depth = i + 1;
	}
	out->depth = depth;
	out->cut = css != NULL;
}

#endif
