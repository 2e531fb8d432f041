/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Reads of kernel memory whose offsets are relocated when the program is
 * loaded. A pointer that leads nowhere reads as zero.
 */
#ifndef TAPIO_LIB_CORE_H
#define TAPIO_LIB_CORE_H

#include "bpf.h"

/* The value of a member: read(task, signal). */
#define read(ptr, member)                                                                        \
	({                                                                                       \
		typeof(ptr) _p = (ptr);                                                          \
		typeof(_p->member) _v;                                                           \
		bpf_probe_read_kernel(&_v, sizeof(_v),                                           \
				      __builtin_preserve_access_index(&_p->member));             \
		_v;                                                                              \
	})

/* The address of a member that is embedded: no memory is read. */
#define address(ptr, member) __builtin_preserve_access_index(&(ptr)->member)

/* Whether the running kernel has the member (BPF_FIELD_EXISTS). */
#define has(ptr, member) __builtin_preserve_field_info((ptr)->member, 2)

/* How many bytes the member takes in the running kernel (BPF_FIELD_BYTE_SIZE). */
#define size_of(ptr, member) __builtin_preserve_field_info((ptr)->member, 1)

/* The running kernel's value of an enumerator (BPF_ENUMVAL_VALUE). */
#define enumerator(type, name) __builtin_preserve_enum_value(*(typeof(type) *)name, 1)

#endif
