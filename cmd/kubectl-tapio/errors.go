package main

import (
	"errors"
	"net"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/yairfalse/tapio/tui/escape"
)

// sentence turns an error into one line that says what, why and, where there is
// one, the way out.
func sentence(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	var u *url.Error
	switch {
	case clientcmd.IsEmptyConfig(err), errors.Is(err, clientcmd.ErrEmptyCluster):
		return "no cluster is configured: set KUBECONFIG, or pass --kubeconfig"
	case apierrors.IsUnauthorized(err):
		return "the cluster does not accept these credentials: log in again, or choose another --context"
	case errors.As(err, &dns) && errors.As(err, &u):
		return "cannot reach the cluster: " + hostOf(u) + " has no address; is the --context right?"
	case errors.As(err, &op) && errors.As(err, &u):
		return "cannot reach the cluster at " + hostOf(u) + ": " + lastOf(op) + "; is the --context right?"
	}
	return escape.Text(strings.Join(strings.Fields(err.Error()), " "))
}

func hostOf(u *url.Error) string {
	if parsed, err := url.Parse(u.URL); err == nil && parsed.Host != "" {
		return parsed.Host
	}
	return u.URL
}

// lastOf is the innermost reason of a network error: "connection refused".
func lastOf(op *net.OpError) string {
	s := op.Err.Error()
	if i := strings.LastIndex(s, ": "); i >= 0 {
		return s[i+2:]
	}
	return s
}
