package host

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/yairfalse/tapio/observers"
	"golang.org/x/sys/unix"
)

// KernelLogFile is the need that readers of the kernel log have.
var KernelLogFile = observers.Need{Type: observers.Feature, Name: "/dev/kmsg", Why: "OOM kills from before the probe", Optional: true}

const (
	recordLimit = 16 << 10               // more than the kernel's CONSOLE_EXT_LOG_MAX
	followPoll  = 500 * time.Millisecond // how soon a follower sees that it shall end
)

// Record is one record of the kernel log.
type Record struct {
	Seq       uint64
	At        time.Duration // stamp of the log's own clock, about the time since boot
	Continues bool          // a fragment that continues an earlier record
	Text      string        // without the key=value lines that may follow it
}

// KernelLog reads /dev/kmsg of the node, from the oldest record it still holds.
type KernelLog struct {
	fd     int
	buf    [recordLimit]byte
	missed uint64
	next   uint64
}

// KernelLog opens the node's kernel log. The error is an
// *observers.Unsupported.
func (h *Host) KernelLog() (*KernelLog, error) {
	path := filepath.Join(h.root, "dev/kmsg")
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == nil {
		// Opening is allowed to more than reading is (check_syslog_permissions).
		if _, err = unix.Read(fd, make([]byte, recordLimit)); err == nil || harmless(err) {
			_, err = unix.Seek(fd, 0, io.SeekStart)
		}
		if err != nil {
			unix.Close(fd)
		}
	}
	if err != nil {
		return nil, &observers.Unsupported{Need: KernelLogFile, Why: "the node's kernel log cannot be read: " + err.Error()}
	}
	return &KernelLog{fd: fd}, nil
}

// harmless tells the errors that reading a kernel log has in ordinary life.
func harmless(err error) bool {
	return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.EINTR)
}

// Close ends reading.
func (l *KernelLog) Close() error { return unix.Close(l.fd) }

// Missed counts the records that the kernel overwrote before they were read.
func (l *KernelLog) Missed() uint64 { return l.missed }

// Next returns the next record that the kernel itself wrote, or io.EOF when
// there is none yet. Records that processes wrote are passed over: anyone who
// may open the device could forge them.
func (l *KernelLog) Next() (Record, error) {
	for {
		n, err := unix.Read(l.fd, l.buf[:])
		switch {
		case errors.Is(err, unix.EAGAIN):
			return Record{}, io.EOF
		case errors.Is(err, unix.EPIPE), errors.Is(err, unix.EINTR):
			continue // overwritten: the next read goes on with the oldest there is
		case errors.Is(err, unix.EINVAL):
			continue // longer than the buffer: the hole in the sequence counts it
		case err != nil:
			return Record{}, err
		case n == 0:
			return Record{}, io.EOF
		}
		rec, kernel, ok := ParseRecord(l.buf[:n])
		if !ok {
			continue
		}
		if l.next != 0 && rec.Seq > l.next {
			l.missed += rec.Seq - l.next
		}
		l.next = rec.Seq + 1
		if kernel {
			return rec, nil
		}
	}
}

// Follow calls each for the records there are and those to come, until ctx
// ends; then it returns nil.
func (l *KernelLog) Follow(ctx context.Context, each func(Record)) error {
	for ctx.Err() == nil {
		rec, err := l.Next()
		if err == nil {
			each(rec)
			continue
		}
		if !errors.Is(err, io.EOF) {
			return err
		}
		fds := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, int(followPoll/time.Millisecond)); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
	}
	return nil
}

// ParseRecord reads one record in the form of /dev/kmsg,
// "priority,sequence,microseconds,flags[,...];text" and further lines of keys
// (Documentation/ABI/testing/dev-kmsg). kernel tells whether the kernel wrote
// it: its facility is 0, which processes cannot use.
func ParseRecord(b []byte) (rec Record, kernel, ok bool) {
	head, text, found := bytes.Cut(b, []byte(";"))
	if !found {
		return Record{}, false, false
	}
	fields := strings.SplitN(string(head), ",", 5)
	if len(fields) < 4 {
		return Record{}, false, false
	}
	prio, err := strconv.ParseUint(fields[0], 10, 32)
	if err != nil {
		return Record{}, false, false
	}
	if rec.Seq, err = strconv.ParseUint(fields[1], 10, 64); err != nil {
		return Record{}, false, false
	}
	usec, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil || usec < 0 || usec > int64(1<<63-1)/1000 {
		return Record{}, false, false
	}
	rec.At = time.Duration(usec) * time.Microsecond
	rec.Continues = strings.Contains(fields[3], "c")
	line, _, _ := bytes.Cut(text, []byte("\n"))
	rec.Text = unescapeRecord(string(line))
	return rec, prio>>3 == 0, true
}

// unescapeRecord undoes the "\xHH" that the kernel writes for bytes that are
// not printable, except for those that would break a line.
func unescapeRecord(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] == 'x' {
			if c, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil && c >= ' ' && c != 0x7f {
				out.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}
