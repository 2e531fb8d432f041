package escape

import (
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	tests := []struct{ in, want string }{
		{"plain text", "plain text"},
		{"größe 東京", "größe 東京"},
		{"\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		{"two\nlines\tand a tab", "two lines and a tab"},
		{"bell\a back\b null\x00", `bell\x07 back\x08 null\x00`},
		{"c1 \u009b31m", `c1 \x9b31m`},
		{"abc\u202edcba", `abc\u{202e}dcba`},
		{"zero\u200bwidth", `zero\u{200b}width`},
		{"broken \xff\xfe", `broken \xff\xfe`},
		{"", ""},
	}
	for _, tt := range tests {
		if got := Text(tt.in); got != tt.want {
			t.Errorf("Text(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("\x1b]0;title\a")
	f.Add("\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		out := Text(s)
		if !utf8.ValidString(out) {
			t.Fatalf("not UTF-8: %q", out)
		}
		for _, r := range out {
			if r != ' ' && !unicode.IsPrint(r) {
				t.Fatalf("%q leaves %U", s, r)
			}
		}
	})
}
