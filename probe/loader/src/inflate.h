// Raw DEFLATE (RFC 1951) from a byte source to a byte sink, in constant memory.
//
// The includer defines
//   static int source(void);                               next byte 0..255, or -1 at the end
//   static int sink(const unsigned char *p, unsigned n);   0, or -1 to stop
// Every index is bounded by a mask or a check next to it: the input may be
// anything. It accepts exactly what Go's compress/flate accepts.

enum inflate_result { INFLATE_OK, INFLATE_CORRUPT, INFLATE_SINK };

enum {
	MAX_BITS = 15,        // longest code, section 3.2.7
	LITLEN_CODES = 288,   // 286 and 287 never occur in valid data
	DIST_CODES = 30,
	END_OF_BLOCK = 256,
	WINDOW = 32768,       // farthest distance, section 3.2.5
};

// A table is indexed by the next max_len bits of the input. An entry is
// symbol << 4 | length of its code; 0 belongs to no code.
struct table {
	unsigned max_len;
	unsigned short entry[1 << MAX_BITS];
};

struct inflate {
	unsigned long long bits; // read ahead, least significant bit first
	unsigned nbits;
	unsigned at;             // next position in window
	int full;                // the window was filled once
	enum inflate_result failed;
	unsigned char window[WINDOW];
	struct table litlen, dist, lengths;
	unsigned char len[LITLEN_CODES + DIST_CODES + 2];
};

// have reads ahead until n (at most 32) bits are there; 0 at the end of input.
static int have(struct inflate *s, unsigned n)
{
	while (s->nbits < n) {
		int c = source();
		if (c < 0)
			return 0;
		s->bits |= (unsigned long long)c << s->nbits;
		s->nbits += 8;
	}
	return 1;
}

static void drop(struct inflate *s, unsigned n)
{
	s->bits >>= n;
	s->nbits -= n;
}

// take returns the next n (at most 16) bits, or -1.
static int take(struct inflate *s, unsigned n)
{
	if (!have(s, n))
		return -1;
	int v = (int)(s->bits & ((1u << n) - 1));
	drop(s, n);
	return v;
}

// build makes the table of a canonical code from the lengths of its n symbols
// (section 3.2.2). A code that is over-subscribed or incomplete is refused,
// except one of no symbol at all and one of a single 1-bit symbol.
static int build(struct table *t, const unsigned char *len, unsigned n)
{
	unsigned count[MAX_BITS + 1] = {0}, next[MAX_BITS + 1] = {0};
	t->max_len = 0;
	for (unsigned i = 0; i < n; i++) {
		count[len[i] & 15]++;
		if (len[i] > t->max_len)
			t->max_len = len[i] & 15;
	}
	count[0] = 0;
	unsigned code = 0;
	for (unsigned l = 1; l <= t->max_len; l++) {
		code = (code + count[l - 1]) << 1;
		next[l] = code;
		if (code + count[l] > 1u << l)
			return -1;
	}
	unsigned used = t->max_len ? code + count[t->max_len] : 0;
	if (t->max_len && used != 1u << t->max_len && !(used == 1 && t->max_len == 1))
		return -1;
	for (unsigned i = 0; i < 1u << t->max_len; i++)
		t->entry[i] = 0;
	for (unsigned i = 0; i < n; i++) {
		unsigned l = len[i] & 15, c, r = 0;
		if (l == 0)
			continue;
		c = next[l]++;
		for (unsigned b = 0; b < l; b++) // codes come most significant bit first
			r |= (c >> b & 1) << (l - 1 - b);
		for (; r < 1u << t->max_len; r += 1u << l)
			t->entry[r] = (unsigned short)(i << 4 | l);
	}
	return 0;
}

// symbol decodes one symbol, or returns -1. Near the end of the input fewer
// bits than max_len may be there; a code that needs no more than those counts.
static int symbol(struct inflate *s, const struct table *t)
{
	have(s, t->max_len);
	unsigned e = t->entry[s->bits & ((1u << t->max_len) - 1)];
	unsigned l = e & 15;
	if (t->max_len == 0 || l == 0 || l > s->nbits)
		return -1;
	drop(s, l);
	return (int)(e >> 4);
}

static int flush(struct inflate *s, unsigned from)
{
	if (s->at > from && sink(s->window + from, s->at - from) < 0) {
		s->failed = INFLATE_SINK;
		return -1;
	}
	return 0;
}

// put adds one byte to the output; a full window goes to the sink.
static int put(struct inflate *s, unsigned char c)
{
	s->window[s->at++ & (WINDOW - 1)] = c;
	if (s->at < WINDOW)
		return 0;
	if (flush(s, 0) < 0)
		return -1;
	s->at = 0;
	s->full = 1;
	return 0;
}

static int copy(struct inflate *s, unsigned dist, unsigned n)
{
	if (dist > WINDOW || (!s->full && dist > s->at))
		return -1;
	while (n--)
		if (put(s, s->window[(s->at - dist) & (WINDOW - 1)]) < 0)
			return -1;
	return 0;
}

// Section 3.2.4.
static int stored(struct inflate *s)
{
	drop(s, s->nbits & 7);
	int n = take(s, 16), inverse = take(s, 16);
	if (n < 0 || inverse < 0 || n != (~inverse & 0xffff))
		return -1;
	while (n--) {
		int c = take(s, 8);
		if (c < 0 || put(s, (unsigned char)c) < 0)
			return -1;
	}
	return 0;
}

// Section 3.2.6.
static int fixed(struct inflate *s)
{
	for (unsigned i = 0; i < LITLEN_CODES; i++)
		s->len[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
	if (build(&s->litlen, s->len, LITLEN_CODES) < 0)
		return -1;
	for (unsigned i = 0; i < 32; i++)
		s->len[i] = 5;
	return build(&s->dist, s->len, 32);
}

// Section 3.2.7.
static int dynamic(struct inflate *s)
{
	static const unsigned char order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
	int a = take(s, 5), b = take(s, 5), c = take(s, 4);
	if (a < 0 || b < 0 || c < 0 || a + 257 > 286 || b + 1 > DIST_CODES)
		return -1;
	unsigned nlit = (unsigned)a + 257, ndist = (unsigned)b + 1, n = 0;
	unsigned char code[19] = {0};
	for (unsigned i = 0; i < (unsigned)c + 4; i++) {
		int l = take(s, 3);
		if (l < 0)
			return -1;
		code[order[i]] = (unsigned char)l;
	}
	if (build(&s->lengths, code, 19) < 0)
		return -1;
	while (n < nlit + ndist) {
		int sym = symbol(s, &s->lengths), more;
		unsigned char value = 0;
		unsigned repeat;
		if (sym < 0)
			return -1;
		if (sym < 16) {
			s->len[n++] = (unsigned char)sym;
			continue;
		}
		if (sym == 16) {
			if (n == 0)
				return -1;
			value = s->len[n - 1];
		}
		more = take(s, sym == 16 ? 2 : sym == 17 ? 3 : 7);
		if (more < 0)
			return -1;
		repeat = (unsigned)more + (sym == 18 ? 11 : 3);
		if (n + repeat > nlit + ndist)
			return -1;
		while (repeat--)
			s->len[n++] = value;
	}
	if (build(&s->litlen, s->len, nlit) < 0)
		return -1;
	return build(&s->dist, s->len + nlit, ndist);
}

// body decodes a block by the two tables until its end (section 3.2.5).
static int body(struct inflate *s)
{
	for (;;) {
		int sym = symbol(s, &s->litlen), more;
		unsigned n, dist, extra;
		if (sym < 0)
			return -1;
		if (sym < END_OF_BLOCK) {
			if (put(s, (unsigned char)sym) < 0)
				return -1;
			continue;
		}
		if (sym == END_OF_BLOCK)
			return 0;
		if (sym > 285)
			return -1;
		n = (unsigned)sym - 257;
		if (sym == 285) {
			n = 258;
		} else if (n < 8) {
			n += 3;
		} else {
			extra = (n - 4) / 4;
			more = take(s, extra);
			if (more < 0)
				return -1;
			n = ((4 + n % 4) << extra) + 3 + (unsigned)more;
		}
		sym = symbol(s, &s->dist);
		if (sym < 0 || sym >= DIST_CODES)
			return -1;
		dist = (unsigned)sym;
		if (dist < 4) {
			dist += 1;
		} else {
			extra = dist / 2 - 1;
			more = take(s, extra);
			if (more < 0)
				return -1;
			dist = ((2 + dist % 2) << extra) + 1 + (unsigned)more;
		}
		if (copy(s, dist, n) < 0)
			return -1;
	}
}

// inflate unpacks one stream; s is zeroed by the caller. Bytes behind the end
// of the stream are left to the source, apart from the few read ahead.
static enum inflate_result inflate(struct inflate *s)
{
	int last = 0;
	while (!last) {
		last = take(s, 1);
		int type = take(s, 2), r = -1;
		if (last < 0 || type < 0)
			return INFLATE_CORRUPT;
		switch (type) {
		case 0:
			r = stored(s);
			break;
		case 1:
			r = fixed(s) < 0 ? -1 : body(s);
			break;
		case 2:
			r = dynamic(s) < 0 ? -1 : body(s);
			break;
		}
		if (r < 0)
			return s->failed ? s->failed : INFLATE_CORRUPT;
	}
	return flush(s, 0) < 0 ? INFLATE_SINK : INFLATE_OK;
}
