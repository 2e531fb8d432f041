// Package rule is the form in which a family of causes hands its rules to the
// engine.
package rule

import (
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
)

// Rule proposes hypotheses of one cause.
type Rule struct {
	Cause  finding.Cause
	Doc    string          // one sentence: what it says and what decides
	Rivals []finding.Cause // the causes it must be told from
	Eval   func(*window.Window) []finding.Hypothesis
	Refute func(*window.Window) []finding.Rival // what excludes the cause for the target, nil when nothing can
}
