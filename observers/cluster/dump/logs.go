package dump

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/yairfalse/tapio/observers/cluster"
)

// shelf finds log files: NAMESPACE/POD/logs.txt as kubectl cluster-info dump
// writes it, logs.previous.txt of the instance before, and logs.CONTAINER.txt
// where containers have files of their own.
type shelf struct {
	files      map[string]string // by "NAMESPACE/POD/" and the file's name without .gz
	containers map[string][]string
}

func newShelf() *shelf {
	return &shelf{files: map[string]string{}, containers: map[string][]string{}}
}

// shelve notes a file that is a log by its name.
func (s *shelf) shelve(path string) bool {
	name := strings.TrimSuffix(filepath.Base(path), ".gz")
	if !strings.HasPrefix(name, "logs.") || !strings.HasSuffix(name, ".txt") {
		return false
	}
	pod := filepath.Dir(path)
	s.files[filepath.Base(filepath.Dir(pod))+"/"+filepath.Base(pod)+"/"+name] = path
	return true
}

// learn notes the containers of the pods, the one that kubectl takes for the
// main one first.
func (s *shelf) learn(objs []runtime.Object) {
	for _, obj := range objs {
		p, ok := obj.(*corev1.Pod)
		if !ok {
			continue
		}
		var names []string
		for _, c := range p.Spec.Containers {
			names = append(names, c.Name)
		}
		if i := slices.Index(names, p.Annotations["kubectl.kubernetes.io/default-container"]); i > 0 {
			names[0], names[i] = names[i], names[0]
		}
		s.containers[p.Namespace+"/"+p.Name] = names
	}
}

// open implements cluster.Logs.
func (s *shelf) open(ctx context.Context, namespace, pod, container string, o cluster.LogOptions) (io.ReadCloser, error) {
	at, previous := namespace+"/"+pod, ""
	if o.Previous {
		previous = "previous."
	}
	for _, name := range []string{container + "." + previous, previous + container + "."} {
		if path, ok := s.files[at+"/logs."+name+"txt"]; ok {
			return tail(ctx, path, "", o)
		}
	}
	path, ok := s.files[at+"/logs."+previous+"txt"]
	if !ok {
		return nil, cluster.ErrNoLogs
	}
	rc, err := tail(ctx, path, fmt.Sprintf("container %s of pod %s/%s", container, namespace, pod), o)
	if !errors.Is(err, errNoSections) {
		return rc, err
	}
	if names := s.containers[at]; len(names) == 0 || names[0] != container {
		return nil, cluster.ErrNoLogs
	}
	return tail(ctx, path, "", o)
}

// errNoSections tells that a log is not parted by container.
var errNoSections = errors.New("the log is not parted by container")

const (
	sectionBegins = "==== START logs for "
	sectionEnds   = "==== END logs for "
	maxLine       = 64 << 10
)

// tail reads the lines of a log that the options ask for; with a section, those
// of that section.
func tail(ctx context.Context, path, section string, o cluster.LogOptions) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, reason(err)
	}
	defer f.Close()
	in, err := unpack(f)
	if err != nil {
		return nil, fmt.Errorf("its gzip is broken: %w", err)
	}
	keep := newEnd(o)
	b := bufio.NewReaderSize(io.LimitReader(in, maxFile), maxLine)
	within, parted := section == "", false
	for n := 0; ; n++ {
		line, err := b.ReadSlice('\n')
		if long := errors.Is(err, bufio.ErrBufferFull); err != nil && !long && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("it breaks off or is damaged: %w", err)
		}
		if n%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		text := bytes.TrimRight(line, "\r\n")
		switch rest, begins := bytes.CutPrefix(text, []byte(sectionBegins)); {
		case begins:
			parted = true
			within = section != "" && string(bytes.TrimSuffix(rest, []byte(" ===="))) == section
			keep.any = keep.any || within
		case bytes.HasPrefix(text, []byte(sectionEnds)):
			within = false
		case within && len(line) > 0:
			keep.add(line)
		}
		if errors.Is(err, io.EOF) {
			break
		}
	}
	switch {
	case section != "" && !parted:
		return nil, errNoSections
	case section != "" && !keep.any:
		return nil, cluster.ErrNoLogs
	}
	return io.NopCloser(bytes.NewReader(keep.bytes())), nil
}

// end keeps the last lines of a log.
type end struct {
	o     cluster.LogOptions
	any   bool
	lines [][]byte
	size  int64
}

func newEnd(o cluster.LogOptions) *end {
	if o.LimitBytes <= 0 || o.LimitBytes > maxFile/16 {
		o.LimitBytes = maxFile / 16
	}
	return &end{o: o}
}

func (e *end) add(line []byte) {
	e.any = true
	if !e.o.Since.IsZero() {
		stamp, _, _ := bytes.Cut(line, []byte(" "))
		if t, err := time.Parse(time.RFC3339Nano, string(stamp)); err == nil && t.Before(e.o.Since.Truncate(time.Second)) {
			return
		}
	}
	e.lines = append(e.lines, bytes.Clone(line))
	e.size += int64(len(line))
	for len(e.lines) > 0 && (e.size > e.o.LimitBytes || e.o.TailLines > 0 && int64(len(e.lines)) > e.o.TailLines) {
		e.size -= int64(len(e.lines[0]))
		e.lines[0] = nil
		e.lines = e.lines[1:]
	}
}

func (e *end) bytes() []byte { return bytes.Join(e.lines, nil) }
