// The entry point and the few system calls of the loader, for Linux without a
// C library. Numbers from the kernel's arch/x86/entry/syscalls/syscall_64.tbl
// and include/uapi/asm-generic/unistd.h.

#if defined(__x86_64__)
enum { SYS_read = 0, SYS_write = 1, SYS_close = 3, SYS_execve = 59, SYS_exit_group = 231,
       SYS_openat = 257, SYS_memfd_create = 319, SYS_execveat = 322 };

__attribute__((naked, noreturn, used)) void _start(void)
{
	__asm__("xor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start\n\tud2");
}

static long sys(long n, long a, long b, long c, long d, long e)
{
	long r;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return r;
}
#elif defined(__aarch64__)
enum { SYS_openat = 56, SYS_close = 57, SYS_read = 63, SYS_write = 64, SYS_exit_group = 94,
       SYS_execve = 221, SYS_memfd_create = 279, SYS_execveat = 281 };

__attribute__((naked, noreturn, used)) void _start(void)
{
	__asm__("mov x29, #0\n\tmov x30, #0\n\tmov x0, sp\n\tand sp, x0, #-16\n\tbl start\n\tbrk #1");
}

static long sys(long n, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory", "cc");
	return x0;
}
#else
#error "the loader knows amd64 and arm64"
#endif

enum { AT_FDCWD = -100, AT_EMPTY_PATH = 0x1000, MFD_CLOEXEC = 1,
       O_RDONLY = 0, O_WRONLY = 01, O_CREAT = 0100, O_TRUNC = 01000, O_CLOEXEC = 02000000,
       EINTR = 4, ENOENT = 2 };

// The compiler may call these for assignments and initialisers.
__attribute__((used)) void *memset(void *p, int c, unsigned long n)
{
	for (volatile unsigned char *q = p; n--; q++)
		*q = (unsigned char)c;
	return p;
}

__attribute__((used)) void *memcpy(void *to, const void *from, unsigned long n)
{
	volatile unsigned char *q = to;
	for (const unsigned char *p = from; n--; )
		*q++ = *p++;
	return to;
}
