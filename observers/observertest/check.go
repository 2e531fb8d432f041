// Package observertest is the conformance suite that every observer passes:
// only declared kinds and fields are emitted, one event at a time, the subject
// comes first, cancelling ends the run without an error, and what was emitted
// was counted.
package observertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// Check tells what is wrong with an event that an observer with this spec
// emitted, or nil.
func Check(spec observers.Spec, ev event.Event) error {
	i := slices.IndexFunc(spec.Emits, func(s observers.Schema) bool { return s.Kind == ev.Kind })
	if i < 0 {
		return fmt.Errorf("kind %q is not declared by observer %s", ev.Kind, spec.Name)
	}
	if ev.Kind.Observer() != spec.Name {
		return fmt.Errorf("kind %q does not carry the name of its observer, %s", ev.Kind, spec.Name)
	}
	var errs []error
	if ev.Seq != 0 {
		errs = append(errs, errors.New("has a sequence number, which only its source may give"))
	}
	if ev.At.IsZero() {
		errs = append(errs, errors.New("has no time"))
	}
	if ev.Span < 0 {
		errs = append(errs, fmt.Errorf("lasted %v", ev.Span))
	}
	errs = append(errs, checkRefs(ev.Refs)...)
	errs = append(errs, checkAttrs(spec.Emits[i], ev.Attrs)...)
	errs = append(errs, checkJSON(ev))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("event %s: %w", ev.Kind, err)
	}
	return nil
}

func checkRefs(refs []event.Ref) (errs []error) {
	if len(refs) == 0 || refs[0].Role != event.Subject {
		errs = append(errs, errors.New("the first reference is not the subject"))
	}
	for i, r := range refs {
		if r.Key.Type == "" || r.Key.ID == "" {
			errs = append(errs, fmt.Errorf("reference %d, %s, names nothing: %q", i, r.Role, r.Key))
		}
		if r.Role == event.Subject && i > 0 {
			errs = append(errs, fmt.Errorf("reference %d is a second subject", i))
		}
	}
	return errs
}

func checkAttrs(schema observers.Schema, attrs event.Attrs) (errs []error) {
	declared := map[string]string{}
	for _, f := range schema.Fields {
		declared[f.Name] = f.Type
	}
	for name, v := range attrs {
		switch want, ok := declared[name]; {
		case !ok:
			errs = append(errs, fmt.Errorf("field %q is not declared", name))
		case v.Type() != want:
			errs = append(errs, fmt.Errorf("field %q is of type %q, declared as %q", name, v.Type(), want))
		}
	}
	return errs
}

// checkJSON tells whether the event survives the wire.
func checkJSON(ev event.Event) error {
	b, err := json.Marshal(ev)
	if err != nil {
		return err
	}
	var back event.Event
	if err := json.Unmarshal(b, &back); err != nil {
		return err
	}
	if len(ev.Attrs) == 0 {
		ev.Attrs = nil // absent and empty are the same
	}
	ev.At, back.At = ev.At.UTC().Round(0), back.At.UTC()
	if !reflect.DeepEqual(ev, back) {
		return fmt.Errorf("comes out of JSON as another event: %s", b)
	}
	return nil
}

// CheckSpec tells what is wrong with a spec, or nil.
func CheckSpec(spec observers.Spec) error {
	var errs []error
	if spec.Name == "" || spec.Doc == "" {
		errs = append(errs, errors.New("a name or a description is missing"))
	}
	if spec.Side != observers.Node && spec.Side != observers.Cluster {
		errs = append(errs, fmt.Errorf("the side %q does not exist", spec.Side))
	}
	if len(spec.Emits) == 0 {
		errs = append(errs, errors.New("nothing is emitted"))
	}
	kinds := map[event.Kind]bool{}
	for _, s := range spec.Emits {
		if kinds[s.Kind] {
			errs = append(errs, fmt.Errorf("kind %q is declared twice", s.Kind))
		}
		kinds[s.Kind] = true
		if s.Kind.Observer() != spec.Name {
			errs = append(errs, fmt.Errorf("kind %q does not begin with the observer's name", s.Kind))
		}
		if s.Meaning == "" {
			errs = append(errs, fmt.Errorf("kind %q has no meaning", s.Kind))
		}
		fields := map[string]bool{}
		for _, f := range s.Fields {
			if fields[f.Name] || f.Name == "" || f.Type == "" || f.Doc == "" {
				errs = append(errs, fmt.Errorf("field %q of kind %q is declared twice, or without name, type or meaning", f.Name, s.Kind))
			}
			fields[f.Name] = true
		}
	}
	for _, n := range spec.Needs {
		if n.Type == "" || n.Name == "" {
			errs = append(errs, fmt.Errorf("need %q has no name or type", n.Name))
		}
	}
	if spec.Budget.EventsPerSecond <= 0 {
		errs = append(errs, errors.New("there is no budget of events"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("spec of observer %q: %w", spec.Name, err)
	}
	return nil
}
