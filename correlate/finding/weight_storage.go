package finding

// The weights of the storage family.
const (
	FieldAlone      Weight = "field-alone"
	FieldTogether   Weight = "field-together"
	BinderAgrees    Weight = "binder-agrees"
	FartherVolume   Weight = "farther-volume"
	NothingToBind   Weight = "nothing-to-bind"
	ProvisionerSays Weight = "provisioner-says"
	KubeletMounts   Weight = "kubelet-mounts"
	KubeletTimesOut Weight = "kubelet-times-out"
	HeldElsewhere   Weight = "held-elsewhere"
	HeldBySpec      Weight = "held-by-spec"
	PathDenied      Weight = "path-denied"
	MountExplains   Weight = "mount-explains"
	MountSilent     Weight = "mount-silent"
	EvictedForDisk  Weight = "evicted-for-disk"
)

var storageWeights = map[Weight]Entry{
	FieldAlone:      {4.0, "computed from the objects: a volume is there that would do but for this one field"},
	FieldTogether:   {2.0, "computed from the objects: the nearest volume differs in this, but not in this alone"},
	BinderAgrees:    {1.5, "the scheduler or the controller that binds volumes says that the claim has none"},
	FartherVolume:   {-2.0, "more volumes, or free ones, are nearer but for another field"},
	NothingToBind:   {4.5, "no volume is there, and nobody makes one for this claim"},
	ProvisionerSays: {3.5, "the provisioner reports that it could not make the volume"},
	KubeletMounts:   {4.0, "the kubelet tried to mount the volume and says why it could not, while the containers still wait for it"},
	KubeletTimesOut: {2.0, "the kubelet gave up waiting for the volume and does not say why"},
	HeldElsewhere:   {4.5, "the volume is attached to, or refused for, another node than the one it is waited for on"},
	HeldBySpec:      {4.5, "the access mode lets one pod have the claim, and another one has it"},
	PathDenied:      {2.0, "the program's last words name a path that it was refused"},
	MountExplains:   {2.5, "the path lies on a mount whose spec fits the refusal"},
	MountSilent:     {0.5, "the path lies on a mount, though the spec alone does not show why it is refused"},
	EvictedForDisk:  {5.0, "the kubelet itself says that it evicted the pod for local storage"},
}
