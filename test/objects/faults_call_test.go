package objects

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// complains is a log in which an app complains of a peer until now.
func (w *world) complains(app, line string) {
	for _, p := range w.of(app) {
		text := ""
		for i := range 12 {
			at := now.Add(-time.Duration(60-5*i) * time.Second)
			text += fmt.Sprintf("%s %s\n", at.Format(time.RFC3339Nano), line)
		}
		w.logs[ns+"/"+p.Name+"/main"] = text
	}
}

var callFaults = []fault{
	{
		name: "a selector that matches no pod", cause: "network/selector-mismatch", at: "Service api",
		brk: func(w *world) {
			w.service("api").Spec.Selector = map[string]string{"app": "apis"}
			w.complains("web", `error: Get "http://api:8080/items": dial tcp 10.96.1.3:8080: connect: connection refused`)
		},
	},
	{
		name: "a Service sends to a port nobody listens on", cause: "network/target-port", at: "Service api",
		brk: func(w *world) {
			w.service("api").Spec.Ports[0].TargetPort = intstr.FromInt32(8081)
			w.complains("web", `error: Get "http://api:8080/items": dial tcp 10.96.1.3:8080: connect: connection refused`)
		},
	},
	{
		name: "a Service speaks another protocol", cause: "network/service-protocol", at: "Service api",
		brk: func(w *world) { w.service("api").Spec.Ports[0].Protocol = corev1.ProtocolUDP },
	},
	{
		name: "scaled to nothing while somebody calls", cause: "change/scaled-to-zero", at: "Deployment api",
		brk: func(w *world) {
			zero := int32(0)
			w.deployment("api").Spec.Replicas = &zero
			for _, rs := range w.sets {
				if rs.Namespace == ns && rs.Labels["app"] == "api" {
					rs.Spec.Replicas = &zero
				}
			}
			w.none("api")
			w.complains("web", `error: Get "http://api:8080/items": dial tcp 10.96.1.3:8080: connect: connection refused`)
		},
	},
	{
		name: "a variable names a port that nobody has", cause: "config/address-wrong", at: "Deployment web",
		brk: func(w *world) {
			w.spec("web", func(c *corev1.Container) { c.Env[0].Value = "api:9999" })
			w.complains("web", `error: Get "http://api:9999/items": dial tcp 10.96.1.3:9999: i/o timeout`)
		},
	},
	{
		name: "a variable names a host that is not there", cause: "config/address-wrong", at: "Deployment web",
		brk: func(w *world) {
			w.spec("web", func(c *corev1.Container) { c.Env[0].Value = "apis:8080" })
			w.complains("web", `error: Get "http://apis:8080/items": dial tcp: lookup apis on 10.96.0.10:53: no such host`)
		},
	},
	{
		name: "the liveness probe asks another port", cause: "probe/liveness-port", at: "Deployment api",
		brk: func(w *world) {
			w.spec("api", func(c *corev1.Container) {
				c.LivenessProbe = c.ReadinessProbe.DeepCopy()
				c.LivenessProbe.TCPSocket.Port = intstr.FromInt32(9090)
			})
			w.killed("api", "dial tcp: connect 9090: connection refused")
		},
	},
	{
		name: "the liveness probe speaks another protocol", cause: "probe/liveness-protocol", at: "Deployment api",
		brk: func(w *world) {
			w.spec("api", func(c *corev1.Container) {
				c.ReadinessProbe.TCPSocket, c.ReadinessProbe.GRPC = nil, &corev1.GRPCAction{Port: 8080}
				c.LivenessProbe = c.ReadinessProbe.DeepCopy()
				c.LivenessProbe.GRPC, c.LivenessProbe.HTTPGet = nil, &corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt32(8080)}
			})
			w.killed("api", `Get "http://10.0.0.9:8080/": net/http: HTTP/1.x transport connection broken: malformed HTTP response "\x00\x00\x06\x04"`)
		},
	},
	{
		name: "a quota of Services is used up", cause: "admission/quota-services", at: "Namespace shop",
		brk: func(w *world) {
			w.quota(corev1.ResourceList{corev1.ResourceServices: resource.MustParse("2")}, corev1.ResourceList{corev1.ResourceServices: resource.MustParse("2")})
			w.services = append(w.services[:2:2], w.services[3:]...) // api's own was never made
			w.complains("web", `error: Get "http://api:8080/items": dial tcp: lookup api on 10.96.0.10:53: no such host`)
		},
	},
}

// none takes the pods of an app away.
func (w *world) none(app string) {
	keep := w.pods[:0:0]
	for _, p := range w.pods {
		if p.Namespace != ns || p.Labels["app"] != app {
			keep = append(keep, p)
		}
	}
	w.pods = keep
	w.count()
}

// killed are pods that the kubelet restarts because their liveness probe fails.
func (w *world) killed(app, why string) {
	w.renew(app, 12*time.Minute)
	for _, p := range w.of(app) {
		s := &p.Status.ContainerStatuses[0]
		s.RestartCount = 7
		s.State.Running.StartedAt = ago(20 * time.Second)
		s.LastTerminationState = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "Error", StartedAt: ago(80 * time.Second), FinishedAt: ago(21 * time.Second)}}
		w.event("Pod", p.Name, string(p.UID), "Unhealthy", "Liveness probe failed: "+why, "kubelet", 12*time.Minute, 25*time.Second, 21)
		w.eventOf(corev1.EventTypeNormal, "Pod", p.Name, string(p.UID), "Killing", "Container main failed liveness probe, will be restarted", "kubelet", 11*time.Minute, 25*time.Second, 7)
	}
}
