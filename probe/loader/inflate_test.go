package loader

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// missing skips a test for want of a tool or a right, except under CI, where
// everything has to be there.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is needed under CI", what)
	}
	t.Skipf("needs %s", what)
}

// inflater is the loader's inflate in a process of its own.
type inflater struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func newInflater(t testing.TB) *inflater {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		missing(t, "a C compiler")
	}
	program := filepath.Join(t.TempDir(), "inflate")
	build := exec.Command(cc, "-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror",
		"-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-o", program, filepath.Join("testdata", "inflate_host.c"))
	if msg, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, msg)
	}
	run := exec.Command(program)
	run.Stderr = os.Stderr
	in, err := run.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := run.Wait(); err != nil {
			t.Errorf("the inflate program: %v", err)
		}
	})
	return &inflater{in: in, out: bufio.NewReader(out)}
}

// inflate returns the status (0 good, 1 corrupt, 2 good with bytes behind the
// end), the output and the hex SHA-256 of it.
func (f *inflater) inflate(t testing.TB, packed []byte) (status byte, out []byte, sum string) {
	t.Helper()
	if _, err := f.in.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(packed))), packed...)); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 5)
	if _, err := io.ReadFull(f.out, head); err != nil {
		t.Fatalf("the inflate program ended: %v; input %x", err, packed)
	}
	out = make([]byte, int(binary.LittleEndian.Uint32(head[1:]))+64)
	if _, err := io.ReadFull(f.out, out); err != nil {
		t.Fatal(err)
	}
	n := len(out) - 64
	return head[0], out[:n], string(out[n:])
}

// compare holds the loader's inflate against compress/flate.
func compare(t *testing.T, f *inflater, packed []byte) {
	t.Helper()
	rest := bytes.NewReader(packed)
	zr := flate.NewReader(rest)
	want, err := io.ReadAll(io.LimitReader(zr, 32<<20))
	if len(want) == 32<<20 {
		return
	}
	var wantStatus byte
	switch {
	case err != nil:
		wantStatus = 1
	case rest.Len() > 0:
		wantStatus = 2
	}
	status, got, sum := f.inflate(t, packed)
	if status != wantStatus {
		t.Fatalf("status %d, want %d (%v), input %x", status, wantStatus, err, packed)
	}
	if status == 1 {
		return
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%d bytes out, want %d, input %x", len(got), len(want), packed)
	}
	if h := sha256.Sum256(want); sum != hex.EncodeToString(h[:]) {
		t.Fatalf("SHA-256 of %d bytes is %s, want %x", len(want), sum, h)
	}
}

func deflate(t testing.TB, level int, raw []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw, err := flate.NewWriter(&buf, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := zw.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// samples are contents that make every sort of block and every distance.
func samples() map[string][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 200_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	words := make([]byte, 0, 300_000)
	for len(words) < 300_000 {
		at := r.IntN(1000)
		words = append(words, noise[at:at+3+r.IntN(30)]...)
	}
	far := append(append(bytes.Clone(noise[:32768]), noise[:32768]...), noise[:1000]...)
	m := map[string][]byte{"empty": {}, "one": {7}, "zeros": make([]byte, 1<<20), "noise": noise, "words": words, "far": far}
	for _, n := range []int{55, 56, 63, 64, 65, 32767, 32768, 32769} { // borders of hash blocks and of the window
		m[string(rune('a'+n%26))+"border"] = words[:n]
	}
	return m
}

func TestInflate(t *testing.T) {
	f := newInflater(t)
	for name, raw := range samples() {
		for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
			packed := deflate(t, level, raw)
			compare(t, f, packed)
			compare(t, f, append(bytes.Clone(packed), 0))
			if status, _, _ := f.inflate(t, packed); status != 0 {
				t.Errorf("%s at level %d: status %d", name, level, status)
			}
		}
	}
}

// Every truncation and every flipped bit of a small stream, and many of a large
// one.
func TestInflateDamaged(t *testing.T) {
	f := newInflater(t)
	s := samples()
	small := deflate(t, flate.BestCompression, s["words"][:400])
	for cut := range small {
		compare(t, f, small[:cut])
	}
	for bit := range len(small) * 8 {
		damaged := bytes.Clone(small)
		damaged[bit/8] ^= 1 << (bit % 8)
		compare(t, f, damaged)
	}
	r := rand.New(rand.NewPCG(3, 4))
	large := deflate(t, flate.BestCompression, s["words"])
	for range 200 {
		damaged := bytes.Clone(large)
		damaged[r.IntN(2000)] ^= 1 << r.IntN(8)
		compare(t, f, damaged)
	}
}

// Blocks by hand that no compressor makes.
func TestInflateOdd(t *testing.T) {
	f := newInflater(t)
	for name, packed := range map[string][]byte{
		"reserved type":          {0x07},
		"stored, empty, last":    {0x01, 0, 0, 0xff, 0xff},
		"stored, wrong check":    {0x01, 1, 0, 0xff, 0xff, 'x'},
		"stored, short":          {0x01, 2, 0, 0xfd, 0xff, 'x'},
		"fixed, only the end":    {0x03, 0x00},
		"fixed, distance first":  {0x03, 0x02, 0x00},
		"too many codes":         {0xfd, 0xff, 0xff},
		"all lengths zero":       {0x05, 0, 0, 0, 0, 0, 0, 0},
		"nothing":                {},
		"end in the block head":  {0x05, 0xe0},
		"two blocks":             {0x00, 1, 0, 0xfe, 0xff, 'a', 0x01, 1, 0, 0xfe, 0xff, 'b'},
		"stored of 65535 zeroes": append([]byte{0x01, 0xff, 0xff, 0, 0}, make([]byte, 65535)...),
	} {
		t.Run(name, func(t *testing.T) { compare(t, f, packed) })
	}
}

func FuzzInflate(f *testing.F) {
	for _, raw := range samples() {
		f.Add(deflate(f, flate.BestCompression, raw[:min(len(raw), 500)]))
		f.Add(deflate(f, flate.HuffmanOnly, raw[:min(len(raw), 100)]))
	}
	f.Add([]byte{0x01, 0, 0, 0xff, 0xff})
	inf := newInflater(f)
	f.Fuzz(func(t *testing.T, packed []byte) { compare(t, inf, packed) })
}
