//go:build linux

package supervise

import (
	"io"
	"os"
	"strings"
)

// tailBytes bounds what Tail reads of a log.
const tailBytes = 16 << 10

// Tail returns the last lines of a log file, or a sentence why there are none.
func Tail(file string, lines int) string {
	f, err := os.Open(file)
	if err != nil {
		return "(no log: " + err.Error() + ")"
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "(no log: " + err.Error() + ")"
	}
	b, err := io.ReadAll(io.NewSectionReader(f, max(0, st.Size()-tailBytes), tailBytes))
	text := strings.TrimRight(string(b), "\n")
	if err != nil || text == "" {
		return "(the log " + file + " is empty)"
	}
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
