package tui

import (
	"encoding/base64"
	"io"
	"sync"

	"github.com/charmbracelet/x/term"
)

// terminal is the output, shared by the renderer and the clipboard: a write of
// one never falls into the middle of the other's.
type terminal struct {
	mu sync.Mutex
	w  io.Writer
}

// file is a terminal that is a file, so that its size can be asked for.
type file struct {
	*terminal
	term.File
}

func (f file) Write(b []byte) (int, error) { return f.terminal.Write(b) }

func newTerminal(w io.Writer) io.Writer {
	t := &terminal{w: w}
	if f, ok := w.(term.File); ok {
		return file{t, f}
	}
	return t
}

func (t *terminal) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.w.Write(b)
}

// maxCopied is what terminals take in one OSC 52 sequence; xterm stops there.
const maxCopied = 74994

// copySequence asks the terminal to put text on the clipboard (xterm's control
// sequence OSC 52). It holds base64 only, whatever the text is.
func copySequence(text string) string {
	return "\x1b]52;c;" + base64.StdEncoding.EncodeToString([]byte(text)) + "\x07"
}
