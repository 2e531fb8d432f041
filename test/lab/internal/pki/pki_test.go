package pki

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"
)

var clock = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func authority(t *testing.T) *Authority {
	t.Helper()
	a, err := NewAuthority("lab", clock)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func parse(t *testing.T, p Pair) *x509.Certificate {
	t.Helper()
	if _, err := tls.X509KeyPair(p.Cert, p.Key); err != nil {
		t.Fatalf("certificate and key do not fit: %v", err)
	}
	b, rest := pem.Decode(p.Cert)
	if b == nil || len(rest) != 0 {
		t.Fatal("not exactly one PEM block")
	}
	c, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestIssue(t *testing.T) {
	a := authority(t)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.Cert)
	for _, tc := range []struct {
		name    string
		subject Subject
		server  bool
	}{
		{"client", Subject{CommonName: "alice", Organizations: []string{"dev", "ops"}}, false},
		{"address", Subject{CommonName: "node", IPs: []string{"172.30.0.11"}}, true},
		{"name", Subject{CommonName: "api", DNSNames: []string{"kubernetes.default"}}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := a.Issue(tc.subject)
			if err != nil {
				t.Fatal(err)
			}
			c := parse(t, p)
			if c.Subject.CommonName != tc.subject.CommonName || !slices.Equal(c.Subject.Organization, tc.subject.Organizations) {
				t.Errorf("subject is %v", c.Subject)
			}
			verify := func(usage x509.ExtKeyUsage, at time.Time) error {
				_, err := c.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage}})
				return err
			}
			if err := verify(x509.ExtKeyUsageClientAuth, clock()); err != nil {
				t.Errorf("not a client's certificate: %v", err)
			}
			if err := verify(x509.ExtKeyUsageServerAuth, clock()); (err == nil) != tc.server {
				t.Errorf("a server's certificate: %v, want %t", err, tc.server)
			}
			if verify(x509.ExtKeyUsageClientAuth, clock().Add(2*lifetime)) == nil {
				t.Error("the certificate never ends")
			}
			for _, ip := range tc.subject.IPs {
				if err := c.VerifyHostname(ip); err != nil {
					t.Error(err)
				}
			}
			for _, n := range tc.subject.DNSNames {
				if err := c.VerifyHostname(n); err != nil {
					t.Error(err)
				}
			}
			if c.IsCA {
				t.Error("the certificate may sign others")
			}
		})
	}
}

func TestIssueRefuses(t *testing.T) {
	a := authority(t)
	for _, s := range []Subject{{}, {CommonName: "x", IPs: []string{"172.30.0.300"}}} {
		if _, err := a.Issue(s); err == nil {
			t.Errorf("%+v was issued", s)
		}
	}
}

func TestSerialsDiffer(t *testing.T) {
	a := authority(t)
	seen := map[string]bool{}
	for range 20 {
		p, err := a.Issue(Subject{CommonName: "x"})
		if err != nil {
			t.Fatal(err)
		}
		s := parse(t, p).SerialNumber.String()
		if seen[s] {
			t.Fatalf("serial number %s twice", s)
		}
		seen[s] = true
	}
}

func TestParseAuthority(t *testing.T) {
	a, other := authority(t), authority(t)
	leaf, err := a.Issue(Subject{CommonName: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		pair Pair
		want string // part of the error, "" for none
	}{
		{"own", a.Pair, ""},
		{"empty", Pair{}, "certificate is not PEM"},
		{"no key", Pair{Cert: a.Cert}, "key is not PEM"},
		{"other key", Pair{a.Cert, other.Key}, "does not belong"},
		{"leaf", leaf, "may not sign"},
		{"key as certificate", Pair{a.Key, a.Key}, "certificate is not PEM"},
		{"certificate as key", Pair{a.Cert, a.Cert}, "reading the authority's key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseAuthority(tc.pair, clock)
			if tc.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if _, err := got.Issue(Subject{CommonName: "x"}); err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error is %v, want one with %q", err, tc.want)
			}
		})
	}
}

func FuzzParseAuthority(f *testing.F) {
	a, err := NewAuthority("lab", clock)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(a.Cert, a.Key)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), []byte{})
	f.Fuzz(func(t *testing.T, cert, key []byte) {
		got, err := ParseAuthority(Pair{cert, key}, clock)
		if (got == nil) == (err == nil) {
			t.Fatalf("authority %v with error %v", got, err)
		}
	})
}

func TestSigningKey(t *testing.T) {
	private, public, err := SigningKey()
	if err != nil {
		t.Fatal(err)
	}
	b, _ := pem.Decode(private)
	key, err := x509.ParseECPrivateKey(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	b, _ = pem.Decode(public)
	pub, err := x509.ParsePKIXPublicKey(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !key.PublicKey.Equal(pub.(*ecdsa.PublicKey)) {
		t.Error("the two keys are not a pair")
	}
}

func TestKubeconfig(t *testing.T) {
	a := authority(t)
	p, err := a.Issue(Subject{CommonName: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := Kubeconfig("https://172.30.0.1:6443", a.Cert, "alice", p)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Kind           string
		CurrentContext string `json:"current-context"`
		Clusters       []struct {
			Name    string
			Cluster map[string]string
		}
		Users []struct {
			Name string
			User map[string]string
		}
		Contexts []struct {
			Name    string
			Context map[string]string
		}
	}
	if err := json.Unmarshal(doc, &got); err != nil {
		t.Fatal(err)
	}
	if got.Kind != "Config" || got.CurrentContext != got.Contexts[0].Name ||
		got.Contexts[0].Context["user"] != got.Users[0].Name || got.Contexts[0].Context["cluster"] != got.Clusters[0].Name {
		t.Errorf("the parts do not refer to each other:\n%s", doc)
	}
	for where, want := range map[string][]byte{
		got.Clusters[0].Cluster["certificate-authority-data"]: a.Cert,
		got.Users[0].User["client-certificate-data"]:          p.Cert,
		got.Users[0].User["client-key-data"]:                  p.Key,
	} {
		if b, err := base64.StdEncoding.DecodeString(where); err != nil || string(b) != string(want) {
			t.Errorf("embedded data differ (%v)", err)
		}
	}
}
