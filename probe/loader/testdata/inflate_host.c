// The loader's inflate and SHA-256 as an ordinary program, so that a test can
// feed them anything under the sanitizers. Each request on the standard input is
// a length (4 bytes, little endian) and that many bytes; each answer is a status
// byte (0 good, 1 corrupt), a length, the output, and the 64 hex digits of its
// SHA-256. Bytes behind the end of the stream are status 2.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned char *input, *output;
static size_t at, in_len, out_len, out_cap;

static int source(void) { return at < in_len ? input[at++] : -1; }

static int sink(const unsigned char *p, unsigned n)
{
	if (out_len + n > 64u << 20)
		return -1;
	if (out_len + n > out_cap) {
		out_cap = (out_len + n) * 2;
		output = realloc(output, out_cap);
	}
	memcpy(output + out_len, p, n);
	out_len += n;
	return 0;
}

#include "../src/inflate.h"
#include "../src/sha256.h"

int main(void)
{
	static struct inflate state;
	struct inflate *s = &state;
	struct sha256 sum;
	unsigned char head[4], status;
	char hex[64];
	while (fread(head, 1, 4, stdin) == 4) {
		in_len = head[0] | head[1] << 8 | head[2] << 16 | (size_t)head[3] << 24;
		input = malloc(in_len ? in_len : 1); // its own block, so that any read beyond it is caught
		if (fread(input, 1, in_len, stdin) != in_len)
			return 1;
		at = out_len = 0;
		memset(s, 0, sizeof *s);
		status = inflate(s) != INFLATE_OK;
		if (!status && (s->nbits >= 8 || source() >= 0))
			status = 2;
		free(input);
		sha256_start(&sum);
		for (size_t i = 0; i < out_len; i += 1000)
			sha256_add(&sum, output + i, out_len - i < 1000 ? (unsigned)(out_len - i) : 1000);
		sha256_hex(&sum, hex);
		unsigned char reply[5] = {status, out_len, out_len >> 8, out_len >> 16, out_len >> 24};
		fwrite(reply, 1, 5, stdout);
		if (out_len)
			fwrite(output, 1, out_len, stdout);
		fwrite(hex, 1, 64, stdout);
		fflush(stdout);
	}
	free(output);
	return 0;
}
