package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/yairfalse/tapio/correlate/story"
)

// countingServer answers lists and gets of a cluster of 5,000 nodes and counts them.
type countingServer struct {
	lists     map[string]string // JSON of items by "RESOURCE" or "NAMESPACE/RESOURCE"
	objects   map[string]string // by "NAMESPACE/RESOURCE/NAME"
	forbidden func(namespace, resource string) bool

	mu    sync.Mutex
	asked []string
}

// listKinds are the lists of resources that are named otherwise than by an s.
var listKinds = map[string]string{
	"endpoints": "Endpoints", "networkpolicies": "NetworkPolicy", "ingresses": "Ingress", "storageclasses": "StorageClass",
	"priorityclasses": "PriorityClass", "runtimeclasses": "RuntimeClass",
	"pods": "Pod", "events": "Event", "services": "Service", "nodes": "Node", "configmaps": "ConfigMap", "secrets": "Secret", "namespaces": "Namespace", "leases": "Lease", "jobs": "Job",
	"deployments": "Deployment", "replicasets": "ReplicaSet", "statefulsets": "StatefulSet", "daemonsets": "DaemonSet", "cronjobs": "CronJob",
	"endpointslices": "EndpointSlice", "serviceaccounts": "ServiceAccount", "resourcequotas": "ResourceQuota", "limitranges": "LimitRange",
	"persistentvolumes": "PersistentVolume", "persistentvolumeclaims": "PersistentVolumeClaim", "volumeattachments": "VolumeAttachment",
	"horizontalpodautoscalers": "HorizontalPodAutoscaler", "poddisruptionbudgets": "PodDisruptionBudget", "roles": "Role", "rolebindings": "RoleBinding",
	"controllerrevisions": "ControllerRevision", "mutatingwebhookconfigurations": "MutatingWebhookConfiguration", "validatingwebhookconfigurations": "ValidatingWebhookConfiguration",
}

func (a *countingServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	group := ""
	if parts[0] == "apis" && len(parts) > 2 {
		group, parts = parts[1], parts[1:]
	}
	version, parts := parts[1], parts[2:]
	namespace := ""
	if len(parts) > 2 && parts[0] == "namespaces" {
		namespace, parts = parts[1], parts[2:]
	}
	resource, name := parts[0], strings.Join(parts[1:], "/")
	a.mu.Lock()
	a.asked = append(a.asked, strings.TrimSpace(strings.Trim(namespace+"/"+resource+"/"+name, "/")+" "+r.URL.Query().Get("watch")))
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	refuse := func(code int, reason string) {
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d,"message":"no"}`, reason, code)
	}
	apiVersion := strings.TrimPrefix(group+"/"+version, "/")
	switch {
	case a.forbidden != nil && a.forbidden(namespace, resource):
		refuse(403, "Forbidden")
	case strings.HasSuffix(name, "/log"):
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintln(w, "2026-03-01T12:00:00Z hello")
	case name != "":
		obj, ok := a.objects[namespace+"/"+resource+"/"+name]
		if !ok {
			refuse(404, "NotFound")
			return
		}
		fmt.Fprint(w, obj)
	default:
		items := a.lists[resource]
		if namespace != "" {
			items = a.lists[namespace+"/"+resource]
		}
		fmt.Fprintf(w, `{"kind":"%sList","apiVersion":%q,"metadata":{"resourceVersion":"1"},"items":[%s]}`, listKinds[resource], apiVersion, items)
	}
}

// crowd is a namespace whose Deployment has 200 pods, on so many nodes; with a
// state of pods that is given as JSON.
func crowd(nodes int, podSpec, podStatus string) *countingServer {
	const labels = `"labels":{"app":"web"}`
	a := &countingServer{lists: map[string]string{}, objects: map[string]string{}}
	var ns, ps []string
	for i := range nodes {
		ns = append(ns, fmt.Sprintf(`{"metadata":{"name":"n%d"},"status":{"allocatable":{"cpu":"4","memory":"8Gi","pods":"110"}}}`, i))
	}
	for i := range 200 {
		ps = append(ps, fmt.Sprintf(`{"metadata":{"name":"web-1-%d","namespace":"shop","uid":"p%d",%s,"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-1","uid":"r1","controller":true}]},"spec":%s,"status":%s}`,
			i, i, labels, podSpec, podStatus))
	}
	a.lists["nodes"], a.lists["pods"], a.lists["shop/pods"] = strings.Join(ns, ","), strings.Join(ps, ","), strings.Join(ps, ",")
	deploy := `"metadata":{"name":"web","namespace":"shop","uid":"d1"},"spec":{"replicas":200,"selector":{"matchLabels":{"app":"web"}}},"status":{"replicas":200,"unavailableReplicas":200}}`
	a.lists["shop/deployments"] = "{" + deploy
	a.objects["shop/deployments/web"] = `{"kind":"Deployment","apiVersion":"apps/v1",` + deploy
	a.lists["shop/replicasets"] = `{"metadata":{"name":"web-1","namespace":"shop","uid":"r1",` + labels + `,"ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"web","uid":"d1","controller":true}]}}`
	service := `"metadata":{"name":"web","namespace":"shop"},"spec":{"selector":{"app":"web"},"ports":[{"port":80}]}}`
	a.lists["shop/services"] = "{" + service
	a.objects["shop/services/web"] = `{"kind":"Service","apiVersion":"v1",` + service
	return a
}

const (
	pendingSpec   = `{"containers":[{"name":"main","envFrom":[{"configMapRef":{"name":"c"}},{"secretRef":{"name":"s"}}],"resources":{"requests":{"cpu":"8"}}}],"volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"v"}}]}`
	pendingStatus = `{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable","message":"0/5000 nodes are available: 5000 Insufficient cpu."}]}`
	crashSpec     = `{"nodeName":"n1","containers":[{"name":"main","resources":{"limits":{"memory":"64Mi"}}}]}`
	crashStatus   = `{"phase":"Running","containerStatuses":[{"name":"main","ready":false,"restartCount":5,"containerID":"containerd://b","state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":137,"reason":"OOMKilled","containerID":"containerd://a"}}}]}`
)

// maxRequests is what one explain may cost an API server.
const maxRequests = 50

// TestRequests counts what explain without probes asks of a cluster of 5,000
// nodes, where 200 pods of one Deployment fail.
func TestRequests(t *testing.T) {
	for _, state := range []struct {
		name, spec, status string
		wide               bool // lists of the whole cluster have a reason
	}{
		{"pending", pendingSpec, pendingStatus, true},
		{"crashing", crashSpec, crashStatus, false},
	} {
		for _, target := range [][]string{{"deploy/web"}, {"web"}, {"svc/web"}, {"-l", "app=web"}, {}} {
			t.Run(strings.TrimSpace(state.name+" "+strings.Join(target, " ")), func(t *testing.T) {
				a := crowd(5000, state.spec, state.status)
				s := explainAt(t, a, target...)
				if s.Verdict == story.Healthy {
					t.Errorf("%s", s.Headline)
				}
				if len(a.asked) > maxRequests {
					t.Errorf("%d requests, at most %d are due:\n%s", len(a.asked), maxRequests, strings.Join(slices.Sorted(slices.Values(a.asked)), "\n"))
				}
				for _, r := range a.asked {
					if strings.HasSuffix(r, " true") || strings.HasSuffix(r, " 1") {
						t.Errorf("a watch: %s", r)
					}
					if !state.wide && (r == "nodes" || r == "pods") {
						t.Errorf("the whole cluster's %s are listed without a reason", r)
					}
				}
				t.Logf("%d requests", len(a.asked))
			})
		}
	}
}

// TestNamespaceRights: all of the cluster's own lists are forbidden, and the
// namespace tells its story.
func TestNamespaceRights(t *testing.T) {
	for _, state := range [][2]string{{pendingSpec, pendingStatus}, {crashSpec, crashStatus}} {
		a := crowd(3, state[0], state[1])
		a.forbidden = func(namespace, _ string) bool { return namespace != "shop" }
		s := explainAt(t, a, "deploy/web")
		if s.Verdict == story.Healthy || len(s.Hypotheses) == 0 && s.Headline == "" {
			t.Errorf("%s: %s", s.Verdict, s.Headline)
		}
		if len(a.asked) > maxRequests {
			t.Errorf("%d requests", len(a.asked))
		}
	}
}

func explainAt(t *testing.T, a *countingServer, target ...string) *story.Story {
	t.Helper()
	server := httptest.NewServer(a)
	defer server.Close()
	args := append([]string{"explain", "--server", server.URL, "-n", "shop", "--no-probe", "-o", "json", "--cache-dir", filepath.Join(t.TempDir(), "cache")}, target...)
	out, stderr, code := kubectlTapio(t, args...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	s := &story.Story{}
	if err := json.Unmarshal([]byte(out), s); err != nil {
		t.Fatal(err)
	}
	return s
}
