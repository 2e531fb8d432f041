package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/probe/tape"
)

// readTape reads a tape whole; one that breaks off is taken as far as it goes.
func (c *common) readTape(path string) (*tape.Tape, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a directory, not a tape: give the file that --save or record wrote", path)
	}
	t, err := tape.Read(f)
	switch {
	case errors.Is(err, tape.ErrNotTape):
		return nil, fmt.Errorf("%s: %w; give a file that --save or record wrote", path, err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	case t.Cut:
		c.progress("%s breaks off after %d lines: the story is of what it holds", path, len(t.Lines))
	}
	return t, nil
}

func inputOf(h tape.Header) *input { return newInput(window.Target(h.Target), h.From) }

// fed is the engine's input from a whole tape, and the time that the story is
// told as of.
func fed(t *tape.Tape, now time.Time) (*input, time.Time) {
	in := inputOf(t.Header)
	for _, l := range t.Lines {
		if now.IsZero() || !l.At.After(now) {
			in.line(l)
		}
	}
	if now.IsZero() {
		now = in.newest
	}
	return in, now
}

const replayExample = `  # see a recorded run as it happened
  kubectl tapio replay checkout.tape

  # ten times as fast, or without waiting
  kubectl tapio replay checkout.tape --speed 10
  kubectl tapio replay checkout.tape --speed max`

func newReplay(c *common) *cobra.Command {
	o := &explainOptions{common: c, color: "auto"}
	speed := "1"
	cmd := &cobra.Command{
		Use:     "replay FILE",
		Short:   "Play a tape: the story each time it changes",
		Example: replayExample,
		Long: "Plays a tape that --save or record wrote, at the speed at which it was recorded, and prints\n" +
			"the story each time it changes. No cluster is contacted.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			times, err := parseSpeed(speed)
			if err != nil {
				return err
			}
			if !slices.Contains([]string{"auto", "always", "never"}, o.color) {
				return fmt.Errorf("unknown --color %q: allowed are auto, always and never", o.color)
			}
			t, err := c.readTape(args[0])
			if err != nil {
				return err
			}
			return o.replay(cmd.Context(), t, times)
		},
	}
	f := cmd.Flags()
	f.StringVar(&speed, "speed", speed, "how many times as fast as it was recorded, or max")
	f.BoolVar(&o.plain, "plain", false, "linear text without colour")
	f.StringVar(&o.color, "color", o.color, "auto, always or never")
	return cmd
}

// parseSpeed reads --speed; 0 stands for max.
func parseSpeed(s string) (float64, error) {
	if s == "max" {
		return 0, nil
	}
	n, err := strconv.ParseFloat(strings.TrimSuffix(s, "x"), 64)
	if err != nil || !(n >= 0.01 && n <= 100_000) {
		return 0, fmt.Errorf("--speed wants a number from 0.01 to 100000, or max, not %q", s)
	}
	return n, nil
}

// maxLooks bounds how often the story of a tape is told, however long the tape.
const maxLooks = 500

// replay plays the tape, speed times as fast as it was recorded, 0 without
// waiting.
func (o *explainOptions) replay(ctx context.Context, t *tape.Tape, speed float64) error {
	in := inputOf(t.Header)
	lines := slices.Clone(t.Lines)
	slices.SortStableFunc(lines, func(a, b tape.Line) int { return a.At.Compare(b.At) })
	if len(lines) == 0 {
		return fmt.Errorf("the tape holds nothing after its header: the run ended before anything arrived")
	}
	start, end := lines[0].At, lines[len(lines)-1].At
	step := max(lookEvery, end.Sub(start)/maxLooks)
	var shown string
	for at := start; ; at = at.Add(step) {
		if at.After(end) {
			at = end
		}
		n := 0
		for n < len(lines) && !lines[n].At.After(at) {
			in.line(lines[n])
			n++
		}
		lines = lines[n:]
		if n > 0 {
			s := in.story(at)
			if is := gist(s); is != shown || len(lines) == 0 {
				shown = is
				fmt.Fprintf(o.Out, "--- %s, %s into the tape\n", at.UTC().Format("15:04:05 UTC"), at.Sub(start).Round(100*time.Millisecond))
				if err := o.print(s); err != nil {
					return err
				}
			}
		}
		if len(lines) == 0 {
			return nil
		}
		if speed > 0 && !sleep(ctx, time.Duration(float64(step)/speed)) || ctx.Err() != nil {
			return exitInterrupted
		}
	}
}

// gist is what of a story is worth telling again when it changes; figures that
// change from second to second are not.
func gist(s *story.Story) string {
	parts := []string{string(s.Verdict), s.State, s.Headline}
	for _, h := range s.Hypotheses {
		parts = append(parts, h.Cause, h.Entity.Namespace, h.Entity.Name, h.Entity.Container, h.Status)
	}
	return strings.Join(parts, "\x00")
}

// sleep waits; false means that ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
