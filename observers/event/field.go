package event

// Field is a declared attribute of one or more kinds. Rules read it with its
// Go type, so a wrong type does not compile, while the wire stays flat.
type Field[T Scalar] struct {
	Name string
	Unit Unit
	Doc  string
}

// Set stores v in the event.
func (f Field[T]) Set(e *Event, v T) {
	if e.Attrs == nil {
		e.Attrs = Attrs{}
	}
	e.Attrs[f.Name] = ValueOf(v)
}

// Get reads the field; ok is false when it is absent or has another type.
func (f Field[T]) Get(e Event) (v T, ok bool) {
	val, ok := e.Attrs[f.Name]
	if !ok {
		return v, false
	}
	return As[T](val)
}

// Or reads the field, or returns def when it is absent.
func (f Field[T]) Or(e Event, def T) T {
	if v, ok := f.Get(e); ok {
		return v
	}
	return def
}

// Desc describes the field for schemas and documents.
func (f Field[T]) Desc() FieldDesc {
	var zero T
	return FieldDesc{Name: f.Name, Type: ValueOf(zero).Type(), Unit: f.Unit, Doc: f.Doc}
}

// FieldDesc is a field without its Go type.
type FieldDesc struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Unit Unit   `json:"unit,omitempty"`
	Doc  string `json:"doc,omitempty"`
}

// Described is anything that can describe itself as a field.
type Described interface{ Desc() FieldDesc }

// Fields lists the descriptions of fields in the given order.
func Fields(fs ...Described) []FieldDesc {
	out := make([]FieldDesc, len(fs))
	for i, f := range fs {
		out[i] = f.Desc()
	}
	return out
}
