//go:build linux

package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/yairfalse/tapio/test/lab/internal/layout"
)

// API asks the lab's API server. It needs only a few reads, so it speaks plain
// HTTPS; the full client would make labctl slow to build.
type API struct {
	server string
	client http.Client
}

// maxReply bounds what is read of a reply.
const maxReply = 8 << 20

// NewAPI returns a client with the admin's certificate.
func NewAPI(d layout.Dir) (*API, error) {
	ca, err := os.ReadFile(d.PKI("ca.crt"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s holds no certificate", d.PKI("ca.crt"))
	}
	cert, err := tls.LoadX509KeyPair(d.PKI("admin.crt"), d.PKI("admin.key"))
	if err != nil {
		return nil, fmt.Errorf("reading the admin's certificate: %w", err)
	}
	return &API{server: layout.Server, client: http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{
			RootCAs: pool, Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12,
		}},
	}}, nil
}

func (a *API) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.server+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the API server answered %s to %s", resp.Status, path)
	}
	return b, err
}

// Ready reports whether the API server says that it is ready.
func (a *API) Ready(ctx context.Context) error {
	_, err := a.get(ctx, "/readyz")
	return err
}

// NotReady lists the nodes of want that are not Ready.
func (a *API) NotReady(ctx context.Context, want []layout.Node) ([]string, error) {
	b, err := a.get(ctx, "/api/v1/nodes")
	if err != nil {
		return nil, err
	}
	ready, err := readyNodes(b)
	if err != nil {
		return nil, err
	}
	var not []string
	for _, n := range want {
		if !ready[n.Name()] {
			not = append(not, n.Name())
		}
	}
	return not, nil
}

type condition struct{ Type, Status string }

func readyNodes(list []byte) (map[string]bool, error) {
	var nodes struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct{ Conditions []condition }
		}
	}
	if err := json.Unmarshal(list, &nodes); err != nil {
		return nil, fmt.Errorf("reading the list of nodes: %w", err)
	}
	ready := map[string]bool{}
	for _, n := range nodes.Items {
		for _, c := range n.Status.Conditions {
			if c.Type == "Ready" && c.Status == "True" {
				ready[n.Metadata.Name] = true
			}
		}
	}
	return ready, nil
}

// DNSReady reports whether cluster DNS has an available replica.
func (a *API) DNSReady(ctx context.Context) (bool, error) {
	b, err := a.get(ctx, "/apis/apps/v1/namespaces/kube-system/deployments/coredns")
	if err != nil {
		return false, err
	}
	var d struct {
		Status struct{ AvailableReplicas int }
	}
	if err := json.Unmarshal(b, &d); err != nil {
		return false, fmt.Errorf("reading the deployment of CoreDNS: %w", err)
	}
	return d.Status.AvailableReplicas > 0, nil
}
