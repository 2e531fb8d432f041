package correlate_test

import (
	"testing"

	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/observers/logs"
	"github.com/yairfalse/tapio/observers/scheduling"
	"github.com/yairfalse/tapio/observers/storage"
)

// db is a bare pod that uses the claim "data".
var db = facts.Pod{UID: "u8", Name: "db-0", Namespace: "shop", Created: -60}

// claims makes a set of a pending pod and one look at its claim.
func claimed(x facts.Unbound) func(*facts.Set) {
	return func(s *facts.Set) {
		s.Waiting(db, 0, facts.Wait{Total: 2, Feasible: 2, Words: "claim=2", Claims: "data"})
		s.Unbound(db, 0, x)
	}
}

// differing is the look at a claim from which pv1 differs in one field.
func differing(field, wants, has string) facts.Unbound {
	return facts.Unbound{
		Is: storage.NoClass, Volumes: 1, Groups: map[string]string{"pv1": field},
		Differs: []facts.Differ{{Field: field, Volumes: 1, Frees: 1, Wants: wants, Has: has, Example: "pv1"}},
	}
}

// refusedPath makes a set of a pod whose program ends with a complaint of a
// path.
func refusedPath(what, path string, mounts func(*facts.Set)) func(*facts.Set) {
	return func(s *facts.Set) {
		s.Loops(db, 30, 1, facts.End{Reason: "Error", Code: 1})
		s.Says(db, 29, what, path)
		mounts(s)
	}
}

func TestStorage(t *testing.T) {
	tests := []familyCase{
		{
			name: "too small", target: db, cause: "storage/pvc-capacity", set: claimed(differing(storage.Capacity, "3Gi", "1Gi")), state: "failing",
			says: []string{"db-0 waits: its claim data has no volume: it asks for 3Gi, and pv1, the nearest, has 1Gi"},
			not:  []string{"storage/pvc-class", "scheduling/insufficient-storage", "node/scheduler-down"}, out: []string{"storage/pvc-class", "storage/pv-taken"},
		},
		{name: "class", target: db, cause: "storage/pvc-class", set: claimed(differing(storage.Class, "fast", "slow")), not: []string{"storage/pvc-capacity"}},
		{name: "access mode", target: db, cause: "storage/pvc-access-mode", set: claimed(differing(storage.AccessMode, "RWX", "RWO")), not: []string{"storage/pvc-class"}},
		{name: "selector", target: db, cause: "storage/pvc-selector", set: claimed(differing(storage.Select, "disk=hdd", "disk=ssd")), not: []string{"storage/pvc-class"}},
		{name: "volume mode", target: db, cause: "storage/pvc-volume-mode", set: claimed(differing(storage.VolumeMode, "Block", "Filesystem"))},
		{name: "taken", target: db, cause: "storage/pv-taken", set: claimed(differing(storage.Taken, "", "shop/other")), says: []string{"pv1, which would do, is bound to shop/other"}},
		{name: "released", target: db, cause: "storage/pv-taken", set: claimed(differing(storage.Released, "", "shop/data")), says: []string{"still reserved for shop/data, which is gone"}},
		{
			name: "a free volume that is too small counts before one that fits and is taken", target: db, cause: "storage/pvc-capacity", not: []string{"storage/pv-taken"}, out: []string{"storage/pv-taken"},
			set: claimed(facts.Unbound{
				Is: storage.NoClass, Volumes: 2, Groups: map[string]string{"pv1": storage.Capacity, "pv2": storage.Taken},
				Differs: []facts.Differ{{Field: storage.Capacity, Volumes: 1, Frees: 1, Wants: "3Gi", Has: "1Gi", Example: "pv1"}, {Field: storage.Taken, Volumes: 1, Frees: 1, Has: "shop/x", Example: "pv2"}},
			}),
		},
		{
			name: "a class that does not exist, and no volume", target: db, cause: "storage/pvc-class", not: []string{"storage/no-volume"},
			set: claimed(facts.Unbound{Is: storage.ClassAbsent, Class: "fast"}), says: []string{"there is no storage class fast"},
		},
		{name: "nobody makes volumes", target: db, cause: "storage/no-volume", set: claimed(facts.Unbound{Is: storage.NoClass}), not: []string{"storage/pvc-class"}},
		{
			name: "the provisioner fails; volumes of others do not matter", target: db, cause: "storage/provisioning-failed", not: []string{"storage/pvc-capacity"},
			set: claimed(func() facts.Unbound {
				x := differing(storage.Capacity, "3Gi", "1Gi")
				x.Is, x.Class, x.Provisioner, x.Told = storage.Dynamic, "fast", "x.csi", "ProvisioningFailed"
				return x
			}()),
		},
		{name: "no such claim", target: db, cause: "storage/claim-missing", set: claimed(facts.Unbound{Missing: true}), says: []string{"namespace shop has no claim of this name"}},
		{
			name: "near miss: bound since", target: db, cause: "",
			set: func(s *facts.Set) {
				claimed(differing(storage.Capacity, "3Gi", "1Gi"))(s)
				s.Unbound(db, 5, facts.Unbound{Round: 2, Settled: true})
				s.Pod(db, 6, running(6, 0))
				s.Waiting(db, 6, facts.Wait{Round: 2, Placed: true})
				s.Pod(db, 7, running(6, 0))
			},
		},
		{
			name: "a host path that is not there", target: db, cause: "storage/mount-failed", not: []string{"storage/claim-missing"}, out: []string{"image/not-found"},
			set:  func(s *facts.Set) { s.Unmounted(db, 0, "hostPath", "/mnt/x", storage.WrongType) },
			says: []string{"db-0 cannot start: volume data (hostPath /mnt/x) cannot be mounted, the path is not of the type asked for"},
		},
		{
			name: "near miss: a ConfigMap that is not there is a cause of its own", target: db, cause: "",
			set: func(s *facts.Set) { s.Unmounted(db, 0, "configMap", "app", storage.NotFound) },
		},
		{
			name: "near miss: it started since", target: db, cause: "",
			set: func(s *facts.Set) {
				s.Unmounted(db, 0, "hostPath", "/mnt/x", storage.WrongType)
				s.Pod(db, 6, running(6, 0))
			},
		},
		{
			name: "attached elsewhere", target: db, cause: "storage/multi-attach", not: []string{"storage/mount-failed"},
			set: func(s *facts.Set) {
				s.Unmounted(db, 0, "persistentVolumeClaim", "data", storage.MultiAttach)
				s.IsHeld(db, 1, storage.ByAttachment, "shop/db-1")
			},
			says: []string{"db-0 waits for claim data, which db-1 on n2 still has"},
		},
		{
			name: "held by another pod for itself alone", target: db, cause: "storage/multi-attach",
			set: func(s *facts.Set) {
				s.Waiting(db, 0, facts.Wait{Total: 2, Feasible: 2, Words: "claim=2"})
				s.IsHeld(db, 1, storage.Exclusive, "shop/db-1")
			},
		},
		{
			name: "evicted for an emptyDir", target: db, cause: "storage/evicted", not: []string{"memory/evicted"}, out: []string{"memory/evicted"},
			set:  func(s *facts.Set) { s.EvictedForDisk(db, 5, storage.OfEmptyDir, "scratch", 10<<20) },
			says: []string{"db-0 was evicted: emptyDir scratch went over its size limit of 10Mi"},
		},
		{
			name: "a path on a volume without fsGroup", target: db, cause: "storage/permission",
			set: refusedPath(logs.DeniedFile, "/data/x", func(s *facts.Set) {
				s.Mounts(db, "/", "", false, 999, -1)
				s.Mounts(db, "/data", "data", false, 999, -1)
			}),
			says: []string{"db-0: container app runs as user 999 and may not use /data/x, which lies on volume data, mounted at /data; the pod has no fsGroup"},
			not:  []string{"storage/read-only-root", "storage/disk-full"},
		},
		{
			name: "a relative path, and one volume for data", target: db, cause: "storage/permission",
			set: refusedPath(logs.DeniedFile, "dump.rdb", func(s *facts.Set) {
				s.Mounts(db, "/", "", false, 999, -1)
				s.Mounts(db, "/data", "data", false, 999, -1)
				s.Mounts(db, "/etc/app", "conf", true, 999, -1)
			}),
			says: []string{"may not use dump.rdb, most likely on volume data, mounted at /data"},
		},
		{
			name: "a read-only root", target: db, cause: "storage/read-only-root", not: []string{"storage/permission", "storage/read-only-mount"},
			set: refusedPath(logs.ReadOnlyFile, "/tmp/x", func(s *facts.Set) {
				s.Mounts(db, "/", "", true, 999, -1)
				s.Mounts(db, "/data", "data", false, 999, -1)
			}),
			says: []string{"writes to /tmp/x, which lies on its root file system, and that is read-only"},
		},
		{
			name: "a volume that is full", target: db, cause: "storage/disk-full", not: []string{"storage/permission"},
			set: refusedPath(logs.NoSpace, "/data/wal/1", func(s *facts.Set) {
				s.Mounts(db, "/", "", false, 999, -1)
				s.Mounts(db, "/data", "data", false, 999, -1)
			}),
			says: []string{"finds no space left for /data/wal/1, which lies on volume data, mounted at /data"},
		},
		{
			name: "near miss: silent about the claim, the nodes refuse the pod", target: db, cause: "scheduling/insufficient-cpu",
			set: func(s *facts.Set) {
				x := one(scheduling.CPU, "cpu=2,cordon=1", facts.Try{Request: 4000, Free: 3500, Large: 8000})
				s.Waiting(db, 0, x)
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}
