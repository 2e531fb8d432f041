package lifecycle

import (
	"strings"
	"testing"
)

func TestEvictionOf(t *testing.T) {
	tests := map[string]struct {
		message string
		want    Eviction
		ok      bool
	}{
		"memory": {"The node was low on resource: memory. Threshold quantity: 100Mi, available: 88Mi. Container app was using 300Mi, request is 0, has larger consumption of memory. Container b was using 1Mi, request is 0, has larger consumption of memory. ",
			Eviction{"memory", "100Mi", "88Mi", "app", "300Mi", "0"}, true},
		"an older kubelet":   {"The node was low on resource: memory. Container app was using 300Mi, which exceeds its request of 0. ", Eviction{Resource: "memory", Container: "app", Using: "300Mi"}, true},
		"nothing but a word": {"The node was low on resource: inodes.", Eviction{Resource: "inodes"}, true},
		"its own disk":       {"Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ", Eviction{}, false},
		"something else":     {"evicted for memory", Eviction{}, false},
		"nothing":            {"", Eviction{}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got, ok := EvictionOf(tt.message); got != tt.want || ok != tt.ok {
				t.Errorf("%q reads as %+v, %v; expected %+v, %v", tt.message, got, ok, tt.want, tt.ok)
			}
		})
	}
}

func FuzzEvictionOf(f *testing.F) {
	f.Add("The node was low on resource: memory. Threshold quantity: 100Mi, available: 88Mi. Container app was using 300Mi, request is 0, has larger consumption of memory. ")
	f.Fuzz(func(t *testing.T, message string) {
		e, _ := EvictionOf(message)
		for _, part := range []string{e.Resource, e.Threshold, e.Available, e.Container, e.Using, e.Request} {
			if !strings.Contains(message, part) {
				t.Errorf("%q is no part of the message", part)
			}
		}
	})
}
