// Package launch brings a probe onto a node and takes it away again, from the
// client's side: it asks the cluster what would be refused, makes the Job and
// the ConfigMaps that carry the program, waits until the pod runs, opens a
// stream to it through the API server, extends its lease while the client
// lives, and deletes everything at the end.
//
// Two things end a probe whose client died: the Job's activeDeadlineSeconds,
// which is a lease that only a living client extends, and its
// ttlSecondsAfterFinished, which removes the finished Job and with it, by owner
// references, its pod and its ConfigMaps. No object is ever made that has
// neither.
package launch

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// The names that every object of a run carries.
const (
	LabelManagedBy = "app.kubernetes.io/managed-by"
	LabelName      = "app.kubernetes.io/name"
	LabelRun       = "tapio.dev/run" // the run's id, see NewRunID
	ManagedBy      = "kubectl-tapio"
	AppName        = "tapio-probe"
	ContainerName  = "probe"
)

// Port is where the probe listens, on the loopback address of its own pod.
const Port = 7677

// Lease is how long a probe lives after its client's last sign of life: the
// Job's activeDeadlineSeconds, counted from the Job's startTime.
const Lease = 45 * time.Second

// RenewEvery is how often a living client extends the lease.
const RenewEvery = 10 * time.Second

// finishedTTL is the Job's ttlSecondsAfterFinished.
const finishedTTL = 5 * time.Second

// SystemNamespace is where probes go unless the user says otherwise: who may
// write there may already run code on every node.
const SystemNamespace = "kube-system"

// Profile is how much privilege the probe's container asks for.
type Profile string

// The profiles.
const (
	Privileged Profile = "privileged" // privileged container: works on most nodes
	Caps       Profile = "caps"       // a list of capabilities, see capabilities
)

// Profiles lists the profiles in the order of preference.
func Profiles() []Profile { return []Profile{Privileged, Caps} }

// NewRunID returns a fresh id for the objects of one run: ten hex digits.
func NewRunID() string { return randomHex(5) }

// newName returns an unpredictable object name, so that nobody can create an
// object of that name first.
func newName() string { return "tapio-" + randomHex(8) }

// randomHex returns 2n random hex digits.
func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}
