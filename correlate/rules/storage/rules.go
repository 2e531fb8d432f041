// Package storage holds the rules for claims without a volume, volumes that
// cannot be mounted or written, and evictions for local storage.
package storage

import (
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/rule"
	"github.com/yairfalse/tapio/observers/storage"
)

// The causes.
const (
	ClaimMissing finding.Cause = "storage/claim-missing"
	ClaimClass   finding.Cause = "storage/pvc-class"
	ClaimSize    finding.Cause = "storage/pvc-capacity"
	ClaimAccess  finding.Cause = "storage/pvc-access-mode"
	ClaimSelect  finding.Cause = "storage/pvc-selector"
	ClaimMode    finding.Cause = "storage/pvc-volume-mode"
	VolumeTaken  finding.Cause = "storage/pv-taken"
	NoVolume     finding.Cause = "storage/no-volume"
	Provisioning finding.Cause = "storage/provisioning-failed"
	MountFailed  finding.Cause = "storage/mount-failed"
	MultiAttach  finding.Cause = "storage/multi-attach"
	Permission   finding.Cause = "storage/permission"
	ReadOnlyRoot finding.Cause = "storage/read-only-root"
	ReadOnly     finding.Cause = "storage/read-only-mount"
	DiskFull     finding.Cause = "storage/disk-full"
	Evicted      finding.Cause = "storage/evicted"
)

// kind is a field with the cause that it is.
type kind struct {
	field  string
	cause  finding.Cause
	doc    string
	rivals []finding.Cause
}

var kinds = []kind{
	{storage.Class, ClaimClass, "A claim asks for a storage class that no free volume has: the class does not exist, or the volume that fits in all else has another.", []finding.Cause{ClaimSize, ClaimAccess, NoVolume}},
	{storage.Capacity, ClaimSize, "A claim asks for more than the volume has that fits in all else.", []finding.Cause{ClaimClass, ClaimAccess, VolumeTaken}},
	{storage.AccessMode, ClaimAccess, "A claim asks for an access mode that the volume which fits in all else does not offer.", []finding.Cause{ClaimClass, ClaimSize, MultiAttach}},
	{storage.Select, ClaimSelect, "A claim selects volumes by labels that the volume which fits in all else does not carry.", []finding.Cause{ClaimClass, ClaimSize}},
	{storage.VolumeMode, ClaimMode, "A claim asks for a block device where the volume is a file system, or the other way round.", []finding.Cause{ClaimAccess}},
	{storage.Taken, VolumeTaken, "The volume that would fit is bound to another claim, or still reserved for one that is gone.", []finding.Cause{ClaimSize, ClaimClass, MultiAttach}},
}

// Rules lists the family's causes.
func Rules() []rule.Rule {
	var out []rule.Rule
	for _, k := range kinds {
		out = append(out, rule.Rule{Cause: k.cause, Eval: evalField(k), Doc: k.doc, Rivals: k.rivals})
	}
	return append(out,
		rule.Rule{
			Cause: ClaimMissing, Eval: evalClaimMissing,
			Doc:    "A pod uses a volume claim that does not exist in its namespace.",
			Rivals: []finding.Cause{ClaimClass, "config/object-missing"},
		},
		rule.Rule{
			Cause: NoVolume, Eval: evalNoVolume,
			Doc:    "A claim asks for a volume of a kind that nobody makes, and none is there.",
			Rivals: []finding.Cause{ClaimClass, Provisioning},
		},
		rule.Rule{
			Cause: Provisioning, Eval: evalProvisioning,
			Doc:    "The provisioner of the claim's class could not make a volume, and says so.",
			Rivals: []finding.Cause{ClaimClass, NoVolume},
		},
		rule.Rule{
			Cause: MountFailed, Eval: evalMountFailed,
			Doc:    "A pod is placed, and the kubelet cannot mount one of its volumes: the path, server, key or driver is not there, or refuses.",
			Rivals: []finding.Cause{"image/not-found", "config/object-missing", MultiAttach, ClaimMissing},
		},
		rule.Rule{
			Cause: MultiAttach, Eval: evalMultiAttach,
			Doc:    "A volume that one node, or one pod, may have at a time is still held by another while a pod waits for it.",
			Rivals: []finding.Cause{MountFailed, VolumeTaken},
		},
		rule.Rule{
			Cause: Permission, Eval: evalPermission,
			Doc:    "A program was refused a path (EACCES) that lies on one of its volumes, which it may write by the spec.",
			Rivals: []finding.Cause{ReadOnlyRoot, ReadOnly, DiskFull, "exit/not-executable"},
		},
		rule.Rule{
			Cause: ReadOnlyRoot, Eval: evalReadOnlyRoot,
			Doc:    "A program wrote to a path outside its volumes (EROFS), and the container's root file system is read-only by its spec.",
			Rivals: []finding.Cause{Permission, ReadOnly},
		},
		rule.Rule{
			Cause: ReadOnly, Eval: evalReadOnly,
			Doc:    "A program wrote to a volume that is mounted read-only (EROFS).",
			Rivals: []finding.Cause{Permission, ReadOnlyRoot},
		},
		rule.Rule{
			Cause: DiskFull, Eval: evalDiskFull,
			Doc:    "A program found no space left on one of its volumes (ENOSPC).",
			Rivals: []finding.Cause{Permission, "memory/shm-full", Evicted},
		},
		rule.Rule{
			Cause: Evicted, Eval: evalEvicted,
			Doc:    "The kubelet evicted a pod for local storage: over a limit of its own, or because the node ran low.",
			Rivals: []finding.Cause{"memory/evicted", "scheduling/preempted-or-drained", DiskFull},
		},
	)
}
