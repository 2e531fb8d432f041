package storage

import "testing"

func TestReadFailure(t *testing.T) {
	for message, want := range map[string]Failure{
		`MountVolume.SetUp failed for volume "data" : hostPath type check failed: /mnt/x is not a directory`:                                                                  {"data", WrongType},
		`MountVolume.SetUp failed for volume "conf" : configmap "app" not found`:                                                                                              {"conf", NotFound},
		`MountVolume.SetUp failed for volume "conf" : configmap references non-existent config key: a.yaml`:                                                                   {"conf", NoKey},
		`MountVolume.SetUp failed for volume "nfs" : mount failed: exit status 32 mount.nfs: access denied by server while mounting 10.0.0.1:/x`:                              {"nfs", Denied},
		`MountVolume.MountDevice failed for volume "pv1" : mount: wrong fs type, bad option, bad superblock on /dev/sdb`:                                                      {"pv1", BadSystem},
		`MountVolume.MountDevice failed for volume "pv1" : kubernetes.io/csi: attacher.MountDevice failed: driver name x.csi not found in the list of registered CSI drivers`: {"pv1", NoDriver},
		`Multi-Attach error for volume "pv1" Volume is already used by pod(s) web-1`:                                                                                          {"pv1", MultiAttach},
		`Unable to attach or mount volumes: unmounted volumes=[data conf], unattached volumes=[], failed to process volumes=[]: timed out waiting for the condition`:          {"data", TimedOut},
		`MountVolume.NewMounter initialization failed for volume "local" : path "/mnt/disks/a" does not exist`:                                                                {"local", NotFound},
		`something else`: {"", Other},
		``:               {"", Other},
	} {
		if got := ReadFailure(message); got != want {
			t.Errorf("%s: %+v, want %+v", message, got, want)
		}
	}
}

func TestReadEviction(t *testing.T) {
	for message, want := range map[string]Eviction{
		`Usage of EmptyDir volume "scratch" exceeds the limit "10Mi". `:                                                                                             {OfEmptyDir, "scratch", 10 << 20, 0},
		`Pod ephemeral local storage usage exceeds the total limit of containers 20Mi. `:                                                                            {OfPod, "", 20 << 20, 0},
		`Container app exceeded its local ephemeral storage limit "1Gi". `:                                                                                          {OfContainer, "app", 1 << 30, 0},
		`The node was low on resource: ephemeral-storage. Threshold quantity: 1, available: 0. Container app was using 100Ki, request is 0, has larger consumption`: {OfNode, "app", 0, 100 << 10},
	} {
		got, ok := ReadEviction(message)
		if !ok || got != want {
			t.Errorf("%s: %+v, %v, want %+v", message, got, ok, want)
		}
	}
	for _, message := range []string{"The node was low on resource: memory. Container app was using 1Gi", "Preempted in order to admit critical pod", ""} {
		if got, ok := ReadEviction(message); ok {
			t.Errorf("%s is read as %+v", message, got)
		}
	}
}

func FuzzMessages(f *testing.F) {
	f.Add(`MountVolume.SetUp failed for volume "data" : x`)
	f.Add(`Usage of EmptyDir volume "scratch" exceeds the limit "9e99Pi". `)
	f.Fuzz(func(t *testing.T, s string) {
		if ReadFailure(s).Trouble == "" {
			t.Error("no trouble")
		}
		if e, ok := ReadEviction(s); ok && (e.Limit < 0 || e.Used < 0) {
			t.Errorf("%+v", e)
		}
	})
}
