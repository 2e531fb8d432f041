//go:build linux

package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/yairfalse/tapio/test/lab/internal/layout"
)

const nodeList = `{"items":[
 {"metadata":{"name":"n1"},"status":{"conditions":[{"type":"MemoryPressure","status":"False"},{"type":"Ready","status":"True"}]}},
 {"metadata":{"name":"n2"},"status":{"conditions":[{"type":"Ready","status":"False"}]}},
 {"metadata":{"name":"n3"},"status":{}}]}`

// api is a client of a server that demands the admin's certificate, as the
// real one does.
func api(t *testing.T, replies map[string]string) *API {
	t.Helper()
	d := layout.Dir(t.TempDir())
	ca := authority(t)
	if err := writeCredentials(d, layout.Nodes(1), ca); err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(d.PKI("apiserver.crt"), d.PKI("apiserver.key"))
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(ca.Cert)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reply, ok := replies[r.URL.Path]
		if !ok || r.TLS.PeerCertificates[0].Subject.CommonName != "lab-admin" {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = w.Write([]byte(reply))
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	a, err := NewAPI(d)
	if err != nil {
		t.Fatal(err)
	}
	a.server = s.URL
	return a
}

func TestAPI(t *testing.T) {
	const dns = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
	a := api(t, map[string]string{"/readyz": "ok", "/api/v1/nodes": nodeList, dns: `{"status":{"availableReplicas":1}}`})
	if err := a.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	not, err := a.NotReady(t.Context(), layout.Nodes(4))
	if want := []string{"n2", "n3", "n4"}; err != nil || !slices.Equal(not, want) {
		t.Errorf("not ready: %v, %v", not, err)
	}
	if ok, err := a.DNSReady(t.Context()); err != nil || !ok {
		t.Errorf("DNS: %t, %v", ok, err)
	}
}

func TestAPIFailures(t *testing.T) {
	a := api(t, nil)
	if err := a.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("error is %v", err)
	}
	if _, err := a.NotReady(t.Context(), nil); err == nil {
		t.Error("a refusal counts as a list")
	}
	a = api(t, map[string]string{"/apis/apps/v1/namespaces/kube-system/deployments/coredns": `{"status":`})
	if _, err := a.DNSReady(t.Context()); err == nil {
		t.Error("a broken reply counts")
	}
	if _, err := NewAPI(layout.Dir(t.TempDir())); err == nil {
		t.Error("a client without certificates")
	}
}

func TestReadyNodes(t *testing.T) {
	got, err := readyNodes([]byte(nodeList))
	if err != nil || !maps.Equal(got, map[string]bool{"n1": true}) {
		t.Errorf("got %v, %v", got, err)
	}
}

func FuzzReadyNodes(f *testing.F) {
	f.Add([]byte(nodeList))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := readyNodes(b); (got == nil) == (err == nil) {
			t.Errorf("got %v, %v", got, err)
		}
	})
}
