package dump

import (
	"bytes"
	"fmt"

	"sigs.k8s.io/yaml"
)

// maxYAML bounds one YAML document that cannot be read item by item: the parser
// needs many times its size.
const maxYAML = 16 << 20

// yaml reads YAML documents, which lines of "---" part.
func (p *parsing) yaml(data []byte) {
	for len(data) > 0 && p.broken == nil && !p.full {
		var doc []byte
		doc, data = cutDocument(data)
		trimmed := bytes.TrimLeft(doc, " \t\r\n")
		switch {
		case len(trimmed) == 0:
		case trimmed[0] == '{':
			p.json(doc)
		default:
			p.yamlDocument(doc)
		}
	}
}

// cutDocument cuts the first document off.
func cutDocument(data []byte) (doc, rest []byte) {
	for at := 0; at < len(data); {
		line := lineAt(data, at)
		if bytes.HasPrefix(line, []byte("---")) && (len(line) == 3 || line[3] == ' ' || line[3] == '\r' || line[3] == '\n') {
			if at > 0 {
				return data[:at], data[at:]
			}
			data = data[3:] // what begins behind the dashes belongs to the document
			at = len(line) - 3
			continue
		}
		at += len(line)
	}
	return data, nil
}

// lineAt is the line that begins at a byte, with its end.
func lineAt(data []byte, at int) []byte {
	if n := bytes.IndexByte(data[at:], '\n'); n >= 0 {
		return data[at : at+n+1]
	}
	return data[at:]
}

// yamlDocument reads one document: a list in the form that kubectl writes item
// by item, anything else as a whole.
func (p *parsing) yamlDocument(doc []byte) {
	if head, items, ok := splitItems(doc); ok {
		if converted, ok := toJSON(items); ok {
			var frame struct {
				APIVersion string `json:"apiVersion"`
				Kind       string `json:"kind"`
			}
			if yaml.Unmarshal(head, &frame) == nil && frame.Kind != "" {
				kind, _ := bytes.CutSuffix([]byte(frame.Kind), []byte("List"))
				p.list(frame.APIVersion, string(kind), converted)
				return
			}
		}
	}
	if len(doc) > maxYAML {
		p.fail(fmt.Errorf("a YAML document of more than %d MiB: give it as JSON", maxYAML>>20))
		return
	}
	converted, err := yaml.YAMLToJSON(doc)
	if err != nil {
		p.fail(fmt.Errorf("not YAML: %s", short(err)))
		return
	}
	if first := bytes.TrimLeft(converted, " \n"); len(first) > 0 && first[0] == '{' {
		p.json(converted)
	}
}

// splitItems parts a list that has its items at the left margin into what is
// around them and the items. Nothing below an item can begin there with a dash.
func splitItems(doc []byte) (head []byte, items [][]byte, ok bool) {
	within, begin := false, -1
	end := func(at int) {
		if begin >= 0 {
			items = append(items, doc[begin:at])
			begin = -1
		}
	}
	for at := 0; at < len(doc); {
		line := lineAt(doc, at)
		switch {
		case string(bytes.TrimRight(line, " \r\n")) == "items:":
			if within || len(items) > 0 {
				return nil, nil, false
			}
			within = true
		case within && bytes.HasPrefix(line, []byte("- ")):
			end(at)
			begin = at
		case within && (line[0] == ' ' || line[0] == '\n' || line[0] == '\r'):
			if begin < 0 && len(bytes.TrimSpace(line)) > 0 {
				return nil, nil, false // items that are set in
			}
		default:
			end(at)
			within = false
			head = append(head, line...)
		}
		at += len(line)
	}
	end(len(doc))
	return head, items, len(items) > 0
}

// toJSON converts items one by one; false when one cannot be read alone.
func toJSON(items [][]byte) ([][]byte, bool) {
	out := make([][]byte, len(items))
	for i, item := range items {
		if len(item) > maxYAML {
			return nil, false
		}
		alone := append([]byte(" "), item[1:]...) // the dash becomes part of the margin
		converted, err := yaml.YAMLToJSON(alone)
		if err != nil || len(converted) == 0 || converted[0] != '{' {
			return nil, false
		}
		out[i] = converted
	}
	return out, true
}
