package memory

import (
	"strings"
	"testing"
)

const unlimited = 1<<63/4096 - 1 // PAGE_COUNTER_MAX

func level(name string, usage, limit uint64, oom bool) Level {
	return Level{Name: name, Usage: usage, Max: limit, OOM: oom}
}

func TestLimiting(t *testing.T) {
	tests := map[string]struct {
		chain    Chain
		oomKnown bool
		want     int // -1: none
	}{
		"container":                                   {Chain{level("c", 1000, 1000, true), level("pod", 1100, 5000, false), level("", 9000, unlimited, false)}, true, 0},
		"pod over its containers":                     {Chain{level("c", 400, unlimited, true), level("pod", 1000, 1000, true), level("", 9000, unlimited, false)}, true, 1},
		"pod, though the container is full too":       {Chain{level("c", 1000, 1000, true), level("pod", 2000, 2000, true)}, true, 1},
		"ancestor":                                    {Chain{level("c", 400, 500, true), level("pod", 700, 800, true), level("kubepods", 9000, 9000, true), level("", 1, unlimited, false)}, true, 2},
		"node, though the container is full of cache": {Chain{level("c", 1000, 1000, false), level("", 9000, unlimited, false)}, true, -1},
		"limit lowered below what is charged":         {Chain{level("c", 1000, 900, false), level("", 9000, unlimited, false)}, true, 0},
		"no lock in this kernel: no room left":        {Chain{level("c", 400, unlimited, false), level("pod", 990, 1000, false)}, false, 1},
		"no lock in this kernel: lowest wins":         {Chain{level("c", 1000, 1000, false), level("pod", 1000, 1000, false)}, false, 0},
		"no lock in this kernel: room left":           {Chain{level("c", 900, 1000, false), level("", 5000, unlimited, false)}, false, -1},
		"lock without limit is not believed":          {Chain{level("c", 900, unlimited, true)}, true, -1},
		"no limits at all":                            {Chain{level("", 5000, unlimited, false)}, false, -1},
		"64 KiB pages":                                {Chain{level("c", 5000, 1<<63/65536-1, false)}, false, -1},
		"empty":                                       {nil, true, -1},
		"limit of zero pages":                         {Chain{level("c", 0, 0, true)}, true, 0},
		"usage that overflowed":                       {Chain{level("c", 1<<64-1, 1000, false)}, true, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			i, ok := tt.chain.Limiting(tt.oomKnown)
			if !ok {
				i = -1
			}
			if i != tt.want {
				t.Errorf("limiting level is %d, expected %d", i, tt.want)
			}
		})
	}
}

func TestPath(t *testing.T) {
	chain := Chain{{Name: "c"}, {Name: "pod1"}, {Name: "kubepods"}, {Name: ""}}
	tests := []struct {
		name  string
		chain Chain
		from  int
		cut   bool
		want  string
	}{
		{"container", chain, 0, false, "/kubepods/pod1/c"},
		{"pod", chain, 1, false, "/kubepods/pod1"},
		{"root", chain, 3, false, "/"},
		{"root that calls itself a slash", Chain{{Name: "a"}, {Name: "/"}}, 0, false, "/a"},
		{"cut", chain[:2], 0, true, "/.../pod1/c"},
		{"nothing", nil, 0, false, "/"},
		{"past the end", chain, 9, false, "/"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.chain.Path(tt.from, tt.cut); got != tt.want {
				t.Errorf("path is %q, expected %q", got, tt.want)
			}
		})
	}
}

func FuzzChain(f *testing.F) {
	f.Add("a", "b", uint64(10), uint64(10), uint64(5), uint64(20), true, false)
	f.Fuzz(func(t *testing.T, a, b string, u1, m1, u2, m2 uint64, oom, known bool) {
		c := Chain{level(a, u1, m1, oom), level(b, u2, m2, !oom)}
		if i, ok := c.Limiting(known); ok && (i < 0 || i >= len(c) || !c[i].Limited()) {
			t.Errorf("level %d cannot be the limit of %v", i, c)
		}
		if p := c.Path(0, false); !strings.HasPrefix(p, "/") {
			t.Errorf("path %q does not begin at the root", p)
		}
	})
}
