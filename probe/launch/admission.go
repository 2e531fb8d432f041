package launch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// The words by which the API server's admission plugins sign their answers.
// They are the plugins' own texts: Pod Security (KEP-2579) says "violates
// PodSecurity "LEVEL:VERSION": ...", and in warnings "would violate".
var (
	podSecurityText = regexp.MustCompile(`violates? PodSecurity "([a-z]+)(?::[^"]*)?"(?:: (.*))?`)
	webhookText     = regexp.MustCompile(`admission webhook "([^"]+)"(?: denied the request)?(?:: (.*))?`)
	webhookDownText = regexp.MustCompile(`failed calling webhook "([^"]+)"(?:: (.*))?`)
	priorityText    = regexp.MustCompile(`no PriorityClass with name (\S+) was found`)
	terminatingText = regexp.MustCompile(`unable to create new content in namespace \S+ because it is being terminated`)
	policyText      = regexp.MustCompile(`(ValidatingAdmissionPolicy '[^']+')(?: with binding '[^']+')? denied request(?:: (.*))?`)
	quotaText       = regexp.MustCompile(`exceeded quota: ([^,]+)(?:, (.*))?|failed quota: ([^:]+)(?:: (.*))?`)
	limitText       = regexp.MustCompile(`(?:maximum|minimum) (?:cpu|memory|ephemeral-storage) (?:usage|limit)? ?per (?:Pod|Container)[^.]*`)
	sccText         = regexp.MustCompile(`unable to validate against any security context constraint(?:: (.*))?`)
	rightText       = regexp.MustCompile(`cannot [a-z]+ resource`)
	objectPrefix    = regexp.MustCompile(`^[a-z.]+ "[^"]*" is forbidden: `)
	imageText       = regexp.MustCompile(`(?i)image.?policy|images? .*(?:not allowed|denied|rejected)`)
)

const badCredentials = "the API server does not accept these credentials"

// refusal reads an API server's answer to the creation of an object, or the
// text of a FailedCreate event. verb and resource say what was tried.
func refusal(err error, verb, resource, namespace string) *Refused {
	r := refusalText(err.Error(), namespace)
	switch {
	case r != nil:
	case apierrors.IsForbidden(err) && rightText.MatchString(err.Error()):
		r = noRight(verb, resource, namespace)
	case apierrors.IsNotFound(err):
		r = &Refused{Reason: Conflict, What: fmt.Sprintf("namespace %s does not exist", namespace), Ask: askNamespace}
	case apierrors.IsUnauthorized(err):
		r = &Refused{Reason: NoRight, What: badCredentials, Ask: "log in again"}
	case unreachable(err):
		r = &Refused{Reason: Unreachable, What: "the API server does not answer", Why: innermost(err), Ask: "check the context"}
	default:
		r = &Refused{
			Reason: Conflict, Why: innermost(err),
			What: fmt.Sprintf("the API server refuses to %s %s in %s", verb, resource, namespace),
		}
	}
	r.Err = err
	return r
}

// refusalText recognises the admission plugins' texts; nil when none spoke.
func refusalText(text, namespace string) *Refused {
	if m := podSecurityText.FindStringSubmatch(text); m != nil {
		return &Refused{
			Reason: PodSecurity, Ask: askNamespace,
			What: fmt.Sprintf("%s enforces Pod Security %q, which refuses privileged pods", namespace, m[1]),
		}
	}
	if m := sccText.FindStringSubmatch(text); m != nil {
		return &Refused{
			Reason: PodSecurity, Ask: askNamespace,
			What: fmt.Sprintf("no security context constraint of %s admits the probe", namespace), Why: m[1],
		}
	}
	if m := webhookText.FindStringSubmatch(text); m != nil {
		return &Refused{
			Reason: Webhook, Ask: askNamespace,
			What: fmt.Sprintf("webhook %s refuses the probe in %s", clean(m[1]), namespace), Why: m[2],
		}
	}
	if m := webhookDownText.FindStringSubmatch(text); m != nil {
		return &Refused{
			Reason: Webhook, Ask: askNamespace,
			What: fmt.Sprintf("webhook %s does not answer, and %s takes nothing without it", clean(m[1]), namespace), Why: lastClause(m[2]),
		}
	}
	if m := priorityText.FindStringSubmatch(text); m != nil {
		return &Refused{Reason: Conflict, What: "there is no PriorityClass " + clean(m[1]), Ask: "choose another --priority-class"}
	}
	if terminatingText.MatchString(text) {
		return &Refused{Reason: Conflict, What: fmt.Sprintf("namespace %s is being deleted", namespace), Ask: askNamespace}
	}
	if m := policyText.FindStringSubmatch(text); m != nil {
		return &Refused{
			Reason: Webhook, Ask: askNamespace,
			What: fmt.Sprintf("%s refuses the probe in %s", clean(m[1]), namespace), Why: m[2],
		}
	}
	if m := quotaText.FindStringSubmatch(text); m != nil {
		return &Refused{
			Reason: Quota, Ask: askNamespace,
			What: fmt.Sprintf("quota %s of %s has no room for the probe", clean(m[1]+m[3]), namespace), Why: m[2] + m[4],
		}
	}
	if m := limitText.FindString(text); m != "" {
		return &Refused{
			Reason: Quota, Ask: askNamespace,
			What: fmt.Sprintf("a LimitRange of %s refuses the probe", namespace), Why: m,
		}
	}
	if imageText.MatchString(text) {
		return &Refused{
			Reason: ImageDenied, Ask: askImage,
			What: fmt.Sprintf("an image policy refuses the probe in %s", namespace), Why: objectPrefix.ReplaceAllString(text, ""),
		}
	}
	return nil
}

// lastClause is what stands behind the last colon of an error's text: what the
// network said, without the layers around it.
func lastClause(text string) string {
	if i := strings.LastIndex(text, ": "); i >= 0 {
		return text[i+2:]
	}
	return text
}

// dryRunUnsupported tells whether err only says that some webhook cannot take
// part in a dry run: then the real request decides.
func dryRunUnsupported(err error) bool {
	return err != nil && strings.Contains(err.Error(), "does not support dry run")
}

// unreachable tells whether the request did not get an answer at all.
func unreachable(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, context.DeadlineExceeded) || apierrors.IsTimeout(err) ||
		apierrors.IsServerTimeout(err) || apierrors.IsServiceUnavailable(err)
}

// innermost returns the text of the last error of a chain: what the network or
// the server said, without the layers around it.
func innermost(err error) string {
	if st, ok := errors.AsType[*apierrors.StatusError](err); ok {
		return objectPrefix.ReplaceAllString(st.ErrStatus.Message, "")
	}
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
}
