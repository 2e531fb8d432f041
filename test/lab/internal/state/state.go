//go:build linux

// Package state is what the lab writes down: the status that the supervisor
// publishes, and a record of every setting of the machine that the lab
// changes, written before the change so that it can be undone at any moment.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/yairfalse/tapio/test/lab/internal/layout"
)

// Phase is how far the lab is.
type Phase string

// The phases of a lab, in order.
const (
	Starting Phase = "starting"
	Up       Phase = "up"
	Failed   Phase = "failed"
	Stopping Phase = "stopping"
)

// Daemon is one supervised program.
type Daemon struct {
	Name    string    `json:"name"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	Exit    string    `json:"exit,omitempty"` // empty while it runs
	Log     string    `json:"log"`
}

// Status is what the supervisor publishes.
type Status struct {
	Phase      Phase         `json:"phase"`
	Error      string        `json:"error,omitempty"`
	Supervisor int           `json:"supervisor"` // process id
	Started    time.Time     `json:"started"`
	Nodes      []layout.Node `json:"nodes"`
	PIDNS      bool          `json:"pidns,omitempty"` // whether each node has a pid namespace of its own
	Daemons    []Daemon      `json:"daemons"`
}

const maxFile = 1 << 20

func statusFile(d layout.Dir) string { return d.Path("status.json") }

// WriteStatus publishes the status.
func WriteStatus(d layout.Dir, s Status) error { return writeJSON(statusFile(d), s) }

// ReadStatus returns the published status; the error is fs.ErrNotExist when
// there is no lab.
func ReadStatus(d layout.Dir) (Status, error) {
	var s Status
	return s, readJSON(statusFile(d), &s)
}

// Images maps the name of an image to the digest of the tarball that was
// imported into every node.
type Images map[string]string

// ReadImages returns what was imported; nothing when there is no record.
func ReadImages(d layout.Dir) (Images, error) {
	m := Images{}
	err := readJSON(d.Path("images.json"), &m)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return m, err
}

// WriteImages records what was imported.
func WriteImages(d layout.Dir, m Images) error { return writeJSON(d.Path("images.json"), m) }

func readJSON(file string, v any) error {
	st, err := os.Stat(file)
	if err != nil {
		return err
	}
	if st.Size() > maxFile {
		return fmt.Errorf("%s is larger than %d bytes: it is not the lab's", file, maxFile)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	return nil
}

func writeJSON(file string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(file, append(b, '\n'), 0o644)
}

// WriteFile replaces a file at once: readers see the old content or the new.
// Parents are made.
func WriteFile(file string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return os.Rename(tmp.Name(), file)
}
