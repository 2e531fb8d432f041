package launch

import (
	"fmt"
	"path"
	"strconv"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Where the parts of a delivered probe are mounted and where the loader puts
// the program together. The loader knows the same paths.
const (
	partsDir  = "/tapio"
	runDir    = "/run/tapio"
	loaderKey = "loader"
	partKey   = "part"
)

// imageEntry is the program's path in an ordinary probe image.
const imageEntry = "/tapio-probe"

// appArmorAnnotation is how kubelets before 1.30 are told the AppArmor profile.
const appArmorAnnotation = corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix + ContainerName

// Spec is what one probe's Job is made of.
type Spec struct {
	Name      string // of the Job
	Namespace string
	Run       string // the run's id
	Node      string // metadata.name of the node

	// Image is the probe's own image, or, when ConfigMaps is not empty, any
	// image that is on the node already: nothing of it is executed.
	Image      string
	ConfigMaps []string // names of the parts in order; the first holds the loader too
	SHA256     string   // of the program that the parts make, hex; checked before it runs
	PullSecret string   // name of a Secret in Namespace, "" for none

	TokenSHA256   string // hex
	Profile       Profile
	PriorityClass string // "" for none
	// AppArmorAnnotation says the AppArmor profile in the old way, for kubelets
	// that do not know the field (before 1.30).
	AppArmorAnnotation bool
}

// delivered tells whether ConfigMaps carry the program.
func (s Spec) delivered() bool { return len(s.ConfigMaps) > 0 }

// capabilities is what the caps profile asks for, and why:
// BPF loads programs, PERFMON attaches them and reads kernel memory by them,
// SYS_PTRACE reaches other processes' /proc entries, SYSLOG reads the kernel
// log, DAC_READ_SEARCH reads files of other users. SYS_RESOURCE is not among
// them: kernels since 5.11 account BPF memory by cgroup, and a runtime that
// lacks it refuses the whole pod.
func capabilities() []corev1.Capability {
	return []corev1.Capability{"BPF", "PERFMON", "SYS_PTRACE", "SYSLOG", "DAC_READ_SEARCH"}
}

// Job returns the Job that runs a probe on a node. It is created running, never
// suspended: the deadline of a suspended Job does not run.
func Job(s Spec) *batchv1.Job {
	return &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{Name: s.Name, Namespace: s.Namespace, Labels: runLabels(s.Run)},
		Spec: batchv1.JobSpec{
			BackoffLimit:            new(int32(0)),
			ActiveDeadlineSeconds:   new(int64(Lease.Seconds())),
			TTLSecondsAfterFinished: new(int32(finishedTTL.Seconds())),
			Template:                podTemplate(s),
		},
	}
}

// Pod returns the pod that the Job would make, for a dry run: Pod Security is
// enforced on pods and only warns about Jobs.
func Pod(s Spec) *corev1.Pod {
	t := podTemplate(s)
	t.ObjectMeta.Name, t.ObjectMeta.Namespace = s.Name, s.Namespace
	return &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: t.ObjectMeta,
		Spec:       t.Spec,
	}
}

func runLabels(run string) map[string]string {
	return map[string]string{LabelManagedBy: ManagedBy, LabelName: AppName, LabelRun: run}
}

// podTemplate opts out of service meshes, which would put a proxy beside the
// probe that outlives it, and of everything else it does not need.
func podTemplate(s Spec) corev1.PodTemplateSpec {
	labels := runLabels(s.Run)
	labels["sidecar.istio.io/inject"] = "false"
	labels["kuma.io/sidecar-injection"] = "disabled"
	annotations := map[string]string{
		"sidecar.istio.io/inject":                        "false",
		"linkerd.io/inject":                              "disabled",
		"consul.hashicorp.com/connect-inject":            "false",
		"openservicemesh.io/sidecar-injection":           "disabled",
		"vault.hashicorp.com/agent-inject":               "false",
		"cluster-autoscaler.kubernetes.io/safe-to-evict": "true",
	}
	if s.AppArmorAnnotation {
		annotations[appArmorAnnotation] = corev1.DeprecatedAppArmorBetaProfileNameUnconfined
	}
	var secrets []corev1.LocalObjectReference
	if s.PullSecret != "" {
		secrets = []corev1.LocalObjectReference{{Name: s.PullSecret}}
	}
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: annotations},
		Spec: corev1.PodSpec{
			NodeName:                      s.Node,
			OS:                            &corev1.PodOS{Name: corev1.Linux},
			HostPID:                       true,
			RestartPolicy:                 corev1.RestartPolicyNever,
			TerminationGracePeriodSeconds: new(int64(1)),
			AutomountServiceAccountToken:  new(false),
			EnableServiceLinks:            new(false),
			DNSPolicy:                     corev1.DNSDefault,
			PriorityClassName:             s.PriorityClass,
			ImagePullSecrets:              secrets,
			Tolerations:                   []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
			Containers:                    []corev1.Container{container(s)},
			Volumes:                       volumes(s),
		},
	}
}

func container(s Spec) corev1.Container {
	c := corev1.Container{
		Name:            ContainerName,
		Image:           s.Image,
		WorkingDir:      "/",
		SecurityContext: securityContext(s),
		Resources: corev1.ResourceRequirements{
			Requests: resources("10m", "32Mi"),
			Limits:   resources("1", "256Mi"),
		},
		// The last line of a program that could not start becomes part of the
		// pod's status, where the client reads it.
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		VolumeMounts:             []corev1.VolumeMount{{Name: "run", MountPath: runDir}},
	}
	args := []string{"agent", fmt.Sprintf("--listen=127.0.0.1:%d", Port), "--token-sha256=" + s.TokenSHA256}
	if s.delivered() {
		c.ImagePullPolicy = corev1.PullNever
		c.Command = append([]string{path.Join(partsDir, loaderKey, "loader"), s.SHA256}, args...)
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "parts", MountPath: partsDir, ReadOnly: true})
	} else {
		c.ImagePullPolicy = corev1.PullIfNotPresent
		c.Command = append([]string{imageEntry}, args...)
	}
	return c
}

func resources(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse(cpu),
		corev1.ResourceMemory: resource.MustParse(memory),
	}
}

func securityContext(s Spec) *corev1.SecurityContext {
	sc := &corev1.SecurityContext{
		RunAsUser:              new(int64(0)),
		RunAsNonRoot:           new(false),
		ReadOnlyRootFilesystem: new(true),
		SeccompProfile:         &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined},
	}
	if !s.AppArmorAnnotation {
		sc.AppArmorProfile = &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}
	}
	if s.Profile == Caps {
		sc.AllowPrivilegeEscalation = new(false)
		sc.Capabilities = &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: capabilities()}
		return sc
	}
	sc.Privileged = new(true)
	return sc
}

// volumes are the memory-backed directory for the program and the sockets of
// the probe, and, when the program is delivered, all its parts in one
// projected volume.
func volumes(s Spec) []corev1.Volume {
	out := []corev1.Volume{{Name: "run", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{
		Medium: corev1.StorageMediumMemory, SizeLimit: new(resource.MustParse("32Mi")),
	}}}}
	if !s.delivered() {
		return out
	}
	sources := make([]corev1.VolumeProjection, len(s.ConfigMaps))
	for i, name := range s.ConfigMaps {
		items := []corev1.KeyToPath{{Key: partKey, Path: path.Join(strconv.Itoa(i), "part")}}
		if i == 0 {
			items = append(items, corev1.KeyToPath{Key: loaderKey, Path: path.Join(loaderKey, "loader")})
		}
		sources[i].ConfigMap = &corev1.ConfigMapProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: name}, Items: items,
		}
	}
	return append(out, corev1.Volume{Name: "parts", VolumeSource: corev1.VolumeSource{
		Projected: &corev1.ProjectedVolumeSource{DefaultMode: new(int32(0o555)), Sources: sources},
	}})
}
