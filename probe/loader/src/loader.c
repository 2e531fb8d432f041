// The loader is the command of a probe's container: it joins the compressed
// parts that the pod mounts, checks what they unpack to against the hash in the
// pod's spec, and becomes it.
//
//	loader SHA256 ARGS...
//
// Parts are PARTS/0/part, PARTS/1/part, ... up to the first that is not there;
// together they are one raw DEFLATE stream. The program is written to PROGRAM,
// a memory-backed volume, or, when that cannot be written, to a memfd. Nothing
// is executed unless its SHA-256 is the given one. Environment and ARGS are
// passed on.

#include "kernel.h"

#define PARTS "/tapio"
#define PROGRAM "/run/tapio/tapio-probe"

enum { MAX_PARTS = 64, MAX_OUTPUT = 64 << 20 };

// Exit codes; the package payload names them for the client.
enum {
	BAD_USAGE = 101,
	NO_PARTS = 102,
	CORRUPT = 103,
	MISMATCH = 104,
	CANNOT_WRITE = 105,
	CANNOT_EXEC = 106,
	CANNOT_READ = 107,
	TOO_LARGE = 108,
};

static unsigned length(const char *s)
{
	unsigned n = 0;
	while (s[n])
		n++;
	return n;
}

static _Noreturn void die(int code, const char *why)
{
	sys(SYS_write, 2, (long)"tapio loader: ", 14, 0, 0);
	sys(SYS_write, 2, (long)why, length(why), 0, 0);
	sys(SYS_write, 2, (long)"\n", 1, 0, 0);
	for (;;)
		sys(SYS_exit_group, code, 0, 0, 0, 0);
}

// Input: the parts one after the other.
static struct {
	int fd, next; // open part, or -1; number of the one after it
	int end;
	unsigned at, n;
	unsigned char buf[65536];
} in;

// open_next opens the next part; 0 when there is none.
static int open_next(void)
{
	char path[] = PARTS "/00/part";
	char *p = path + sizeof PARTS;
	if (in.next >= MAX_PARTS)
		return 0;
	if (in.next >= 10)
		*p++ = (char)('0' + in.next / 10);
	*p++ = (char)('0' + in.next % 10);
	for (const char *q = "/part"; (*p++ = *q++);)
		;
	long fd = sys(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		die(CANNOT_READ, "a part of the probe cannot be opened");
	in.fd = (int)fd;
	in.next++;
	return 1;
}

static int source(void)
{
	while (in.at == in.n) {
		if (in.end)
			return -1;
		if (in.fd < 0 && !open_next()) {
			in.end = 1;
			return -1;
		}
		long n = sys(SYS_read, in.fd, (long)in.buf, sizeof in.buf, 0, 0);
		if (n == -EINTR)
			continue;
		if (n < 0)
			die(CANNOT_READ, "a part of the probe cannot be read");
		if (n == 0) {
			sys(SYS_close, in.fd, 0, 0, 0, 0);
			in.fd = -1;
		}
		in.at = 0;
		in.n = (unsigned)n;
	}
	return in.buf[in.at++];
}

#include "sha256.h"

// Output: the program and the hash of what was written.
static struct {
	int fd;
	struct sha256 sum;
} out;

static int sink(const unsigned char *p, unsigned n)
{
	if (out.sum.bytes + n > MAX_OUTPUT)
		die(TOO_LARGE, "the parts unpack to more than 64 MiB");
	sha256_add(&out.sum, p, n);
	while (n > 0) {
		long w = sys(SYS_write, out.fd, (long)p, n, 0, 0);
		if (w == -EINTR)
			continue;
		if (w <= 0)
			return -1;
		p += w;
		n -= (unsigned)w;
	}
	return 0;
}

#include "inflate.h"

static struct inflate state;

__attribute__((used)) _Noreturn void start(long *sp)
{
	long argc = sp[0];
	char **argv = (char **)(sp + 1), **envp = argv + argc + 1;
	if (argc < 2 || length(argv[1]) != 64)
		die(BAD_USAGE, "usage: loader SHA256 ARGS...");
	in.fd = -1;
	if (!open_next())
		die(NO_PARTS, "there is no part of the probe under " PARTS);

	long fd = sys(SYS_openat, AT_FDCWD, (long)PROGRAM, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700, 0);
	int in_memory = fd < 0;
	if (in_memory)
		fd = sys(SYS_memfd_create, (long)"tapio-probe", MFD_CLOEXEC, 0, 0, 0);
	if (fd < 0)
		die(CANNOT_WRITE, "neither " PROGRAM " nor a memory file can be written");
	out.fd = (int)fd;
	sha256_start(&out.sum);

	switch (inflate(&state)) {
	case INFLATE_OK:
		break;
	case INFLATE_SINK:
		die(CANNOT_WRITE, "the unpacked probe cannot be written, the memory volume may be full");
	default:
		die(CORRUPT, "the parts of the probe are incomplete or corrupt");
	}
	if (state.nbits >= 8 || source() >= 0)
		die(CORRUPT, "the parts of the probe go on behind their end");

	char hex[64];
	unsigned differ = 0;
	sha256_hex(&out.sum, hex);
	for (int i = 0; i < 64; i++)
		differ |= (unsigned)(hex[i] ^ argv[1][i]);
	if (differ)
		die(MISMATCH, "the unpacked probe is not the one the pod's spec asks for (SHA-256 differs)");

	argv[1] = "tapio-probe";
	if (in_memory) {
		sys(SYS_execveat, out.fd, (long)"", (long)(argv + 1), (long)envp, AT_EMPTY_PATH);
	} else {
		sys(SYS_close, out.fd, 0, 0, 0, 0); // a file open for writing is not executed
		sys(SYS_execve, (long)PROGRAM, (long)(argv + 1), (long)envp, 0, 0);
	}
	die(CANNOT_EXEC, "the unpacked probe cannot be executed");
}
