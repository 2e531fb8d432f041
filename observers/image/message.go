package image

import "strings"

// reasons are the waiting reasons that concern the image.
var reasons = map[string]string{
	"ErrImagePull":               "",
	"ImagePullBackOff":           "",
	"ImageInspectError":          "",
	"RegistryUnavailable":        Unreachable,
	"InvalidImageName":           BadName,
	"ErrImageNeverPull":          Never,
	"SignatureValidationFailed":  "",
	"ErrImagePullSecretNotFound": Denied,
}

// Concerns tells whether a waiting reason is about the image.
func Concerns(reason string) bool {
	_, ok := reasons[reason]
	return ok
}

// classes are tried in this order: what the runtime says of the last step
// comes before what is common to many failures.
var classes = []struct {
	class string
	words []string
}{
	{RateLimited, []string{"toomanyrequests", "429 too many requests", "rate limit", "status 429"}},
	{Platform, []string{"no match for platform", "no matching manifest for", "does not match the specified platform"}},
	{Certificate, []string{"x509:", "certificate signed by unknown authority", "certificate has expired", "server gave http response to https client", "tls: "}},
	{DNS, []string{"no such host", "temporary failure in name resolution", "server misbehaving", "name or service not known", "nxdomain"}},
	{Ambiguous, []string{"repository does not exist or may require", "does not exist or no pull access", "not found or access denied"}},
	{Denied, []string{
		"401 unauthorized", "403 forbidden", "failed to fetch anonymous token", "failed to fetch oauth token", "no basic auth credentials",
		"unauthorized:", "unauthorized to access", "authentication required", "requested access to the resource is denied", "access forbidden",
		"insufficient_scope", "authorization failed", "denied: ", "permission denied for", "failed to authorize", "credentials are not valid",
	}},
	{NotFound, []string{"manifest unknown", "not found", "name unknown", "404 not found", "repository name not known", "no such image", "code = notfound"}},
	{NoSpace, []string{"no space left on device"}},
	{ServerError, []string{"500 internal server error", "502 bad gateway", "503 service unavailable", "504 gateway timeout", "unexpected status code 5"}},
	{Unreachable, []string{
		"connection refused", "i/o timeout", "tls handshake timeout", "connection reset", "no route to host", "network is unreachable",
		"request canceled while waiting for connection", "context deadline exceeded", "client.timeout exceeded", "timeout awaiting", "proxyconnect", ": eof",
	}},
	{BadName, []string{"invalid reference format", "couldn't parse image", "could not parse image", "failed to apply default image tag"}},
}

// maxMessage bounds how much of a message is looked at, in bytes.
const maxMessage = 8 << 10

// ClassOf types what the runtime or the registry said about a pull.
func ClassOf(reason, message string) string {
	if c := reasons[reason]; c != "" {
		return c
	}
	if len(message) > maxMessage {
		message = message[len(message)-maxMessage:] // the innermost error comes last
	}
	low := strings.ToLower(message)
	if strings.Contains(low, "dial tcp: lookup ") { // Go's "lookup NAME on SERVER: …", whatever it ends in
		return DNS
	}
	for _, c := range classes {
		for _, w := range c.words {
			if strings.Contains(low, w) {
				return c.class
			}
		}
	}
	return Unknown
}
