package cluster

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/observertest"
	"github.com/yairfalse/tapio/observers/storage"
)

var noon = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

func meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name), CreationTimestamp: metav1.NewTime(noon)}
}

// user is a pending pod that uses a claim.
func user(name, claim, node string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: meta(name), Status: corev1.PodStatus{Phase: corev1.PodPending}}
	p.Spec.NodeName = node
	p.Spec.Containers = []corev1.Container{{Name: "app", VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}}}
	p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}}}
	return p
}

func claim(size, class string, modes ...corev1.PersistentVolumeAccessMode) *corev1.PersistentVolumeClaim {
	c := &corev1.PersistentVolumeClaim{ObjectMeta: meta("data"), Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending}}
	c.Spec.StorageClassName = &class
	c.Spec.AccessModes = modes
	if len(modes) == 0 {
		c.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	}
	c.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}
	return c
}

func selecting(c *corev1.PersistentVolumeClaim, k, v string) *corev1.PersistentVolumeClaim {
	c.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{k: v}}
	return c
}

func volume(name, size, class string, change ...func(*corev1.PersistentVolume)) *corev1.PersistentVolume {
	pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"disk": "ssd"}}}
	pv.Spec.StorageClassName = class
	pv.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	pv.Spec.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}
	for _, f := range change {
		f(pv)
	}
	return pv
}

func heldBy(name string, phase corev1.PersistentVolumePhase) func(*corev1.PersistentVolume) {
	return func(pv *corev1.PersistentVolume) {
		pv.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "shop", Name: name, UID: "uid-of-" + types.UID(name)}
		pv.Status.Phase = phase
	}
}

func aClass(name, provisioner string, mode storagev1.VolumeBindingMode) *storagev1.StorageClass {
	return &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: provisioner, VolumeBindingMode: &mode}
}

func observe(t *testing.T, objs ...runtime.Object) []string {
	t.Helper()
	obs, err := Open(source.FromObjects(objs, nil, noon.Add(time.Minute)))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range observertest.Run(t, obs, storage.Spec, func(*observertest.Session) { <-obs.(*observer).First() }) {
		node, _ := e.Ref(event.Host)
		switch e.Kind {
		case storage.Claim:
			line := fmt.Sprintf("claim %s is %s, class %s", e.Subject().ID, storage.Phase.Or(e, "missing"), storage.ClassIs.Or(e, "?"))
			if n, ok := storage.Volumes.Get(e); ok {
				line += fmt.Sprintf(", %d volumes", n)
			}
			if u := storage.Unknown.Or(e, ""); u != "" {
				line += ", unknown " + u
			}
			if s := storage.Told.Or(e, ""); s != "" {
				line += ", " + s + " " + storage.Trouble.Or(e, "")
			}
			out = append(out, line)
		case storage.Candidate:
			out = append(out, fmt.Sprintf("%s: %s", storage.Example.Or(e, ""), storage.Against.Or(e, "")))
		case storage.Mismatch:
			out = append(out, fmt.Sprintf("but for %s %d of %d: %s, %s has %s", storage.Field.Or(e, ""), storage.Frees.Or(e, 0), storage.Volumes.Or(e, 0), storage.Wants.Or(e, ""), storage.Example.Or(e, ""), storage.Has.Or(e, "")))
		case storage.Mount:
			out = append(out, fmt.Sprintf("mount %s (%s %s): %s x%d", storage.Volume.Or(e, ""), storage.Source.Or(e, ""), storage.Object.Or(e, ""), storage.Trouble.Or(e, ""), storage.Times.Or(e, 0)))
		case storage.Held:
			out = append(out, fmt.Sprintf("held by %s on %s, %s", storage.HolderPod.Or(e, "?"), node.ID, storage.By.Or(e, "")))
		case storage.Access:
			out = append(out, fmt.Sprintf("%s %s ro=%v user=%d group=%d", storage.Path.Or(e, ""), storage.Source.Or(e, "root"), storage.ReadOnly.Or(e, false), storage.User.Or(e, -1), storage.Group.Or(e, -1)))
		case storage.Evicted:
			out = append(out, fmt.Sprintf("evicted of %s %s %d", storage.Of.Or(e, ""), storage.What.Or(e, ""), storage.Limit.Or(e, 0)))
		}
	}
	return out
}

func TestClaims(t *testing.T) {
	waiting := user("db-0", "data", "")
	tests := []struct {
		name string
		objs []runtime.Object
		want []string
	}{
		{"too small", []runtime.Object{waiting, claim("3Gi", ""), volume("pv1", "1Gi", ""), volume("pv2", "2Gi", "")},
			[]string{"pv1: capacity", "but for capacity 2 of 2: 3Gi, pv2 has 2Gi", "claim shop/data is Pending, class none, 2 volumes"}},
		{"another class, and no such class", []runtime.Object{waiting, claim("1Gi", "fast"), volume("pv1", "1Gi", "slow"), aClass("slow", "x", storagev1.VolumeBindingImmediate)},
			[]string{"pv1: class", "but for class 1 of 1: fast, pv1 has slow", "claim shop/data is Pending, class absent, 1 volumes"}},
		{"another access mode", []runtime.Object{waiting, claim("1Gi", "", corev1.ReadWriteMany), volume("pv1", "1Gi", "")},
			[]string{"pv1: access-mode", "but for access-mode 1 of 1: RWX, pv1 has RWO", "claim shop/data is Pending, class none, 1 volumes"}},
		{"other labels", []runtime.Object{waiting, selecting(claim("1Gi", ""), "disk", "hdd"), volume("pv1", "1Gi", "")},
			[]string{"pv1: selector", "but for selector 1 of 1: disk=hdd, pv1 has disk=ssd", "claim shop/data is Pending, class none, 1 volumes"}},
		{"another volume mode", []runtime.Object{waiting, claim("1Gi", ""), volume("pv1", "1Gi", "", func(pv *corev1.PersistentVolume) {
			block := corev1.PersistentVolumeBlock
			pv.Spec.VolumeMode = &block
		})}, []string{"pv1: volume-mode", "but for volume-mode 1 of 1: Filesystem, pv1 has Block", "claim shop/data is Pending, class none, 1 volumes"}},
		{"taken", []runtime.Object{waiting, claim("1Gi", ""), volume("pv1", "1Gi", "", heldBy("other", corev1.VolumeBound))},
			[]string{"pv1: taken", "but for taken 1 of 1: , pv1 has shop/other", "claim shop/data is Pending, class none, 1 volumes"}},
		{"reserved for a claim that is gone", []runtime.Object{waiting, claim("1Gi", ""), volume("pv1", "1Gi", "", heldBy("data", corev1.VolumeReleased))},
			[]string{"pv1: released", "but for released 1 of 1: , pv1 has shop/data", "claim shop/data is Pending, class none, 1 volumes"}},
		{"a claim that names its volume can have no other", []runtime.Object{waiting, func() runtime.Object {
			c := claim("3Gi", "")
			c.Spec.VolumeName = "pv1"
			return c
		}(), volume("pv1", "1Gi", ""), volume("pv2", "9Gi", "")},
			[]string{"pv1: capacity", "but for capacity 1 of 1: 3Gi, pv1 has 1Gi", "claim shop/data is Pending, class none, 1 volumes"}},
		{"near miss: one volume does", []runtime.Object{waiting, claim("1Gi", ""), volume("pv1", "1Gi", "")},
			[]string{"claim shop/data is Pending, class none, 1 volumes"}},
		{"the claim is not there", []runtime.Object{waiting, &corev1.PersistentVolumeClaimList{}}, []string{"claim shop/data is missing, class ?"}},
		{"claims are unknown", []runtime.Object{waiting}, nil},
		{"volumes and classes are unknown", []runtime.Object{waiting, claim("1Gi", "fast")},
			[]string{"claim shop/data is Pending, class unknown, unknown storageclasses.storage.k8s.io,persistentvolumes"}},
		{"the provisioner says", []runtime.Object{waiting, claim("1Gi", "fast"), &corev1.PersistentVolumeList{}, aClass("fast", "x.csi", storagev1.VolumeBindingImmediate), &corev1.Event{
			ObjectMeta: meta("e"), InvolvedObject: corev1.ObjectReference{Kind: "PersistentVolumeClaim", Namespace: "shop", Name: "data"}, Type: corev1.EventTypeWarning, Reason: "ProvisioningFailed", Message: "permission denied",
		}}, []string{"claim shop/data is Pending, class dynamic, 0 volumes, ProvisioningFailed denied"}},
		{"near miss: bound", []runtime.Object{waiting, func() runtime.Object {
			c := claim("1Gi", "")
			c.Status.Phase = corev1.ClaimBound
			return c
		}(), volume("pv1", "1Gi", "")}, nil},
	}
	for _, tt := range tests {
		if d := cmp.Diff(tt.want, observe(t, tt.objs...)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
}

func bound(modes ...corev1.PersistentVolumeAccessMode) *corev1.PersistentVolumeClaim {
	c := claim("1Gi", "", modes...)
	c.Spec.VolumeName, c.Status.Phase = "pv1", corev1.ClaimBound
	return c
}

func report(pod, reason, message string) *corev1.Event {
	return &corev1.Event{
		ObjectMeta: meta(pod + reason), InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: pod}, Reason: reason, Message: message, Count: 3,
		FirstTimestamp: metav1.NewTime(noon), LastTimestamp: metav1.NewTime(noon.Add(30 * time.Second)),
	}
}

func TestMounts(t *testing.T) {
	placed := user("db-0", "data", "n2")
	old := user("db-1", "data", "n1")
	old.Status.Phase = corev1.PodRunning
	ran := placed.DeepCopy()
	ran.Status.Phase = corev1.PodRunning
	host := placed.DeepCopy()
	host.Spec.Volumes[0].VolumeSource = corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/mnt/x"}}
	pvName := "pv1"
	attached := &storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: storagev1.VolumeAttachmentSpec{NodeName: "n1", Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &pvName}}}
	tests := []struct {
		name string
		objs []runtime.Object
		want []string
	}{
		{"a host path of another type", []runtime.Object{host, report("db-0", "FailedMount", `MountVolume.SetUp failed for volume "data" : hostPath type check failed: /mnt/x is not a directory`)},
			[]string{"mount data (hostPath /mnt/x): wrong-type x3"}},
		{"the volume by its persistent name", []runtime.Object{placed, bound(), report("db-0", "FailedMount", `MountVolume.MountDevice failed for volume "pv1" : driver name x not found in the list of registered CSI drivers`)},
			[]string{"mount data (persistentVolumeClaim data): no-driver x3"}},
		{"near miss: the pod runs since", []runtime.Object{ran, report("db-0", "FailedMount", `MountVolume.SetUp failed for volume "data" : x`)}, nil},
		{"held on another node, as the attachment says", []runtime.Object{placed, old, bound(), attached}, []string{"held by shop/db-1 on n1, attachment"}},
		{"held, as the controller says", []runtime.Object{placed, old, bound(), report("db-0", "FailedAttachVolume", `Multi-Attach error for volume "pv1" Volume is already used by pod(s) db-1`)},
			[]string{"mount data (persistentVolumeClaim data): multi-attach x3", "held by shop/db-1 on n1, event"}},
		{"near miss: two nodes may have it", []runtime.Object{placed, old, bound(corev1.ReadWriteMany), attached}, nil},
		{"near miss: nothing says that it is attached", []runtime.Object{placed, old, bound()}, nil},
		{"one pod may have it", []runtime.Object{user("db-0", "data", ""), old, bound(corev1.ReadWriteOncePod)}, []string{"held by shop/db-1 on n1, exclusive"}},
	}
	for _, tt := range tests {
		if d := cmp.Diff(tt.want, observe(t, tt.objs...)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
}

func TestAccess(t *testing.T) {
	p := user("db-0", "data", "n1")
	p.Status.Phase = corev1.PodRunning
	uid, gid, yes := int64(999), int64(2000), true
	p.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: &uid}
	p.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{ReadOnlyRootFilesystem: &yes}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", RestartCount: 2, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}}}
	well := p.DeepCopy()
	well.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	grouped := p.DeepCopy()
	grouped.Spec.SecurityContext.FSGroup = &gid
	grouped.Spec.Volumes[0].VolumeSource = corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{}}
	gone := user("db-1", "data", "n1")
	gone.Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: `Usage of EmptyDir volume "scratch" exceeds the limit "10Mi". `}
	for name, tt := range map[string]struct {
		pod  *corev1.Pod
		want []string
	}{
		"in trouble":     {p, []string{"/ root ro=true user=999 group=-1", "/data persistentVolumeClaim ro=false user=999 group=-1"}},
		"a config mount": {grouped, []string{"/ root ro=true user=999 group=2000", "/data configMap ro=true user=999 group=2000"}},
		"near miss":      {well, nil},
		"evicted":        {gone, []string{fmt.Sprintf("evicted of emptydir scratch %d", 10<<20)}},
	} {
		if d := cmp.Diff(tt.want, observe(t, tt.pod)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}
