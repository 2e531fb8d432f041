package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Unit is what a number counts.
type Unit string

// The units.
const (
	None    Unit = ""
	Bytes   Unit = "bytes"
	Nanos   Unit = "ns"
	Count   Unit = "count"
	PID     Unit = "pid"
	Ratio   Unit = "ratio"
	Seconds Unit = "s"
)

// Attrs holds the fields of an event by name.
type Attrs map[string]Value

// Value is one of int64, float64, string or bool. In JSON an integer has
// neither point nor exponent and a float always has one of them, so that a
// value keeps its type over the wire without a schema.
type Value struct {
	kind byte // 'i', 'f', 's', 'b'; 0 is no value
	num  uint64
	str  string
}

// Scalar lists the types a field can have.
type Scalar interface {
	int64 | float64 | string | bool
}

// ValueOf wraps v.
func ValueOf[T Scalar](v T) Value {
	switch x := any(v).(type) {
	case int64:
		return Value{kind: 'i', num: uint64(x)}
	case float64:
		return Value{kind: 'f', num: math.Float64bits(x)}
	case string:
		return Value{kind: 's', str: x}
	case bool:
		val := Value{kind: 'b'}
		if x {
			val.num = 1
		}
		return val
	}
	panic("unreachable: Scalar is closed")
}

// As unwraps a value; ok is false when it has another type.
func As[T Scalar](v Value) (out T, ok bool) {
	switch p := any(&out).(type) {
	case *int64:
		*p, ok = int64(v.num), v.kind == 'i'
	case *float64:
		*p, ok = math.Float64frombits(v.num), v.kind == 'f'
	case *string:
		*p, ok = v.str, v.kind == 's'
	case *bool:
		*p, ok = v.num != 0, v.kind == 'b'
	}
	if !ok {
		var zero T
		return zero, false
	}
	return out, true
}

// Type returns "int", "float", "string", "bool", or "" for no value.
func (v Value) Type() string {
	switch v.kind {
	case 'i':
		return "int"
	case 'f':
		return "float"
	case 's':
		return "string"
	case 'b':
		return "bool"
	}
	return ""
}

// String renders the value for people.
func (v Value) String() string {
	switch v.kind {
	case 'i':
		return strconv.FormatInt(int64(v.num), 10)
	case 'f':
		return strconv.FormatFloat(math.Float64frombits(v.num), 'g', -1, 64)
	case 's':
		return v.str
	case 'b':
		return strconv.FormatBool(v.num != 0)
	}
	return ""
}

var errNoValue = errors.New("event: value is not a number, string or boolean")

// MarshalJSON refuses NaN and infinities, which JSON cannot hold.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.kind {
	case 'i':
		return strconv.AppendInt(nil, int64(v.num), 10), nil
	case 'f':
		f := math.Float64frombits(v.num)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("event: %v has no JSON form", f)
		}
		b := strconv.AppendFloat(nil, f, 'g', -1, 64)
		if !bytes.ContainsAny(b, ".e") {
			b = append(b, ".0"...)
		}
		return b, nil
	case 's':
		return json.Marshal(v.str)
	case 'b':
		return strconv.AppendBool(nil, v.num != 0), nil
	}
	return nil, errNoValue
}

// UnmarshalJSON takes numbers, strings and booleans.
func (v *Value) UnmarshalJSON(b []byte) error {
	if len(b) == 0 {
		return errNoValue
	}
	switch b[0] {
	case '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*v = ValueOf(s)
		return nil
	case 't', 'f':
		x, err := strconv.ParseBool(string(b))
		if err != nil {
			return errNoValue
		}
		*v = ValueOf(x)
		return nil
	}
	if bytes.ContainsAny(b, ".eE") {
		f, err := strconv.ParseFloat(string(b), 64)
		if err != nil {
			return errNoValue
		}
		*v = ValueOf(f)
		return nil
	}
	i, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return errNoValue
	}
	*v = ValueOf(i)
	return nil
}
