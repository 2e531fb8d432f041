package agent

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/yairfalse/tapio/probe/wire"
)

// refusal is told to the client; every other error of a handshake is not,
// because whoever is there does not speak the protocol.
type refusal struct {
	sentence string
}

func (r *refusal) Error() string { return r.sentence }

// greet reads the first frame of a connection and checks it.
func (s *server) greet(conn net.Conn) (*client, error) {
	if err := conn.SetReadDeadline(time.Now().Add(startTimeout)); err != nil {
		return nil, err
	}
	r, err := wire.NewReader(conn)
	if err != nil {
		return nil, err
	}
	f, err := r.Next()
	if err != nil {
		var bad *wire.FrameError
		if errors.As(err, &bad) {
			return nil, &refusal{"the first frame is not valid: use kubectl-tapio of build " + s.cfg.Build}
		}
		return nil, err
	}
	if f.Start == nil {
		return nil, &refusal{"the first frame is not a start: use kubectl-tapio of build " + s.cfg.Build}
	}
	if err := s.cfg.check(*f.Start); err != nil {
		return nil, err
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	return &client{conn: conn, r: r, start: *f.Start}, nil
}

// check holds a start frame against the configuration. The token comes first:
// nobody else learns anything from the answer.
func (c *Config) check(start wire.Start) error {
	hash := sha256.Sum256([]byte(start.Token))
	switch {
	case subtle.ConstantTimeCompare(hash[:], c.TokenHash[:]) != 1:
		return &refusal{"the token is not the one of this run"}
	case start.Protocol != wire.Protocol:
		return &refusal{fmt.Sprintf("this probe speaks protocol %d and kubectl-tapio %d: use a probe and a kubectl-tapio of the same build", wire.Protocol, start.Protocol)}
	case start.Build != c.Build:
		return &refusal{fmt.Sprintf("this probe is build %s and kubectl-tapio is build %s: use a probe and a kubectl-tapio of the same build", c.Build, start.Build)}
	}
	return nil
}

// sayBye writes one bye as a whole stream and lets the client read it.
func sayBye(conn net.Conn, reason string) {
	_ = conn.SetDeadline(time.Now().Add(byeTimeout))
	w, err := wire.NewWriter(conn)
	if err != nil {
		return
	}
	if w.Write(wire.Frame{Bye: &wire.Bye{Reason: clip(reason)}}) != nil || w.Close() != nil {
		return
	}
	if closeWrite(conn) {
		// A connection closed with unread input is reset, and the reset may
		// overtake the bye.
		_, _ = io.CopyN(io.Discard, conn, wire.MaxFrame)
	}
}

// closeWrite ends the sending half of a connection that has halves.
func closeWrite(conn net.Conn) bool {
	half, ok := conn.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}

// clip bounds a reason: what a kernel's verifier says can fill pages.
func clip(s string) string {
	const most = 2000
	if len(s) <= most {
		return s
	}
	return s[:most] + " ..."
}
