package claims

import (
	"fmt"
	"time"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/admission"
)

// Short is a controller that has fewer pods than it asks for
// (admission.short).
func Short(f window.Fact, now time.Time) finding.Evidence {
	e := ofAdmission(f)
	e.Claim = fmt.Sprintf("%d of %s exist", admission.Pods.Or(f.Event, 0), words.Count(admission.Desired.Or(f.Event, 0), "pod"))
	if !admission.Refused.Or(f.Event, false) {
		return e
	}
	first, last := unix(admission.RefusedFirst.Or(f.Event, 0)), unix(admission.RefusedLast.Or(f.Event, 0))
	switch n := admission.Refusals.Or(f.Event, 0); {
	case n > 1:
		e.Claim += fmt.Sprintf(", creation refused %s in %s, last at %s", words.Times(int(n)), words.Span(last.Sub(first)), words.At(last, now))
	case !last.IsZero():
		e.Claim += ", creation refused at " + words.At(last, now)
	default:
		e.Claim += ", creation refused"
	}
	return e
}

// Exceeds is a quota that one more pod would exceed (admission.exceeds).
func Exceeds(f window.Fact) finding.Evidence {
	e := ofAdmission(f)
	name, resource := admission.Name.Or(f.Event, ""), admission.Resource.Or(f.Event, "")
	if admission.Unset.Or(f.Event, false) {
		e.Claim = fmt.Sprintf("quota %s counts %s, which the pod does not set", name, resource)
		return e
	}
	e.Claim = fmt.Sprintf("quota %s: %s of %s %s used, one more pod needs %s", name,
		admission.Used.Or(f.Event, "?"), admission.Hard.Or(f.Event, "?"), resource, admission.Needs.Or(f.Event, "?"))
	if admission.Words.Or(f.Event, false) {
		e.Origin = "its refusal"
	}
	return e
}

// Quota is a resource of a quota that is used up (admission.quota).
func Quota(f window.Fact) finding.Evidence {
	e := ofAdmission(f)
	e.Claim = fmt.Sprintf("quota %s: %s of %s %s used", admission.Name.Or(f.Event, ""),
		admission.Used.Or(f.Event, "?"), admission.Hard.Or(f.Event, "?"), admission.Resource.Or(f.Event, ""))
	return e
}

// OutOfRange is a limit of a LimitRange that a template breaks
// (admission.out_of_range).
func OutOfRange(f window.Fact) finding.Evidence {
	e := ofAdmission(f)
	whose := "the pod"
	if c := admission.Container.Or(f.Event, ""); c != "" {
		whose = "container " + c
	}
	asked := admission.Asked.Or(f.Event, "")
	if asked == "" {
		asked = "no value"
	}
	e.Claim = fmt.Sprintf("%s asks for %s of %s, limit range %s sets the %s at %s", whose, asked, admission.Resource.Or(f.Event, ""),
		admission.Name.Or(f.Event, ""), extreme[admission.Rule.Or(f.Event, "")], admission.Limit.Or(f.Event, "?"))
	return e
}

var extreme = map[string]string{
	admission.Max: "maximum", admission.Min: "minimum", admission.Ratio: "greatest ratio of limit to request",
}

// NoAccount is a service account that is missing (admission.no_account).
func NoAccount(f window.Fact) finding.Evidence {
	e := ofAdmission(f)
	e.Claim = "its pods are to run as service account " + admission.Name.Or(f.Event, "") + ", which does not exist"
	return e
}

// PodSecurity is a template that breaks the namespace's level
// (admission.pod_security).
func PodSecurity(f window.Fact) finding.Evidence {
	e := ofAdmission(f)
	e.Claim = fmt.Sprintf("the namespace enforces pod security level %s, the template breaks it: %s",
		admission.Level.Or(f.Event, ""), admission.Breaks.Or(f.Event, ""))
	return e
}

// Hook is a webhook or policy that refused (admission.hook).
func Hook(f window.Fact) finding.Evidence {
	e := ofAdmission(f)
	what := map[string]string{admission.Policy: "admission policy "}[admission.HookKind.Or(f.Event, "")]
	if what == "" {
		what = "webhook "
	}
	e.Claim = what + admission.Name.Or(f.Event, "")
	switch {
	case admission.Down.Or(f.Event, false):
		e.Claim += " cannot be called"
		if admission.Gone.Or(f.Event, false) {
			e.Claim += ", its Service does not exist"
		} else if n, ok := admission.Backends.Get(f.Event); ok {
			e.Claim += fmt.Sprintf(", its Service has %s", words.Count(n, "ready endpoint"))
		}
		if admission.Closed.Or(f.Event, false) {
			e.Claim += ", and without its answer nothing is admitted"
		}
	default:
		e.Claim += " denied the request"
	}
	return e
}

// Mutated is a container that differs from its template (admission.mutated).
func Mutated(f window.Fact) finding.Evidence {
	e := ofAdmission(f)
	part, from, to := admission.Part.Or(f.Event, "?"), admission.Template.Or(f.Event, ""), admission.Actual.Or(f.Event, "")
	switch {
	case from == "" && to == "":
		e.Claim = part + " differs from the template"
	case from == "":
		e.Claim = fmt.Sprintf("%s is %s, the template sets none", part, to)
	case to == "":
		e.Claim = fmt.Sprintf("%s is not set, the template says %s", part, from)
	default:
		e.Claim = fmt.Sprintf("%s is %s, the template says %s", part, to, from)
	}
	return e
}

// Unserved is a workload that no Service leads to (admission.unserved).
func Unserved(f window.Fact) finding.Evidence {
	e := ofAdmission(f)
	e.Claim = "its pods declare a port and no Service selects them"
	if n := admission.NamedBy.Or(f.Event, 0); n > 0 {
		verb := "name"
		if n == 1 {
			verb = "names"
		}
		e.Claim += fmt.Sprintf("; %s %s that host", words.Count(n, "pod"), verb)
	}
	return e
}

func ofAdmission(f window.Fact) finding.Evidence {
	return finding.Evidence{Observer: admission.Spec.Name, Kind: f.Kind, Entity: f.Subject(), At: f.At, Trust: finding.API}
}

func unix(s int64) time.Time {
	if s <= 0 {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}
