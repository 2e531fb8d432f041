package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/probe/wire"
)

// memoryLimit is the soft limit of the Go heap: the pod's limit is above it.
const memoryLimit = 64 << 20

const usage = `usage: tapio-probe agent --listen ADDRESS --token-sha256 HEX [--silence 15s] [--patience 30s]
       tapio-probe selftest
       tapio-probe version
`

// Main is the program of the probe. It returns the exit code: 0 at a regular
// end, 1 when the probe could not do its work, 2 for a wrong command line. open
// opens the node.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer, open func(wire.Start) (*Machine, error)) int {
	debug.SetMemoryLimit(memoryLimit)
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return 2
	}
	switch args[0] {
	case "agent":
		return runAgent(ctx, args[1:], stderr, open)
	case "selftest":
		return selftest(ctx, stdout, open)
	case "version":
		fmt.Fprintf(stdout, "tapio-probe %s protocol %d\n", wire.Build(), wire.Protocol)
		return 0
	}
	fmt.Fprintf(stderr, "tapio-probe: there is no command %q\n%s", args[0], usage)
	return 2
}

// runAgent serves until the run ends.
func runAgent(ctx context.Context, args []string, stderr io.Writer, open func(wire.Start) (*Machine, error)) int {
	flags := flag.NewFlagSet("agent", flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", "", "loopback `address` to listen on, as 127.0.0.1:7677")
	token := flags.String("token-sha256", "", "SHA-256 of the run's token, as 64 `hex` digits")
	silence := flags.Duration("silence", DefaultSilence, "end after this time without a word of the client")
	patience := flags.Duration("patience", DefaultPatience, "end after this time without a first client")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	cfg := Config{Build: wire.Build(), Silence: *silence, Patience: *patience, Open: open, Cost: ProcessCost}
	err := errors.Join(checkLoopback(*listen), setHash(&cfg, *token))
	if err == nil && (*silence <= 0 || *patience <= 0 || flags.NArg() > 0) {
		err = errors.New("--silence and --patience must be longer than nothing, and there are no arguments")
	}
	if err != nil {
		fmt.Fprintf(stderr, "tapio-probe: %v\n", err)
		return 2
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err == nil {
		err = Serve(ctx, ln, cfg)
	}
	if err != nil {
		fmt.Fprintf(stderr, "tapio-probe: %v\n", err)
		return 1
	}
	return 0
}

// checkLoopback refuses every address that others than the pod can reach.
func checkLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("--listen %q is not an address and a port, as 127.0.0.1:7677", address)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("--listen %q is not a loopback address: the probe may be reached through its pod alone", address)
	}
	return nil
}

func setHash(cfg *Config, token string) error {
	b, err := hex.DecodeString(token)
	if err != nil || len(b) != sha256.Size {
		return errors.New("--token-sha256 is not 64 hexadecimal digits")
	}
	cfg.TokenHash = [sha256.Size]byte(b)
	return nil
}

// selftest opens the node and every observer, one line each, and lets them go
// again. The exit code is 1 when not one observer works.
func selftest(ctx context.Context, stdout io.Writer, open func(wire.Start) (*Machine, error)) int {
	m, err := guard(func() (*Machine, error) { return open(wire.Start{Node: "selftest"}) })
	if err != nil {
		fmt.Fprintf(stdout, "node: cannot be observed: %v\n", err)
		return 1
	}
	fmt.Fprintf(stdout, "node: ok, kernel %s %s, build %s\n", m.Kernel, m.Arch, wire.Build())
	working := 0
	for _, e := range m.Observers {
		found, err := try(ctx, e)
		if err == nil {
			working++
			fmt.Fprintf(stdout, "%s: ok\n", e.Spec.Name)
		}
		for _, g := range found {
			need := ""
			if g.Need != (observers.Need{}) {
				need = string(g.Need.Type) + " " + g.Need.Name + ": "
			}
			fmt.Fprintf(stdout, "%s: gap: %s%s\n", e.Spec.Name, need, g.Why)
		}
	}
	if working == 0 {
		return 1
	}
	return 0
}

// try opens an observer and ends it at once. The error is why it does not work
// at all; the gaps hold that error too.
func try(ctx context.Context, e Entry) ([]wire.Gap, error) {
	o, err := guard(e.Open)
	if err == nil && o == nil {
		err = errors.New("it opened without an observer")
	}
	if err != nil {
		return gaps(e.Spec.Name, err), err
	}
	var found []wire.Gap
	if g, ok := o.(observers.Gapper); ok {
		for _, u := range g.Gaps() {
			found = append(found, gaps(e.Spec.Name, u)...)
		}
	}
	const moment = 100 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, moment)
	defer cancel()
	_, err = guard(func() (struct{}, error) { return struct{}{}, o.Run(ctx, func(event.Event) {}) })
	if err != nil {
		found = append(found, gaps(e.Spec.Name, err)...)
	}
	return found, err
}
