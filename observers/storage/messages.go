package storage

import (
	"math"
	"strconv"
	"strings"
)

// maxMessage bounds how much of a message is read, in bytes.
const maxMessage = 4 << 10

func cut(s string) string { return s[:min(len(s), maxMessage)] }

// Failure is what a message of the kubelet or the attach controller tells of a
// volume.
type Failure struct {
	Volume  string // name in the pod's spec, or of the persistent volume
	Trouble string
}

// troubles are tried in order: the first whose words are all part of the
// message decides.
var troubles = []struct {
	has     []string
	trouble string
}{
	{[]string{"multi-attach"}, MultiAttach},
	{[]string{"already exclusively attached"}, MultiAttach},
	{[]string{"list of registered csi drivers"}, NoDriver},
	{[]string{"no volume plugin matched"}, NoDriver},
	{[]string{"hostpath type check failed"}, WrongType},
	{[]string{"non-existent config key"}, NoKey},
	{[]string{"non-existent secret key"}, NoKey},
	{[]string{"wrong fs type"}, BadSystem},
	{[]string{"bad superblock"}, BadSystem},
	{[]string{"can't find in /etc/fstab"}, BadSystem},
	{[]string{"unknown filesystem type"}, BadSystem},
	{[]string{"stale file handle"}, Stale},
	{[]string{"access denied"}, Denied},
	{[]string{"permission denied"}, Denied},
	{[]string{"operation not permitted"}, Denied},
	{[]string{"not found"}, NotFound},
	{[]string{"no such file or directory"}, NotFound},
	{[]string{"does not exist"}, NotFound},
	{[]string{"no such device"}, NotFound},
	{[]string{"timed out"}, TimedOut},
	{[]string{"deadline exceeded"}, TimedOut},
}

// ReadFailure reads the message of a FailedMount, FailedAttachVolume,
// FailedMapVolume or ProvisioningFailed Event.
func ReadFailure(message string) Failure {
	message = cut(message)
	f := Failure{Trouble: Other}
	low := strings.ToLower(message)
	for _, t := range troubles {
		all := true
		for _, h := range t.has {
			all = all && strings.Contains(low, h)
		}
		if all {
			f.Trouble = t.trouble
			break
		}
	}
	if _, rest, ok := strings.Cut(message, `for volume "`); ok {
		if name, _, ok := strings.Cut(rest, `"`); ok {
			f.Volume = name
		}
	} else if _, rest, ok := strings.Cut(message, "unmounted volumes=["); ok {
		name, _, _ := strings.Cut(rest, "]")
		name, _, _ = strings.Cut(name, " ")
		f.Volume = strings.TrimRight(name, ",")
	}
	return f
}

// Eviction is what the kubelet's message says of an eviction for storage.
type Eviction struct {
	Of, What    string
	Limit, Used int64 // bytes; 0 when not told
}

// ReadEviction reads the status message of an evicted pod. ok is false when it
// was not evicted for local storage.
func ReadEviction(message string) (e Eviction, ok bool) {
	message = cut(message)
	low := strings.ToLower(message)
	switch {
	case strings.HasPrefix(low, `usage of emptydir volume "`):
		e.Of = OfEmptyDir
		e.What = quoted(message)
		e.Limit = after(message, "exceeds the limit ")
	case strings.HasPrefix(low, "pod ephemeral local storage usage exceeds"):
		e.Of = OfPod
		e.Limit = after(message, "total limit of containers ")
	case strings.HasPrefix(low, "container ") && strings.Contains(low, "local ephemeral storage limit"):
		e.Of = OfContainer
		_, rest, _ := strings.Cut(message, " ")
		e.What, _, _ = strings.Cut(rest, " ")
		e.Limit = after(message, "storage limit ")
	case strings.Contains(low, "low on resource: ephemeral-storage"), strings.Contains(low, "low on resource: inodes"),
		strings.Contains(low, "low on resource: nodefs"), strings.Contains(low, "low on resource: imagefs"):
		e.Of = OfNode
		if _, rest, found := strings.Cut(message, "Container "); found {
			e.What, _, _ = strings.Cut(rest, " ")
		}
		e.Used = after(message, "was using ")
	default:
		return Eviction{}, false
	}
	return e, true
}

func quoted(s string) string {
	_, rest, _ := strings.Cut(s, `"`)
	name, _, _ := strings.Cut(rest, `"`)
	return name
}

// after reads the quantity that follows some words, quoted or not.
func after(s, words string) int64 {
	_, rest, ok := strings.Cut(s, words)
	if !ok {
		return 0
	}
	rest = strings.TrimLeft(rest, `" `)
	end := strings.IndexAny(rest, "\", ")
	if end < 0 {
		end = len(rest)
	}
	return bytesOf(strings.TrimRight(rest[:end], "."))
}

var units = map[string]float64{
	"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15,
	"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50,
}

// bytesOf reads a quantity as Kubernetes writes sizes: "512Mi"; 0 when it is
// none.
func bytesOf(s string) int64 {
	digits := strings.TrimRight(s, "kKMGTPi")
	n, err := strconv.ParseFloat(digits, 64)
	unit, ok := units[s[len(digits):]]
	if err != nil || !ok || math.IsNaN(n) || n < 0 || n*unit > math.MaxInt64/2 {
		return 0
	}
	return int64(n * unit)
}
