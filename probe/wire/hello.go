package wire

import "slices"

// Split spreads the specs of a hello over as many hellos as the frame limit
// asks for, in order; mostly that is one. A reader takes the union of the
// specs of all hellos at the head of a stream. The error is a *FrameError when
// a single spec is too large.
func (h Hello) Split() ([]Hello, error) {
	if _, err := AppendFrame(nil, Frame{Seq: 1<<64 - 1, Hello: &h}); err == nil {
		return []Hello{h}, nil
	} else if len(h.Specs) < 2 {
		return nil, err
	}
	first, second := h, h
	half := len(h.Specs) / 2
	first.Specs, second.Specs = slices.Clip(h.Specs[:half]), h.Specs[half:]
	var out []Hello
	for _, part := range []Hello{first, second} {
		hs, err := part.Split()
		if err != nil {
			return nil, err
		}
		out = append(out, hs...)
	}
	return out, nil
}
