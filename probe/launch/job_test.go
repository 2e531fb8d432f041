package launch

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/yairfalse/tapio/probe/launch/payload"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (run with -update to accept):\n%s", path, diff)
	}
}

func deliveredSpec() Spec {
	return Spec{
		Name: "tapio-job", Namespace: "kube-system", Run: "0123456789", Node: "node-a",
		Image: "registry.k8s.io/pause:3.10", ConfigMaps: []string{"tapio-part0", "tapio-part1"},
		SHA256: strings.Repeat("ab", 32), TokenSHA256: strings.Repeat("cd", 32), Profile: Privileged,
	}
}

func TestJobGolden(t *testing.T) {
	for name, change := range map[string]func(*Spec){
		"privileged": func(*Spec) {},
		"caps":       func(s *Spec) { s.Profile = Caps; s.PriorityClass = "system-node-critical" },
		"caps-old-kubelet": func(s *Spec) {
			s.Profile, s.AppArmorAnnotation = Caps, true
		},
		"image": func(s *Spec) {
			s.ConfigMaps, s.SHA256, s.Image, s.PullSecret = nil, "", "registry.example/tapio-probe:1", "pull"
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := deliveredSpec()
			change(&s)
			out, err := yaml.Marshal(Job(s))
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "job-"+name+".yaml", string(out))
		})
	}
}

// TestJobRules holds what must be true of every Job, whatever the options.
func TestJobRules(t *testing.T) {
	for _, profile := range Profiles() {
		for _, image := range []bool{false, true} {
			for _, old := range []bool{false, true} {
				s := deliveredSpec()
				s.Profile, s.AppArmorAnnotation = profile, old
				if image {
					s.ConfigMaps = nil
				}
				checkJobRules(t, s, Job(s))
			}
		}
	}
}

func checkJobRules(t *testing.T, s Spec, job *batchv1.Job) {
	t.Helper()
	pod := job.Spec.Template.Spec
	c := pod.Containers[0]
	for what, ok := range map[string]bool{
		"never suspended":          job.Spec.Suspend == nil,
		"the deadline is a lease":  job.Spec.ActiveDeadlineSeconds != nil && *job.Spec.ActiveDeadlineSeconds == 45,
		"it expires when finished": job.Spec.TTLSecondsAfterFinished != nil && *job.Spec.TTLSecondsAfterFinished == 5,
		"no retries":               *job.Spec.BackoffLimit == 0 && pod.RestartPolicy == corev1.RestartPolicyNever,
		"no finalizer":             len(job.Finalizers) == 0,
		"the run label on the Job": job.Labels[LabelRun] == s.Run && job.Labels[LabelManagedBy] == ManagedBy,
		"the run label on the pod": job.Spec.Template.Labels[LabelRun] == s.Run,
		"no token":                 pod.AutomountServiceAccountToken != nil && !*pod.AutomountServiceAccountToken,
		"the node is fixed":        pod.NodeName == s.Node,
		"read-only root":           *c.SecurityContext.ReadOnlyRootFilesystem,
		"user 0":                   *c.SecurityContext.RunAsUser == 0,
		"the token stays here":     strings.Contains(strings.Join(c.Command, " "), "--token-sha256="+s.TokenSHA256),
		"seccomp unconfined":       c.SecurityContext.SeccompProfile.Type == corev1.SeccompProfileTypeUnconfined,
		"AppArmor is said once": (c.SecurityContext.AppArmorProfile == nil) ==
			(job.Spec.Template.Annotations[appArmorAnnotation] != ""),
		"no host path": hostPaths(pod) == 0,
	} {
		if !ok {
			t.Errorf("profile %s, image %v: broken rule: %s", s.Profile, s.Image, what)
		}
	}
	if caps := c.SecurityContext.Capabilities; caps != nil {
		for _, added := range caps.Add {
			if added == "SYS_RESOURCE" || added == "SYS_ADMIN" {
				t.Errorf("the caps profile asks for %s", added)
			}
		}
	}
	if s.delivered() && c.ImagePullPolicy != corev1.PullNever {
		t.Errorf("a carrier image must not be pulled, but the policy is %s", c.ImagePullPolicy)
	}
}

func hostPaths(pod corev1.PodSpec) (n int) {
	for _, v := range pod.Volumes {
		if v.HostPath != nil {
			n++
		}
	}
	return n
}

func TestPodIsTheJobsPod(t *testing.T) {
	s := deliveredSpec()
	if diff := cmp.Diff(Job(s).Spec.Template.Spec, Pod(s).Spec); diff != "" {
		t.Errorf("the dry-run pod is not what the Job makes:\n%s", diff)
	}
}

func testPayload(parts ...int) payload.Payload {
	p := payload.Payload{Arch: "amd64", Build: "test", SHA256: strings.Repeat("ab", 32), Loader: []byte("loader")}
	for _, n := range parts {
		p.Parts = append(p.Parts, make([]byte, n))
	}
	return p
}

func TestConfigMaps(t *testing.T) {
	jobs := []*batchv1.Job{Job(deliveredSpec()), Job(deliveredSpec())}
	jobs[0].UID, jobs[1].UID = types.UID("one"), types.UID("two")
	maps, err := ConfigMaps(testPayload(10, 20), "kube-system", "run1", []string{"a", "b"}, jobs)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range maps {
		if m.Immutable == nil || !*m.Immutable || m.Labels[LabelRun] != "run1" || len(m.OwnerReferences) != 2 {
			t.Errorf("part %d: not immutable, labelled and owned by both Jobs: %+v", i, m.ObjectMeta)
		}
		for _, o := range m.OwnerReferences {
			if *o.Controller || *o.BlockOwnerDeletion || o.UID == "" || o.Kind != "Job" || o.APIVersion != "batch/v1" {
				t.Errorf("part %d: owner %+v", i, o)
			}
		}
		if _, has := m.BinaryData[loaderKey]; has != (i == 0) {
			t.Errorf("part %d: loader present: %v", i, has)
		}
	}
}

func TestConfigMapsRefuseWhatCannotWork(t *testing.T) {
	eleven := testPayload(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	noLoader := testPayload(1)
	noLoader.Loader = nil
	for name, tt := range map[string]struct {
		p     payload.Payload
		names []string
	}{
		"no parts":      {testPayload(), nil},
		"no loader":     {noLoader, newNames(1)},
		"too many":      {eleven, newNames(11)},
		"names missing": {testPayload(1, 1), newNames(1)},
		"too large":     {testPayload(maxConfigMap), newNames(1)},
	} {
		t.Run(name, func(t *testing.T) {
			if maps, err := ConfigMaps(tt.p, "ns", "run", tt.names, nil); err == nil {
				t.Errorf("got %d ConfigMaps, want an error", len(maps))
			}
		})
	}
}

func TestNamesAreUnpredictableAndValid(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		n := newName()
		if seen[n] || len(n) > 52 || strings.ToLower(n) != n {
			t.Fatalf("name %q is a repeat or not valid", n)
		}
		seen[n] = true
	}
}
