//go:build linux

// Package cluster starts and stops a lab: Start prepares the machine and runs
// all programs under a supervisor, Down removes everything.
package cluster

import (
	"fmt"
	"strings"

	"github.com/yairfalse/tapio/test/lab/internal/layout"
	"github.com/yairfalse/tapio/test/lab/internal/pki"
	"github.com/yairfalse/tapio/test/lab/internal/state"
)

// etcd listens on the loopback of a network namespace in which only the
// control plane runs, so it needs no TLS.
func etcd(lab string, d layout.Dir) []string {
	const client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
	return []string{lab, "etcd", "--name=lab", "--data-dir=" + d.Path("etcd"),
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=lab=" + peer,
		"--unsafe-no-fsync", "--log-level=warn"}
}

func apiServer(lab string, d layout.Dir) []string {
	return []string{lab, "kube-apiserver", "--etcd-servers=http://127.0.0.1:2379",
		"--advertise-address=" + layout.ControlPlaneIP, "--bind-address=0.0.0.0", "--secure-port=6443",
		"--client-ca-file=" + d.PKI("ca.crt"), "--tls-cert-file=" + d.PKI("apiserver.crt"), "--tls-private-key-file=" + d.PKI("apiserver.key"),
		"--kubelet-client-certificate=" + d.PKI("apiserver-kubelet.crt"), "--kubelet-client-key=" + d.PKI("apiserver-kubelet.key"),
		"--kubelet-certificate-authority=" + d.PKI("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc." + layout.Domain,
		"--service-account-key-file=" + d.PKI("sa.pub"), "--service-account-signing-key-file=" + d.PKI("sa.key"),
		"--service-cluster-ip-range=" + layout.ServiceCIDR, "--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
		"--requestheader-client-ca-file=" + d.PKI("ca.crt"), "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-"}
}

func controllerManager(lab string, d layout.Dir) []string {
	return []string{lab, "kube-controller-manager", "--kubeconfig=" + d.Kubeconfig("controller-manager"),
		"--use-service-account-credentials", "--service-account-private-key-file=" + d.PKI("sa.key"),
		"--root-ca-file=" + d.PKI("ca.crt"), "--leader-elect=false", "--cluster-cidr=" + layout.PodCIDR,
		"--allocate-node-cidrs=false", "--service-cluster-ip-range=" + layout.ServiceCIDR, "--bind-address=127.0.0.1",
		"--cluster-signing-cert-file=" + d.PKI("ca.crt"), "--cluster-signing-key-file=" + d.PKI("ca.key"),
		"--node-monitor-grace-period=16s", "--node-monitor-period=2s"}
}

func scheduler(lab string, d layout.Dir) []string {
	return []string{lab, "kube-scheduler", "--kubeconfig=" + d.Kubeconfig("scheduler"), "--leader-elect=false", "--bind-address=127.0.0.1"}
}

// credential is a certificate that is written to the pki directory and, for
// a user of the API, as a kubeconfig.
type credential struct {
	file       string
	subject    pki.Subject
	kubeconfig bool
}

func credentials(nodes []layout.Node) []credential {
	svc := "kubernetes.default.svc"
	cs := []credential{
		{"apiserver", pki.Subject{CommonName: "kube-apiserver",
			IPs:      []string{layout.ControlPlaneIP, "127.0.0.1", layout.APIServiceIP},
			DNSNames: []string{"kubernetes", "kubernetes.default", svc, svc + "." + layout.Domain}}, false},
		{"apiserver-kubelet", pki.Subject{CommonName: "kube-apiserver-kubelet-client", Organizations: []string{"system:masters"}}, false},
		{"admin", pki.Subject{CommonName: "lab-admin", Organizations: []string{"system:masters"}}, true},
		{"controller-manager", pki.Subject{CommonName: "system:kube-controller-manager"}, true},
		{"scheduler", pki.Subject{CommonName: "system:kube-scheduler"}, true},
		{"proxy", pki.Subject{CommonName: "system:kube-proxy"}, true},
	}
	for _, n := range nodes {
		cs = append(cs, credential{"node-" + n.Name(), pki.Subject{
			CommonName: "system:node:" + n.Name(), Organizations: []string{"system:nodes"},
			IPs: []string{n.IP()}, DNSNames: []string{n.Name()},
		}, true})
	}
	return cs
}

// writeCredentials makes the authority and all certificates of a new lab.
func writeCredentials(d layout.Dir, nodes []layout.Node, ca *pki.Authority) error {
	private, public, err := pki.SigningKey()
	if err != nil {
		return err
	}
	files := map[string][]byte{
		d.PKI("ca.crt"): ca.Cert, d.PKI("ca.key"): ca.Key,
		d.PKI("sa.key"): private, d.PKI("sa.pub"): public,
	}
	for _, c := range credentials(nodes) {
		p, err := ca.Issue(c.subject)
		if err != nil {
			return err
		}
		files[d.PKI(c.file+".crt")], files[d.PKI(c.file+".key")] = p.Cert, p.Key
		if c.kubeconfig {
			if files[d.Kubeconfig(c.file)], err = pki.Kubeconfig(layout.Server, ca.Cert, c.subject.CommonName, p); err != nil {
				return err
			}
		}
	}
	for path, data := range files {
		if err := state.WriteFile(path, data, 0o600); err != nil {
			return fmt.Errorf("writing the credentials: %w", err)
		}
	}
	return nil
}

// WithoutProxy is the environment without settings that would send requests
// for the lab's addresses elsewhere.
func WithoutProxy(env []string) []string {
	var out []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		switch strings.ToUpper(name) {
		case "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "KUBECONFIG", "NOTIFY_SOCKET":
			continue
		}
		out = append(out, kv)
	}
	return append(out, "NO_PROXY=*", "no_proxy=*")
}
