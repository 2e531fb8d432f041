package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/yaml"

	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/tui/escape"
	"github.com/yairfalse/tapio/tui/plain"
)

// ownFormats are printed here: json and yaml with their fields in the order of
// the story, name and markdown because only a story has them.
var ownFormats = []string{"json", "yaml", "name", "markdown"}

// formats is what -o can name beside the text.
type formats struct {
	output string
	flags  *genericclioptions.PrintFlags
}

func newFormats() *formats {
	f := &formats{flags: genericclioptions.NewPrintFlags("")}
	f.flags.OutputFormat = &f.output
	f.flags.NamePrintFlags = nil
	return f
}

func (f *formats) addFlags(set *pflag.FlagSet) {
	t := f.flags.TemplatePrinterFlags
	set.StringVarP(&f.output, "output", "o", "", "output format: "+strings.Join(f.allowed(), ", ")+"; default is text")
	set.StringVar(t.TemplateArgument, "template", "", "template string or file for -o go-template and jsonpath")
	set.BoolVar(t.AllowMissingKeys, "allow-missing-template-keys", true, "ignore fields that a template names and the story does not have")
}

func (f *formats) allowed() []string {
	if f == nil {
		return nil
	}
	var out []string
	for _, name := range slices.Concat(ownFormats, f.flags.JSONYamlPrintFlags.AllowedFormats(), f.flags.TemplatePrinterFlags.AllowedFormats()) {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// validate tells whether the format and its template can be used.
func (f *formats) validate() error {
	if f == nil {
		return nil
	}
	if slices.Contains(ownFormats, f.output) {
		return nil
	}
	if f.output == "" && *f.flags.TemplatePrinterFlags.TemplateArgument == "" {
		return nil
	}
	_, err := f.flags.ToPrinter()
	if genericclioptions.IsNoCompatiblePrinterError(err) {
		return fmt.Errorf("unknown output format %q: explain --help lists the formats at --output", f.output)
	}
	return err
}

// text tells whether the story is to be printed as text.
func (f *formats) text() bool {
	return f == nil || f.output == "" && *f.flags.TemplatePrinterFlags.TemplateArgument == ""
}

// name is what -o says, "" for text.
func (f *formats) name() string {
	if f == nil {
		return ""
	}
	return f.output
}

// print renders the story in the chosen format.
func (f *formats) print(s *story.Story) ([]byte, error) {
	var b bytes.Buffer
	switch f.output {
	case "json":
		out, err := json.MarshalIndent(s, "", "  ")
		return append(out, '\n'), err
	case "yaml":
		return yaml.Marshal(s)
	case "name":
		for _, h := range s.Hypotheses {
			if h.Status == "supported" {
				fmt.Fprintf(&b, "%s/%s\n", escape.Text(strings.ToLower(h.Entity.Kind)), escape.Text(h.Entity.Name))
			}
		}
		return b.Bytes(), nil
	case "markdown":
		err := plain.Markdown(&b, s)
		return b.Bytes(), err
	}
	p, err := f.flags.ToPrinter()
	if err != nil {
		return nil, err
	}
	obj, err := asObject(s)
	if err != nil {
		return nil, err
	}
	err = p.PrintObj(obj, &b)
	return b.Bytes(), err
}

// asObject is the story in the form that kubectl's printers take.
func asObject(s *story.Story) (runtime.Object, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{}
	if err := json.Unmarshal(b, &u.Object); err != nil {
		return nil, err
	}
	return u, nil
}
