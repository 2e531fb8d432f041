package tape

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func FuzzRead(f *testing.F) {
	f.Add(encode(f, header(2), true, lines()...))
	f.Add(compressed(f, `{"tape":1}`+"\n{}\n"))
	f.Add([]byte("junk"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := Read(bytes.NewReader(raw))
		if err != nil {
			if got != nil || strings.ContainsRune(err.Error(), '\n') {
				t.Fatalf("%v with %v", got, err)
			}
			return
		}
		redacted, _ := Redact(got, []byte("key"))
		if len(redacted.Lines) != len(got.Lines) {
			t.Fatalf("redacting %d lines gave %d", len(got.Lines), len(redacted.Lines))
		}
	})
}

// FuzzLine reads lines without the compression around them.
func FuzzLine(f *testing.F) {
	for _, l := range lines() {
		b, err := appendLine(nil, l)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := decodeLine(raw)
		if err != nil {
			return
		}
		again, err := appendLine(nil, l)
		if err != nil {
			return // a time beyond the year 9999, or longer in its written form
		}
		back, err := decodeLine(again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if d := cmp.Diff(l, back, equal); d != "" {
			t.Fatalf("a line changes by being written (-first +second):\n%s", d)
		}
	})
}
