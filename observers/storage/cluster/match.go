package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/yairfalse/tapio/observers/storage"
)

// difference is one field in which a volume differs from what a claim wants.
type difference struct {
	field, wants, has string
	holder            string // claim that has the volume
	gap               int64  // bytes that the volume is too small, for ordering
}

// group is a set of volumes that differ in the same fields.
type group struct {
	fields  []string
	volumes []string
}

// mismatch is one field tried alone.
type mismatch struct {
	difference
	volumes, frees int
	example        string
	alone, free    bool
	largest        int64
}

// comparison is a claim against all volumes.
type comparison struct {
	total      int
	groups     []group
	mismatches []*mismatch
}

// maxGroups bounds how many sets of fields are told of one claim.
const maxGroups = 16

// compare tries every field of the claim on every volume. A claim that names a
// volume can have no other, so that only that one is compared.
func compare(pvc *corev1.PersistentVolumeClaim, class string, pvs []*corev1.PersistentVolume) comparison {
	c := comparison{}
	groups := map[string]*group{}
	fields := map[string]*mismatch{}
	for _, pv := range pvs {
		if pvc.Spec.VolumeName != "" && pv.Name != pvc.Spec.VolumeName && !claimedBy(pv, pvc) {
			continue
		}
		c.total++
		diffs := differences(pvc, class, pv)
		var names []string
		for _, d := range diffs {
			names = append(names, d.field)
			m := fields[d.field]
			if m == nil {
				m = &mismatch{}
				fields[d.field] = m
			}
			m.take(pv, d, diffs)
		}
		if len(names) == 0 {
			continue
		}
		slices.Sort(names)
		key := strings.Join(names, ",")
		if groups[key] == nil {
			groups[key] = &group{fields: names}
		}
		groups[key].volumes = append(groups[key].volumes, pv.Name)
	}
	for _, k := range slices.Sorted(maps.Keys(groups)) {
		c.groups = append(c.groups, *groups[k])
	}
	slices.SortStableFunc(c.groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(len(a.fields), len(b.fields)), cmp.Compare(len(b.volumes), len(a.volumes)))
	})
	c.groups = c.groups[:min(len(c.groups), maxGroups)]
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		c.mismatches = append(c.mismatches, fields[k])
	}
	return c
}

// take notes a volume that differs: the nearest is kept as the example, one
// that nobody has before one that is taken.
func (m *mismatch) take(pv *corev1.PersistentVolume, d difference, all []difference) {
	m.volumes++
	alone := len(all) == 1
	if alone {
		m.frees++
		m.largest = max(m.largest, capacity(pv))
	}
	free := !slices.ContainsFunc(all, func(d difference) bool { return d.field == storage.Taken })
	better := m.example == "" || alone && !m.alone || alone == m.alone && (free && !m.free || free == m.free && d.gap < m.gap)
	if better {
		m.difference, m.example, m.alone, m.free = d, pv.Name, alone, free
	}
}

// differences lists in what a volume differs from what the claim wants, as the
// controller that binds them compares.
func differences(pvc *corev1.PersistentVolumeClaim, class string, pv *corev1.PersistentVolume) []difference {
	var out []difference
	if d, ok := reserved(pvc, pv); ok {
		out = append(out, d)
	}
	if pv.Status.Phase == corev1.VolumeFailed || pv.DeletionTimestamp != nil {
		has := "failed"
		if pv.DeletionTimestamp != nil {
			has = "being deleted"
		}
		out = append(out, difference{field: storage.Unfit, has: has})
	}
	if has := classOf(pv); has != class {
		out = append(out, difference{field: storage.Class, wants: class, has: has})
	}
	if want, has := requested(pvc), capacity(pv); want > has {
		out = append(out, difference{field: storage.Capacity, wants: sizeText(pvc.Spec.Resources.Requests), has: sizeText(pv.Spec.Capacity), gap: want - has})
	}
	if want, has := modeOf(pvc.Spec.VolumeMode), modeOf(pv.Spec.VolumeMode); want != has {
		out = append(out, difference{field: storage.VolumeMode, wants: string(want), has: string(has)})
	}
	for _, m := range pvc.Spec.AccessModes {
		if !slices.Contains(pv.Spec.AccessModes, m) {
			out = append(out, difference{field: storage.AccessMode, wants: modesText(pvc.Spec.AccessModes), has: modesText(pv.Spec.AccessModes)})
			break
		}
	}
	if pvc.Spec.Selector != nil {
		sel, err := metav1.LabelSelectorAsSelector(pvc.Spec.Selector)
		if err != nil || !sel.Matches(labels.Set(pv.Labels)) {
			out = append(out, difference{field: storage.Select, wants: metav1.FormatLabelSelector(pvc.Spec.Selector), has: labels.FormatLabels(pv.Labels)})
		}
	}
	return out
}

// reserved tells of a volume that another claim has, or that a claim which is
// gone has left behind.
func reserved(pvc *corev1.PersistentVolumeClaim, pv *corev1.PersistentVolume) (difference, bool) {
	ref := pv.Spec.ClaimRef
	if ref == nil {
		return difference{}, false
	}
	holder := ref.Namespace + "/" + ref.Name
	gone := pv.Status.Phase == corev1.VolumeReleased || claimedBy(pv, pvc) && ref.UID != "" && pvc.UID != "" && ref.UID != pvc.UID
	switch {
	case gone:
		return difference{field: storage.Released, has: holder, holder: holder}, true
	case claimedBy(pv, pvc):
		return difference{}, false
	}
	return difference{field: storage.Taken, has: holder, holder: holder}, true
}

func claimedBy(pv *corev1.PersistentVolume, pvc *corev1.PersistentVolumeClaim) bool {
	ref := pv.Spec.ClaimRef
	return ref != nil && ref.Namespace == pvc.Namespace && ref.Name == pvc.Name
}

// oldClass is how volumes and claims named their class before it had a field.
const oldClass = "volume.beta.kubernetes.io/storage-class"

func classOf(pv *corev1.PersistentVolume) string {
	if c, ok := pv.Annotations[oldClass]; ok {
		return c
	}
	return pv.Spec.StorageClassName
}

func modeOf(m *corev1.PersistentVolumeMode) corev1.PersistentVolumeMode {
	if m == nil || *m == "" {
		return corev1.PersistentVolumeFilesystem
	}
	return *m
}

func requested(pvc *corev1.PersistentVolumeClaim) int64 { return sizeOf(pvc.Spec.Resources.Requests) }

func capacity(pv *corev1.PersistentVolume) int64 { return sizeOf(pv.Spec.Capacity) }

func sizeOf(l corev1.ResourceList) int64 {
	q := l[corev1.ResourceStorage]
	return max(q.Value(), 0)
}

func sizeText(l corev1.ResourceList) string {
	q, ok := l[corev1.ResourceStorage]
	if !ok {
		return "none"
	}
	return q.String()
}

var shortModes = map[corev1.PersistentVolumeAccessMode]string{
	corev1.ReadWriteOnce: "RWO", corev1.ReadOnlyMany: "ROX", corev1.ReadWriteMany: "RWX", corev1.ReadWriteOncePod: "RWOP",
}

func modesText(modes []corev1.PersistentVolumeAccessMode) string {
	var out []string
	for _, m := range modes {
		s, ok := shortModes[m]
		if !ok {
			s = fmt.Sprintf("%.20s", string(m))
		}
		out = append(out, s)
	}
	return strings.Join(out, ",")
}
