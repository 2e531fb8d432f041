//go:build linux

// Package node makes one node of the lab: its view of the machine, the
// configuration of its programs, and their command lines.
package node

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"path/filepath"
	"text/template"

	"github.com/yairfalse/tapio/test/lab/internal/layout"
	"github.com/yairfalse/tapio/test/lab/internal/state"
)

//go:embed containerd.toml.tmpl
var containerdTemplate string

//go:embed kubelet.yaml.tmpl
var kubeletTemplate string

//go:embed proxy.yaml.tmpl
var proxyTemplate string

// Config is all that the programs of one node depend on.
type Config struct {
	Node layout.Node
	Dir  layout.Dir
	CNI  string // directory of the CNI plugins
}

// Files returns the node's configuration files by path.
func (c Config) Files() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, f := range []struct{ path, text string }{
		{c.path("containerd.toml"), containerdTemplate},
		{c.path("kubelet.yaml"), kubeletTemplate},
		{c.path("proxy.yaml"), proxyTemplate},
	} {
		t, err := template.New(filepath.Base(f.path)).Option("missingkey=error").Parse(f.text)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, c.values()); err != nil {
			return nil, err
		}
		files[f.path] = b.Bytes()
	}
	cni, err := c.conflist()
	if err != nil {
		return nil, err
	}
	files[c.path("cni", "10-lab.conflist")] = cni
	// Names outside the cluster are refused at once: nothing listens there.
	files[c.path("resolv.conf")] = []byte("nameserver " + layout.ControlPlaneIP + "\n")
	return files, nil
}

// Write writes the node's configuration files.
func (c Config) Write() error {
	files, err := c.Files()
	if err != nil {
		return err
	}
	for p, b := range files {
		if err := state.WriteFile(p, b, 0o644); err != nil {
			return fmt.Errorf("configuring node %s: %w", c.Node.Name(), err)
		}
	}
	return nil
}

func (c Config) path(elem ...string) string { return c.Dir.NodePath(c.Node, elem...) }

func (c Config) values() map[string]string {
	n := c.Node.Name()
	return map[string]string{
		"Name": n, "IP": c.Node.IP(), "Cgroup": "/" + c.Node.Cgroup(),
		"PodCIDR": layout.PodCIDR, "DNS": layout.DNSIP, "Domain": layout.Domain,
		"Pause": layout.PauseImage, "CNIBin": c.CNI, "CNIConf": c.path("cni"),
		"Certs": c.path("certs.d"), "ResolvConf": c.path("resolv.conf"),
		"CA": c.Dir.PKI("ca.crt"), "Cert": c.Dir.PKI("node-" + n + ".crt"), "Key": c.Dir.PKI("node-" + n + ".key"),
		"ProxyKubeconfig": c.Dir.Kubeconfig("proxy"),
	}
}

// conflist is the CNI configuration: a bridge on the node, and host ports.
// Addresses are kept across nodes (no masquerading): nothing leaves the machine.
func (c Config) conflist() ([]byte, error) {
	type object = map[string]any
	return json.MarshalIndent(object{
		"cniVersion": "0.4.0",
		"name":       "lab",
		"plugins": []object{{
			"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
			"ipam": object{
				"type":   "host-local",
				"ranges": [][]object{{{"subnet": c.Node.PodSubnet()}}},
				"routes": []object{{"dst": "0.0.0.0/0"}},
			},
		}, {
			"type": "portmap", "capabilities": object{"portMappings": true},
		}},
	}, "", "  ")
}

// Socket is containerd's address inside the node.
const Socket = "/run/containerd/containerd.sock"

// Containerd is the command line of the node's container runtime.
func (c Config) Containerd(binary string) []string {
	return []string{binary, "--config", c.path("containerd.toml")}
}

// Kubelet is the command line of the node's kubelet.
func (c Config) Kubelet(lab string) []string {
	n := c.Node.Name()
	return []string{lab, "kubelet", "--config=" + c.path("kubelet.yaml"), "--kubeconfig=" + c.Dir.Kubeconfig("node-"+n),
		"--hostname-override=" + n, "--node-ip=" + c.Node.IP(), "--v=2"}
}

// Proxy is the command line of the node's kube-proxy.
func (c Config) Proxy(lab string) []string {
	return []string{lab, "kube-proxy", "--config=" + c.path("proxy.yaml"), "--v=1"}
}
