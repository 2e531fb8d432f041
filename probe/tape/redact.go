package tape

import (
	"maps"
	"slices"
	"strings"

	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/probe/wire"
)

// Redact returns a copy of a tape in which names, addresses, paths and ids are
// pseudonyms, and what each pseudonym stands for. A name has the same
// pseudonym wherever it is used; pseudonyms sort as their names do, so that the
// story of the copy is the story of the tape up to names. Without the key
// nobody can tell whether a guessed name is behind a pseudonym.
//
// Free text keeps known words, numbers and pseudonyms alone; times, quantities,
// kinds and reasons stay.
func Redact(t *Tape, key []byte) (copied *Tape, names map[string]string) {
	r := &redactor{found: [classes]map[string]string{}}
	for i := range r.found {
		r.found[i] = map[string]string{}
	}
	r.tape(t)
	names = r.rank(key)
	return r.tape(t), names
}

// plain names the string fields that hold one of a fixed set of words, which
// stay. Whatever is in none of these maps is free text.
var plain = map[string]bool{
	// probes and Services
	"which": true, "method": true, "asks": true, "speaks": true, "problem": true, "protocol": true,
	// the first observers, and signals
	"phase": true, "reason": true, "state": true, "container_role": true, "type": true, "what": true, "origin": true,
	"constraint": true, "component": true, "result": true, "disposition": true, "sender": true, "fault": true, "address": true,
	// scheduling and storage
	"against": true, "words": true, "by": true, "of": true, "allowed": true, "lifts": true, "told": true,
	"class_is": true, "trouble": true, "field": true,
	// containers, images and configuration
	"failure": true, "class": true, "why": true, "differs": true, "object": true,
}

// named gives the class of what other string fields hold.
var named = map[string]class{
	"namespace": word, "name": word, "victim_comm": process, "trigger_comm": process, "target_comm": process, "sender_comm": process, "comm": process, "image": image, "container_id": runtimeID,
	"scheduler": word, "nominated": word, "missing_node": word, "victim": word, "budget": word, "pod": word, "class_name": word, "volume_name": word, "example": word, "volume": word,
	"other_image": image, "earlier": image,
}

func (r *redactor) tape(t *Tape) *Tape {
	out := &Tape{Header: t.Header, Cut: t.Cut, Lines: make([]Line, 0, len(t.Lines))}
	h := &out.Header.Target
	h.Namespace, h.Name = r.of(word, h.Namespace), r.of(word, h.Name)
	h.Key, h.Pods = r.key(h.Key), slices.Clone(h.Pods)
	for i := range h.Pods {
		h.Pods[i] = r.key(h.Pods[i])
	}
	for _, l := range t.Lines {
		l.Source.Name = r.source(l.Source.Name)
		if l.Frame != nil {
			f := r.frame(*l.Frame)
			l.Frame = &f
		}
		out.Lines = append(out.Lines, l)
	}
	return out
}

// source keeps "api" and the like and takes the name from "node/NAME".
func (r *redactor) source(s string) string {
	if kind, name, ok := strings.Cut(s, "/"); ok {
		return kind + "/" + r.of(word, name)
	}
	return s
}

func (r *redactor) frame(f wire.Frame) wire.Frame {
	switch {
	case f.Event != nil:
		e := *f.Event
		e.Refs = slices.Clone(e.Refs)
		for i := range e.Refs {
			e.Refs[i].Key = r.key(e.Refs[i].Key)
		}
		e.Attrs = r.attrs(e.Attrs)
		f.Event = &e
	case f.Gap != nil:
		g := *f.Gap
		g.Need.Name, g.Need.Why, g.Why = r.known(g.Need.Name), r.known(g.Need.Why), r.text(g.Why)
		f.Gap = &g
	case f.Hello != nil:
		h := *f.Hello
		h.Node, h.BootID = r.of(word, h.Node), r.of(uid, h.BootID)
		f.Hello = &h
	case f.Bye != nil:
		f.Bye = &wire.Bye{Reason: r.text(f.Bye.Reason)}
	}
	return f
}

func (r *redactor) attrs(in event.Attrs) event.Attrs {
	out := maps.Clone(in)
	for name, v := range in {
		s, ok := event.As[string](v)
		switch c, isName := named[name]; {
		case !ok:
		case isName:
			out[name] = event.ValueOf(r.of(c, s))
		case !plain[name] || strings.ContainsAny(s, " ./:@"):
			out[name] = event.ValueOf(r.text(s))
		}
	}
	return out
}

// key replaces the names inside a key (see event.EntityType).
func (r *redactor) key(k event.Key) event.Key {
	parts := strings.Split(k.ID, "/")
	last := len(parts) - 1
	switch k.Type {
	case event.Pod:
		k.ID = r.of(uid, k.ID)
		return k
	case event.Addr:
		k.ID = r.text(k.ID)
		return k
	case event.Container, event.Cgroup:
		if strings.HasPrefix(k.ID, "/") {
			k.ID = r.of(path, k.ID)
			return k
		}
		parts[0] = r.of(uid, parts[0])
		c := word
		if k.Type == event.Cgroup {
			c = runtimeID
		}
		for i := 1; i <= last; i++ {
			parts[i] = r.of(c, parts[i])
		}
	case event.Workload, event.Config: // the kind in front stays
		for i := 1; i <= last; i++ {
			parts[i] = r.of(word, parts[i])
		}
	default:
		for i := range parts {
			parts[i] = r.of(word, parts[i])
		}
	}
	k.ID = strings.Join(parts, "/")
	return k
}
