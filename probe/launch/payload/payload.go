// Package payload is the probe that the plugin carries to nodes: one static
// Linux program for each architecture, compressed and cut into parts that fit
// into ConfigMaps, and the loader that puts it together again.
package payload

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/yairfalse/tapio/probe/wire"
)

const (
	// PartSize bounds one part. A ConfigMap holds 1 MiB (API server validation
	// of the sum of its values); the rest is room for its metadata.
	PartSize = 900 << 10
	// MaxSize bounds the unpacked probe, as the loader does.
	MaxSize = 64 << 20
)

// Arches are the architectures a complete build carries, as GOARCH and the
// node's status.nodeInfo.architecture name them.
func Arches() []string { return []string{"amd64", "arm64"} }

// ErrMissing is matched when this build carries no probe for an architecture.
var ErrMissing = errors.New("no probe in this build")

// ErrStale is matched when the probe this build carries is of another build.
var ErrStale = errors.New("the probe in this build is of another build")

// Payload is the probe of one architecture.
type Payload struct {
	Arch   string
	Build  string   // wire.Build() of the probe, what Start.Build must say to it
	SHA256 string   // of the unpacked probe, lower-case hex
	Loader []byte   // static ELF program, called as: loader SHA256 ARGS...
	Parts  [][]byte // at most PartSize each, in order; mounted as /tapio/0/part, /tapio/1/part, ...
}

// Meta is the content of probe-linux-ARCH.json.
type Meta struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"` // bytes unpacked
	Build  string `json:"build"`
}

//go:embed *-linux-*
var files embed.FS

// Load returns the probe for an architecture. The bytes are shared and must
// not be changed. An unstamped plugin (go run, go test) takes the probe it
// carries as its own; every other plugin refuses a probe of another build.
func Load(arch string) (Payload, error) {
	return load(files, wire.Build(), arch)
}

func load(fsys fs.FS, build, arch string) (Payload, error) {
	read := func(name string) ([]byte, error) {
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, &failure{ErrMissing, fmt.Sprintf("this build of kubectl-tapio carries no probe for linux/%s: run make build, or pass --probe-image", arch)}
		}
		return b, nil
	}
	loader, err := read("loader-linux-" + arch)
	if err != nil {
		return Payload{}, err
	}
	sidecar, err := read("probe-linux-" + arch + ".json")
	if err != nil {
		return Payload{}, err
	}
	packed, err := read("probe-linux-" + arch + ".fl")
	if err != nil {
		return Payload{}, err
	}
	var m Meta
	if err := json.Unmarshal(sidecar, &m); err != nil {
		return Payload{}, fmt.Errorf("the description of the probe for linux/%s is broken, run make build: %w", arch, err)
	}
	sum, err := hex.DecodeString(m.SHA256)
	if err != nil || len(sum) != sha256.Size || m.Size <= 0 || m.Size > MaxSize || m.Build == "" || len(packed) == 0 {
		return Payload{}, fmt.Errorf("the description of the probe for linux/%s is incomplete: run make build", arch)
	}
	if build != wire.Unstamped && build != m.Build {
		return Payload{}, &failure{ErrStale, fmt.Sprintf("this kubectl-tapio is build %s but carries the probe of build %s: run make build, or pass --probe-image", build, m.Build)}
	}
	return Payload{Arch: arch, Build: m.Build, SHA256: hex.EncodeToString(sum), Loader: loader, Parts: cut(packed, PartSize)}, nil
}

// cut divides b into parts of at most size bytes.
func cut(b []byte, size int) [][]byte {
	var parts [][]byte
	for len(b) > size {
		parts = append(parts, b[:size:size])
		b = b[size:]
	}
	return append(parts, b)
}

// failure is a sentence that matches a sentinel without repeating it.
type failure struct {
	is       error
	sentence string
}

func (f *failure) Error() string { return f.sentence }

func (f *failure) Unwrap() error { return f.is }
