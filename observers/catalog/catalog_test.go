package catalog

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every folder of an observer is in the catalog, on the side its code is for.
func TestEveryObserverIsListed(t *testing.T) {
	var listed []string
	for _, s := range Specs {
		listed = append(listed, s.Name)
	}
	var found []string
	for _, side := range []string{"node", "cluster"} {
		dirs, err := filepath.Glob(filepath.Join("..", "*", side))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range dirs {
			name := filepath.Base(filepath.Dir(d))
			if st, err := os.Stat(d); err != nil || !st.IsDir() || name == "catalog" {
				continue
			}
			found = append(found, name)
		}
	}
	slices.Sort(found)
	if found = slices.Compact(found); !slices.Equal(listed, found) {
		t.Errorf("listed are %v, folders are %v: run make generate", listed, found)
	}
}

func TestSpecsAreComplete(t *testing.T) {
	for _, s := range Specs {
		if s.Doc == "" || s.Side == "" || len(s.Emits) == 0 || s.Budget.EventsPerSecond == 0 {
			t.Errorf("%s: incomplete declaration", s.Name)
		}
		for _, sc := range s.Emits {
			if sc.Kind.Observer() != s.Name || sc.Meaning == "" || !strings.Contains(string(sc.Kind), ".") {
				t.Errorf("%s: kind %q, meaning %q", s.Name, sc.Kind, sc.Meaning)
			}
			seen := map[string]bool{}
			for _, f := range sc.Fields {
				if f.Name == "" || f.Type == "" || f.Doc == "" || seen[f.Name] {
					t.Errorf("%s: field %+v of %s is incomplete or twice there", s.Name, f, sc.Kind)
				}
				seen[f.Name] = true
			}
		}
	}
}
