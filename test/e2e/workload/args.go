//go:build linux

package main

import (
	"flag"
	"io"
	"math"
	"strconv"
	"strings"
)

// size is a number of bytes on the command line.
type size int64

func (s *size) String() string { return strconv.FormatInt(int64(*s), 10) }

// Set reads "1048576", "1024Ki", "1Mi", "1Gi".
func (s *size) Set(text string) error {
	shift := 0
	digits := text
	for unit, n := range map[string]int{"Ki": 10, "Mi": 20, "Gi": 30} {
		if d, ok := strings.CutSuffix(text, unit); ok {
			digits, shift = d, n
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n > math.MaxInt64>>shift {
		return usagef("%q is not a size: write bytes, or a number with Ki, Mi or Gi", text)
	}
	*s = size(n << shift)
	return nil
}

// flags is the flag set of a mode.
func flags(mode string) *flag.FlagSet {
	f := flag.NewFlagSet(mode, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	return f
}

// parse reads flags that may stand before and after the count operands of a
// mode, and returns the operands.
func parse(f *flag.FlagSet, args []string, names ...string) ([]string, error) {
	var operands []string
	for {
		if err := f.Parse(args); err != nil {
			return nil, usagef("%s: %w", f.Name(), err)
		}
		if f.NArg() == 0 {
			break
		}
		operands, args = append(operands, f.Arg(0)), f.Args()[1:]
	}
	if len(operands) != len(names) {
		want := "no operands"
		if len(names) > 0 {
			want = strings.Join(names, " ")
		}
		return nil, usagef("%s takes %s, not %q", f.Name(), want, operands)
	}
	return operands, nil
}
