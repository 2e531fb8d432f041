package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/yairfalse/tapio/observers"
	"golang.org/x/sys/unix"
)

func TestParseRecord(t *testing.T) {
	tests := map[string]struct {
		in     string
		want   Record
		kernel bool
		ok     bool
	}{
		"plain":             {"6,1872,2703134639,-;text; with more, and more\n", Record{Seq: 1872, At: 2703134639 * time.Microsecond, Text: "text; with more, and more"}, true, true},
		"with keys":         {"6,1,5,-;text\n SUBSYSTEM=pci\n DEVICE=+pci:0\n", Record{Seq: 1, At: 5 * time.Microsecond, Text: "text"}, true, true},
		"with caller":       {"6,1,5,-,caller=T1;text\n", Record{Seq: 1, At: 5 * time.Microsecond, Text: "text"}, true, true},
		"continuation":      {"6,1,5,c;text\n", Record{Seq: 1, At: 5 * time.Microsecond, Continues: true, Text: "text"}, true, true},
		"of a process":      {"12,1,5,-;Memory cgroup out of memory: Killed process 1 (x)\n", Record{Seq: 1, At: 5 * time.Microsecond, Text: "Memory cgroup out of memory: Killed process 1 (x)"}, false, true},
		"escaped":           {`6,1,5,-;a\x5cb\xc3\xa9\x0a\x7f\xzz\x4` + "\n", Record{Seq: 1, At: 5 * time.Microsecond, Text: `a\bé\x0a\x7f\xzz\x4`}, true, true},
		"cut off":           {"6,1,5,-;te", Record{Seq: 1, At: 5 * time.Microsecond, Text: "te"}, true, true},
		"empty text":        {"6,1,5,-;", Record{Seq: 1, At: 5 * time.Microsecond}, true, true},
		"no text":           {"6,1,5,-", Record{}, false, false},
		"too few fields":    {"6,1,5;x", Record{}, false, false},
		"no priority":       {"x,1,5,-;x", Record{}, false, false},
		"negative priority": {"-6,1,5,-;x", Record{}, false, false},
		"no sequence":       {"6,,5,-;x", Record{}, false, false},
		"negative time":     {"6,1,-5,-;x", Record{}, false, false},
		"endless time":      {"6,1,9223372036854775807,-;x", Record{}, false, false},
		"nothing":           {"", Record{}, false, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			rec, kernel, ok := ParseRecord([]byte(tt.in))
			if diff := cmp.Diff(tt.want, rec); diff != "" || kernel != tt.kernel || ok != tt.ok {
				t.Errorf("kernel %v, ok %v, expected %v, %v\n%s", kernel, ok, tt.kernel, tt.ok, diff)
			}
		})
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte("6,1872,2703134639,-;text\n SUBSYSTEM=pci\n"))
	f.Add([]byte(`12,1,5,c,caller=T1;a\x5cb`))
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, kernel, ok := ParseRecord(b)
		if kernel && !ok || rec.At < 0 || strings.Contains(rec.Text, "\n") || len(rec.Text) > len(b) {
			t.Errorf("%q became %+v", b, rec)
		}
	})
}

// device is a kernel log whose records the test writes: like /dev/kmsg a
// sequenced-packet socket returns one record a read.
func device(t *testing.T) (*KernelLog, func(string)) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	log := &KernelLog{fd: fds[0]}
	t.Cleanup(func() {
		log.Close()
		unix.Close(fds[1])
	})
	return log, func(record string) {
		if _, err := unix.Write(fds[1], []byte(record)); err != nil {
			t.Error(err)
		}
	}
}

func TestKernelLogNext(t *testing.T) {
	log, write := device(t)
	if _, err := log.Next(); err != io.EOF {
		t.Errorf("an empty log says %v", err)
	}
	for _, r := range []string{"6,10,1,-;a\n", "14,11,2,-;forged\n", "garbage", "6,12,3,-;b\n", "6,20,4,-;c\n"} {
		write(r)
	}
	var got []string
	for {
		rec, err := log.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, rec.Text)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, got); diff != "" {
		t.Error(diff)
	}
	if log.Missed() != 7 {
		t.Errorf("%d records were overwritten, expected 7 (13 to 19)", log.Missed())
	}
}

func TestKernelLogFollow(t *testing.T) {
	log, write := device(t)
	ctx, cancel := context.WithCancel(t.Context())
	write("6,1,1,-;first\n")
	n := 0
	err := log.Follow(ctx, func(r Record) {
		if n++; n == 3 {
			cancel()
			return
		}
		write(fmt.Sprintf("6,%d,1,-;next\n", r.Seq+1))
	})
	if err != nil || n != 3 {
		t.Errorf("followed %d records and ended with %v", n, err)
	}
}

func TestKernelLogBreaks(t *testing.T) {
	log, _ := device(t)
	log.Close()
	if _, err := log.Next(); !errors.Is(err, unix.EBADF) {
		t.Errorf("a log that broke says %v", err)
	}
	if err := log.Follow(t.Context(), func(Record) {}); !errors.Is(err, unix.EBADF) {
		t.Errorf("following a log that broke says %v", err)
	}
}

func TestNoKernelLog(t *testing.T) {
	root := t.TempDir()
	for name, prepare := range map[string]func(){
		"missing":   func() {},
		"directory": func() { mkdirs(t, root, "dev/kmsg") },
	} {
		prepare()
		_, err := (&Host{root: root}).KernelLog()
		if !errors.Is(err, observers.ErrUnsupported) || !strings.Contains(fmt.Sprint(err), "kernel log cannot be read") {
			t.Errorf("%s: the reason is %v", name, err)
		}
	}
}

func TestLiveKernelLog(t *testing.T) {
	log, err := (&Host{root: "/"}).KernelLog()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("cannot run here: %v", err)
	}
	defer log.Close()
	var last uint64
	for n := 0; ; n++ {
		rec, err := log.Next()
		if err == io.EOF {
			if n == 0 {
				t.Error("the kernel has logged nothing since it booted")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 && rec.Seq <= last {
			t.Fatalf("record %d follows record %d", rec.Seq, last)
		}
		last = rec.Seq
	}
}

func TestReadSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	write(t, path, "12345")
	if b, err := readSmall(path, 5); err != nil || string(b) != "12345" {
		t.Errorf("read %q, %v", b, err)
	}
	if _, err := readSmall(path, 4); err == nil || !strings.Contains(err.Error(), "longer than 4 bytes") {
		t.Errorf("a longer file says %v", err)
	}
	if _, err := readSmall(path+"x", 4); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file says %v", err)
	}
}
