package cluster

import (
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	source "github.com/yairfalse/tapio/observers/cluster"
)

// claimState says what a volume claim means for the pod that uses it.
type claimState int

const (
	claimFree   claimState = iota // it stands in nobody's way, as far as is known
	claimBlocks                   // absent, or it must be bound before the pod can be placed
)

// claim looks at one claim: bound, it may tie the pod to where its volume is;
// unbound, it blocks unless its class binds it to a node together with the pod.
// unknown names a list that would be needed to say.
func (o *observer) claim(namespace, name string) (state claimState, pv *corev1.PersistentVolume, unknown string) {
	if o.src.Known(source.Claims) != nil {
		return claimFree, nil, string(source.Claims)
	}
	pvc, err := o.src.Claims.PersistentVolumeClaims(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		if ns := o.src.Namespace(); ns != "" && ns != namespace {
			return claimFree, nil, string(source.Claims) // of another namespace
		}
		return claimBlocks, nil, ""
	}
	if err != nil {
		return claimFree, nil, string(source.Claims)
	}
	if pvc.Spec.VolumeName != "" && pvc.Status.Phase != corev1.ClaimPending && pvc.Status.Phase != corev1.ClaimLost {
		if o.src.Known(source.Volumes) != nil {
			return claimFree, nil, string(source.Volumes)
		}
		if pv, err = o.src.Volumes.Get(pvc.Spec.VolumeName); err != nil {
			return claimFree, nil, ""
		}
		return claimFree, pv, ""
	}
	if pvc.Spec.StorageClassName == nil || *pvc.Spec.StorageClassName == "" {
		return claimBlocks, nil, ""
	}
	if o.src.Known(source.StorageClasses) != nil {
		return claimFree, nil, string(source.StorageClasses)
	}
	class, err := o.src.StorageClasses.Get(*pvc.Spec.StorageClassName)
	if err == nil && class.VolumeBindingMode != nil && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer && class.Provisioner != noProvisioner {
		return claimFree, nil, ""
	}
	return claimBlocks, nil, ""
}

// noProvisioner is the provisioner of classes whose volumes are made by hand.
const noProvisioner = "kubernetes.io/no-provisioner"
