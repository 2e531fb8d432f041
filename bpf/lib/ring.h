/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The ring buffer of an object, and the exact number of events that did not
 * fit into it.
 */
#ifndef TAPIO_LIB_RING_H
#define TAPIO_LIB_RING_H

#include "bpf.h"

#define RING(bytes)                                     \
	struct {                                        \
		__uint(type, BPF_MAP_TYPE_RINGBUF);     \
		__uint(max_entries, bytes);             \
	} ring SEC(".maps")

__u64 lost;

/* NULL, and one more lost, when the ring is full. */
#define reserve(size)                                            \
	({                                                       \
		void *_e = bpf_ringbuf_reserve(&ring, size, 0);  \
		if (!_e)                                         \
			__sync_fetch_and_add(&lost, 1);          \
		_e;                                              \
	})

#endif
