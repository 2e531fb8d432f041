package claims

import (
	"fmt"
	"strings"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/storage"
)

var fieldWords = map[string]string{
	storage.Class: "another class", storage.Capacity: "too small", storage.AccessMode: "other access modes", storage.Select: "other labels",
	storage.VolumeMode: "another volume mode", storage.Taken: "taken", storage.Released: "released, not cleared", storage.OtherName: "another name", storage.Unfit: "unfit",
}

// FieldWord says in words how a volume differs: "too small".
func FieldWord(field string) string {
	if s, ok := fieldWords[field]; ok {
		return s
	}
	return field
}

func ofStorage(f window.Fact, claim string) finding.Evidence {
	return finding.Evidence{
		Observer: storage.Spec.Name, Kind: f.Kind, Entity: f.Subject(), At: f.At, Span: f.Span, Trust: finding.API, Claim: claim,
	}
}

// VolumeClaim is a claim as it is (storage.claim).
func VolumeClaim(f window.Fact) finding.Evidence {
	phase := storage.Phase.Or(f.Event, "")
	if phase == "" {
		return ofStorage(f, "there is no such claim")
	}
	claim := strings.ToLower(phase)
	if n, ok := storage.Volumes.Get(f.Event); ok {
		claim += ", " + words.Count(n, "volume") + " compared"
	}
	switch class := storage.ClassName.Or(f.Event, ""); storage.ClassIs.Or(f.Event, "") {
	case storage.NoClass:
		claim += ", no class"
	case storage.ClassAbsent:
		claim += ", class " + class + " does not exist"
	case storage.Static:
		claim += ", class " + class + " makes no volumes"
	case storage.Dynamic:
		claim += ", class " + class + " of " + storage.Provisioner.Or(f.Event, "")
	}
	if told := storage.Told.Or(f.Event, ""); told != "" {
		claim += ", " + told
	}
	return ofStorage(f, claim)
}

// Mismatch is one field in which volumes differ from a claim
// (storage.mismatch).
func Mismatch(f window.Fact) finding.Evidence {
	claim := fmt.Sprintf("%s: %s", words.Count(storage.Volumes.Or(f.Event, 0), "volume"), FieldWord(storage.Field.Or(f.Event, "")))
	wants, has, example := storage.Wants.Or(f.Event, ""), storage.Has.Or(f.Event, ""), storage.Example.Or(f.Event, "")
	switch {
	case wants != "" && has != "":
		claim += fmt.Sprintf(" (wants %s, %s has %s)", wants, example, has)
	case wants != "":
		claim += fmt.Sprintf(" (wants %s, %s has none)", wants, example)
	case has != "":
		claim += fmt.Sprintf(" (%s: %s)", example, has)
	}
	if n := storage.Frees.Or(f.Event, 0); n > 0 {
		claim += fmt.Sprintf("; but for this %d would do", n)
	}
	return ofStorage(f, claim)
}

// mountTroubles say why a volume does not come up.
var mountTroubles = map[string]string{
	storage.NotFound: "what it names is not there", storage.Denied: "access is denied", storage.WrongType: "the path is not of the type asked for",
	storage.BadSystem: "its file system cannot be read", storage.NoDriver: "its driver is not on the node", storage.Stale: "its file handle is stale",
	storage.TimedOut: "it did not come up in time", storage.MultiAttach: "another node has it", storage.NoKey: "a key that it names is missing",
}

// MountTrouble says why a volume does not come up.
func MountTrouble(trouble string) string {
	if s, ok := mountTroubles[trouble]; ok {
		return s
	}
	return "the kubelet cannot mount it"
}

// Mount is a volume of a pod that does not come up (storage.mount).
func Mount(f window.Fact) finding.Evidence {
	claim := fmt.Sprintf("volume %s", storage.Volume.Or(f.Event, "?"))
	if object := storage.Object.Or(f.Event, ""); object != "" {
		claim += fmt.Sprintf(" (%s %s)", storage.Source.Or(f.Event, ""), object)
	}
	claim += ": " + MountTrouble(storage.Trouble.Or(f.Event, ""))
	if n := storage.Times.Or(f.Event, 0); n > 1 {
		claim += ", told " + words.Times(int(n))
	}
	e := ofStorage(f, claim)
	e.Origin = "kubelet's Event"
	return e
}

// Held is a claim that another pod has (storage.held).
func Held(f window.Fact) finding.Evidence {
	pod, volume := storage.HolderPod.Or(f.Event, ""), storage.VolumeName.Or(f.Event, "")
	node, _ := f.Ref(event.Host)
	switch storage.By.Or(f.Event, "") {
	case storage.Exclusive:
		return ofStorage(f, fmt.Sprintf("ReadWriteOncePod: %s has it on %s", pod, node.ID))
	case storage.ByAttachment:
		claim := fmt.Sprintf("volume %s is attached to %s", volume, node.ID)
		if pod != "" {
			claim += ", where " + pod + " has it"
		}
		return ofStorage(f, claim)
	}
	claim := "the attach controller: volume " + volume + " is in use elsewhere"
	if pod != "" {
		claim += ", by " + pod + " on " + node.ID
	}
	return ofStorage(f, claim)
}

// Access is what a container may do with a mount (storage.access).
func Access(f window.Fact) finding.Evidence {
	claim := storage.Path.Or(f.Event, "")
	if v := storage.Volume.Or(f.Event, ""); v != "" {
		claim += fmt.Sprintf(" is volume %s (%s)", v, storage.Source.Or(f.Event, ""))
	} else {
		claim += " is the container's own root"
	}
	if storage.ReadOnly.Or(f.Event, false) {
		claim += ", read-only"
	}
	if u, ok := storage.User.Get(f.Event); ok {
		claim += fmt.Sprintf(", user %d", u)
	} else if storage.NonRoot.Or(f.Event, false) {
		claim += ", not as root"
	}
	if g, ok := storage.Group.Get(f.Event); ok {
		claim += fmt.Sprintf(", fsGroup %d", g)
	} else {
		claim += ", no fsGroup"
	}
	return ofStorage(f, claim)
}

// StorageEviction is a pod evicted for storage (storage.evicted).
func StorageEviction(f window.Fact) finding.Evidence {
	what := storage.What.Or(f.Event, "")
	claim := map[string]string{
		storage.OfNode: "evicted: the node ran low on local storage", storage.OfPod: "evicted: the pod's local storage went over its limit",
		storage.OfContainer: "evicted: local storage of container " + what + " went over its limit", storage.OfEmptyDir: "evicted: emptyDir " + what + " went over its size limit",
	}[storage.Of.Or(f.Event, "")]
	if l, ok := storage.Limit.Get(f.Event); ok {
		claim += " of " + words.Bytes(l)
	}
	if u, ok := storage.Used.Get(f.Event); ok {
		claim += fmt.Sprintf("; %s used %s", what, words.Bytes(u))
	}
	return ofStorage(f, claim)
}
