package target

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func isForbidden(err error) bool { return apierrors.IsForbidden(err) }
func isNotFound(err error) bool  { return apierrors.IsNotFound(err) }

// explain makes one sentence of an API error. The error stays in the chain.
func (r *resolver) explain(err error, kindName, object string) error {
	what := strings.ToLower(kindName)
	switch {
	case err == nil:
		return nil
	case isNotFound(err):
		return r.missing(kindName, object, r.similar(kindName))
	case isForbidden(err):
		if what == "" {
			what = "object"
		}
		return &sentence{fmt.Sprintf("no right to read %ss in %s: ask for the verbs get and list on them", what, whereText(r.namespace)), err}
	case unreadable(err):
		return &sentence{fmt.Sprintf("the input holds no %ss: it cannot tell about %s", orObject(what), quoted(object)), err}
	case apierrors.IsUnauthorized(err):
		return &sentence{"the API server does not accept these credentials: log in again", err}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return err
	}
	return &sentence{fmt.Sprintf("the API server cannot be asked: %v", err), err}
}

// sentence is an error for people over one for programs.
type sentence struct {
	text string
	err  error
}

func (s *sentence) Error() string { return s.text }
func (s *sentence) Unwrap() error { return s.err }

func whereText(namespace string) string {
	if namespace == "" {
		return "the cluster"
	}
	return fmt.Sprintf("namespace %q", namespace)
}

// similar lists what is there of a kind; none when it may not be listed.
func (r *resolver) similar(kindName string) []string {
	k, ok := kindOf(kindName)
	if !ok {
		return nil
	}
	names, err := r.named(k, metav1.ListOptions{Limit: podPage})
	if err != nil {
		return nil
	}
	return names
}

// missing says that an object is not there, and which of similar name are.
func (r *resolver) missing(kindName, object string, there []string) error {
	what, in := "workload, pod or Service", " in "+whereText(r.namespace)
	if kindName != "" {
		what = strings.ToLower(kindName)
	}
	if kindName == "Node" || kindName == "Namespace" {
		in = ""
	}
	msg := fmt.Sprintf("there is no %s %q%s", what, object, in)
	if near := nearest(object, there); len(near) > 0 {
		msg += ": did you mean " + strings.Join(near, ", ") + "?"
	}
	return errors.New(msg)
}

// nearest picks at most three names like the wanted one, the likest first.
func nearest(want string, there []string) []string {
	type near struct {
		name string
		dist int
	}
	var out []near
	for _, n := range slices.Compact(slices.Sorted(slices.Values(there))) {
		d := distance(want, n)
		if strings.Contains(n, want) || len(n) >= 3 && strings.Contains(want, n) {
			d = min(d, 1)
		}
		if d <= max(2, len(want)/3) {
			out = append(out, near{n, d})
		}
	}
	slices.SortStableFunc(out, func(a, b near) int { return cmp.Compare(a.dist, b.dist) })
	var names []string
	for _, n := range out[:min(3, len(out))] {
		names = append(names, n.name)
	}
	return names
}

// distance is the Levenshtein distance of two names, in bytes.
func distance(a, b string) int {
	a, b = a[:min(len(a), 256)], b[:min(len(b), 256)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j+1]+1, row[j]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}

func orObject(what string) string {
	if what == "" {
		return "object"
	}
	return what
}

func quoted(object string) string {
	if object == "" {
		return "the target"
	}
	return fmt.Sprintf("%q", object)
}

// holds ends a sentence with the namespaces that there are.
func holds(spaces []string) string {
	const most = 8
	switch n := len(spaces); {
	case n == 0:
		return ""
	case n > most:
		return fmt.Sprintf(": there are %s and %d more", strings.Join(spaces[:most], ", "), n-most)
	case n == 1:
		return ": there is " + spaces[0]
	}
	return ": there are " + strings.Join(spaces, ", ")
}
