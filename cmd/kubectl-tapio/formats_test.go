package main

import (
	"encoding/json"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/yairfalse/tapio/correlate/story"
)

func aStory() *story.Story {
	return &story.Story{
		APIVersion: story.APIVersion, Kind: story.Kind, Scope: "namespace", Verdict: story.Explained, State: "failing", Headline: "api: it broke",
		Hypotheses: []story.Hypothesis{
			{Cause: "image/not-found", Status: "supported", Confidence: 0.99, Headline: "api: it broke", Entity: story.Entity{Kind: "Pod", Namespace: "shop", Name: "api-1", Container: "main"}},
			{Cause: "network/no-endpoints", Status: "open", Confidence: 0.3, Entity: story.Entity{Kind: "Service", Namespace: "shop", Name: "db"}},
		},
	}
}

func TestFormats(t *testing.T) {
	tests := []struct{ output, template, want string }{
		{"json", "", `"verdict": "explained"`},
		{"yaml", "", "verdict: explained"},
		{"kyaml", "", `verdict: "explained"`},
		{"name", "", "pod/api-1\n"},
		{"markdown", "", "## api: it broke"},
		{"jsonpath={.hypotheses[0].cause}", "", "image/not-found"},
		{"jsonpath={.hypotheses[*].entity.name}", "", "api-1 db"},
		{"go-template={{len .hypotheses}} {{.verdict}}", "", "2 explained"},
		{"", "{{.kind}}", "Story"},
	}
	for _, tt := range tests {
		f := newFormats()
		f.output, *f.flags.TemplatePrinterFlags.TemplateArgument = tt.output, tt.template
		if err := f.validate(); err != nil {
			t.Errorf("%s: %v", tt.output, err)
			continue
		}
		got, err := f.print(aStory())
		if err != nil || !strings.Contains(string(got), tt.want) || f.text() {
			t.Errorf("%s: %q, %v; want %q", tt.output, got, err, tt.want)
		}
	}
	for _, output := range []string{"json", "yaml", "kyaml"} {
		f := newFormats()
		f.output = output
		b, err := f.print(aStory())
		if err != nil {
			t.Fatal(err)
		}
		var s story.Story
		if err := yaml.Unmarshal(b, &s); err != nil || s.Hypotheses[0].Entity.Container != "main" {
			t.Errorf("%s does not read back: %v", output, err)
		}
	}
}

func TestFormatsRefused(t *testing.T) {
	for output, want := range map[string]string{
		"wide":            `unknown output format "wide": explain --help lists`,
		"jsonpath={.x":    "unclosed",
		"go-template={{.": "template",
	} {
		f := newFormats()
		f.output = output
		err := f.validate()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", output, err, want)
		}
	}
	if err := (*formats)(nil).validate(); err != nil {
		t.Errorf("a command without -o: %v", err)
	}
}

// A healthy story names nothing that is broken.
func TestNameOfNothing(t *testing.T) {
	f := newFormats()
	f.output = "name"
	got, err := f.print(&story.Story{Verdict: story.Healthy})
	if err != nil || len(got) != 0 {
		t.Errorf("%q, %v", got, err)
	}
}

func TestWhyNotOfATape(t *testing.T) {
	out, stderr, code := kubectlTapio(t, "explain", "--from", scenario, "--why-not", "memory/limit-too-small", "-o", "json")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	var s story.Story
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatal(err)
	}
	if s.WhyNot == nil || !strings.HasPrefix(s.WhyNot.Answer, "ruled out: an instance ran for") {
		t.Errorf("%+v", s.WhyNot)
	}
	if _, stderr, code := kubectlTapio(t, "explain", "--from", scenario, "--why-not", "memory/nonsense"); code != 1 || !strings.Contains(stderr, "memory/limit-oom") {
		t.Errorf("an unknown cause: exit %d, %s", code, stderr)
	}
}
