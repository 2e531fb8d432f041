package dump

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/yairfalse/tapio/observers/cluster"
)

// parse reads the documents of a file, JSON or YAML.
func (r *reading) parse(path string, data []byte) {
	p := &parsing{reading: r, path: path}
	switch first := bytes.TrimLeft(data, " \t\r\n"); {
	case len(first) == 0 || first[0] == '[':
		r.Foreign++
		return
	case first[0] == '{':
		p.json(data)
	default:
		p.yaml(data)
	}
	switch {
	case p.failed == 1:
		r.problem(path, "holds an object that cannot be read: %v", p.first)
	case p.failed > 1:
		r.problem(path, "holds %d objects that cannot be read, the first one: %v", p.failed, p.first)
	}
	if p.broken != nil {
		r.problem(path, "cannot be read to its end: %v; %d objects of it are used", p.broken, p.used)
	}
	if p.used+p.failed == 0 && p.broken == nil && !p.typed {
		r.Foreign++
	}
}

// parsing is one file.
type parsing struct {
	*reading
	path   string
	typed  bool // something in it had apiVersion and kind
	used   int
	failed int
	first  error // of the objects that cannot be read
	broken error // why the rest of the file was not read
}

// json reads concatenated JSON documents.
func (p *parsing) json(data []byte) {
	s := scanner{data: data}
	for s.peek() != 0 && p.broken == nil && !p.full {
		p.document(&s)
	}
}

// document reads one object or list.
func (p *parsing) document(s *scanner) {
	begin := s.pos
	var apiVersion, kind string
	var items [][]byte
	hasItems := false
	err := s.fields(func(key string) error {
		if key == "items" && s.peek() == '[' {
			hasItems = true
			return s.items(func(item []byte) { items = append(items, item) })
		}
		v, err := s.value()
		if err != nil {
			return err
		}
		switch {
		case v[0] != '"':
		case key == "apiVersion":
			apiVersion = unquote(v)
		case key == "kind":
			kind = unquote(v)
		}
		return nil
	})
	p.broken = err
	switch {
	case apiVersion == "" || kind == "":
		if err != nil && len(items) == 0 {
			return
		}
		// A list whose kind comes last and is cut off: the items still tell theirs.
		p.list("", "", items)
	case strings.HasSuffix(kind, "List"):
		p.list(apiVersion, strings.TrimSuffix(kind, "List"), items)
		if !hasItems && err == nil {
			p.none(apiVersion, strings.TrimSuffix(kind, "List")) // "items": null
		}
	case err == nil:
		p.typed = true
		p.object(s.data[begin:s.pos], apiVersion, kind, false)
	}
}

// list reads the items of a list; kind is empty for a list of mixed kinds. In a
// typed list the items need not repeat their type.
func (p *parsing) list(apiVersion, kind string, items [][]byte) {
	p.typed = p.typed || kind != ""
	whole := p.broken == nil
	for i, item := range items {
		items[i] = nil
		if p.full {
			return
		}
		v, k, err := typeOf(item)
		switch {
		case err != nil:
			p.fail(err)
			continue
		case v != "" && k != "":
			p.typed = true
			p.object(item, v, k, whole)
		case kind != "":
			p.object(item, apiVersion, kind, whole)
		}
	}
	if len(items) == 0 && kind != "" && whole {
		p.none(apiVersion, kind)
	}
}

// none notes an empty list. Its folder tells the namespace: the list itself
// does not.
func (p *parsing) none(apiVersion, kind string) {
	p.typed = true
	r, _, ok := newObject(apiVersion, kind)
	if !ok {
		return
	}
	ns := ""
	if rel, err := filepath.Rel(p.root, p.path); err == nil && filepath.Dir(rel) != "." {
		ns = filepath.Base(filepath.Dir(rel))
	}
	p.empty = append(p.empty, cluster.Listed{Resource: r, Namespace: ns})
}

func newObject(apiVersion, kind string) (cluster.Resource, runtime.Object, bool) {
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return "", nil, false
	}
	return cluster.NewObject(gv.WithKind(kind))
}

func (p *parsing) fail(err error) {
	if p.failed++; p.failed == 1 {
		p.first = err
	}
}

// object decodes one object. whole tells that it is one of a complete list.
func (p *parsing) object(raw []byte, apiVersion, kind string, whole bool) {
	_, obj, ok := newObject(apiVersion, kind)
	if !ok {
		p.Passed[bounded(kind)]++
		return
	}
	if p.Objects >= maxObjects {
		p.enough(fmt.Sprintf("only the first %d objects are read, there are more", maxObjects))
		return
	}
	if err := json.Unmarshal(raw, obj); err != nil {
		p.fail(fmt.Errorf("%s: %s", bounded(kind), short(err)))
		return
	}
	if m, err := meta.Accessor(obj); err != nil || m.GetName() == "" {
		p.fail(fmt.Errorf("%s without a name", bounded(kind)))
		return
	}
	if t := cluster.Happened(obj); !t.After(p.latest) {
		p.times = append(p.times, t)
	}
	cluster.Slim(obj)
	p.used++
	p.Objects++
	if whole {
		p.whole = append(p.whole, obj)
	} else {
		p.parts = append(p.parts, obj)
	}
}

// bounded is a word from a file, short enough for a sentence.
func bounded(word string) string {
	if len(word) > 63 {
		return word[:60] + "..."
	}
	return word
}

// short is a decoder's error, short enough for a sentence.
func short(err error) string {
	s := err.Error()
	if i := errors.Unwrap(err); i != nil {
		s = i.Error()
	}
	if len(s) > 160 {
		s = s[:157] + "..."
	}
	return s
}
