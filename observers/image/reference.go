package image

import "strings"

// Reference is an image name in its parts.
type Reference struct {
	Registry   string // "docker.io" when the name gives none
	Repository string // with "library/" for Docker's own images
	Tag        string // tag or digest; "latest" when the name gives none
}

// Same tells whether both name the same repository.
func (r Reference) Same(o Reference) bool {
	return r.Registry == o.Registry && r.Repository == o.Repository
}

// Official tells whether the name is one of Docker's own images.
func (r Reference) Official() bool {
	return r.Registry == "docker.io" && strings.HasPrefix(r.Repository, "library/")
}

// maxReference bounds the names that are looked at, in bytes.
const maxReference = 512

// Parse cuts an image name as the runtimes do; ok is false for what is none.
func Parse(name string) (r Reference, ok bool) {
	if name == "" || len(name) > maxReference || strings.ContainsAny(name, " \t\n") {
		return Reference{}, false
	}
	rest := name
	if before, digest, has := strings.Cut(rest, "@"); has {
		rest, r.Tag = before, digest
	}
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') {
		if r.Tag == "" {
			r.Tag = rest[i+1:]
		}
		rest = rest[:i]
	}
	if r.Tag == "" {
		r.Tag = "latest"
	}
	host, path, has := strings.Cut(rest, "/")
	switch {
	case has && (strings.ContainsAny(host, ".:") || host == "localhost"):
		r.Registry, r.Repository = host, path
	case has:
		r.Registry, r.Repository = "docker.io", rest
	default:
		r.Registry, r.Repository = "docker.io", "library/"+rest
	}
	if r.Registry == "index.docker.io" {
		r.Registry = "docker.io"
	}
	return r, r.Repository != "" && r.Repository != "library/"
}
