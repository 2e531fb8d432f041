package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/yairfalse/tapio/probe/tape"
)

func newTape(c *common) *cobra.Command {
	cmd := &cobra.Command{Use: "tape", Short: "Work on tapes", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(newRedact(c))
	return cmd
}

func newRedact(c *common) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:     "redact FILE -o FILE",
		Short:   "Replace all names on a tape, so that it can go into a bug report",
		Example: "  kubectl tapio tape redact checkout.tape -o report.tape",
		Long: "Replaces names of pods, namespaces, workloads, containers, processes, hosts and images,\n" +
			"addresses, paths and ids by pseudonyms, the same one wherever the name is used. The story\n" +
			"of the tape stays the same up to names. The key behind the pseudonyms is random, used once\n" +
			"and never kept.",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if out == "" {
				return fmt.Errorf("redact needs a file for the new tape: -o FILE")
			}
			t, err := c.readTape(args[0])
			if err != nil {
				return err
			}
			key := make([]byte, 32)
			if _, err := rand.Read(key); err != nil {
				return err
			}
			redacted, _ := tape.Redact(t, key)
			if err := writeTape(out, redacted); err != nil {
				return err
			}
			c.progress("%s holds %d lines without names; texts that were not recognised went, too", out, len(redacted.Lines))
			return nil
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "file of the new tape; an existing one is replaced")
	return cmd
}

// writeTape puts a tape in the place of a file, whole or not at all.
func writeTape(path string, t *tape.Tape) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	b := bufio.NewWriter(f)
	w, err := tape.NewWriter(b, t.Header)
	if err != nil {
		return err
	}
	for _, l := range t.Lines {
		if _, err := w.Write(l); err != nil {
			return err
		}
	}
	if err := errors.Join(w.Close(), b.Flush()); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
