package dump

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/yairfalse/tapio/observers/cluster"
)

var later = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

const (
	podA = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"shop","creationTimestamp":"2026-03-01T12:00:00Z"},"spec":{"containers":[{"name":"main"}]}}`
	podB = `{"metadata":{"name":"b","namespace":"shop","creationTimestamp":"2026-03-01T12:05:00Z"}}`
	svc  = `{"apiVersion":"v1","kind":"Service","metadata":{"name":"s","namespace":"shop"}}`

	yamlPods = `apiVersion: v1
items:
- apiVersion: v1
  kind: Pod
  metadata:
    name: a
    namespace: shop
    annotations:
      note: |
        - this is text
        items:
- apiVersion: v1
  kind: Pod
  metadata: {name: b, namespace: shop}
kind: List
metadata:
  resourceVersion: ""
`
)

func podList(items ...string) string {
	return `{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[` + strings.Join(items, ",") + `]}`
}

func gz(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.String()
}

func utf16le(text string) string {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}

// write makes the files below a new directory.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// held lists what a source holds of some kinds, and the kinds it knows.
func held(src cluster.Source) string {
	var out []string
	for _, r := range []cluster.Resource{cluster.Pods, cluster.Services, cluster.Secrets, cluster.Nodes, cluster.Deployments} {
		objs, err := src.List(r, "")
		word, _, _ := strings.Cut(string(r), ".")
		switch {
		case err != nil:
			continue
		case src.Known(r) != nil:
			word += "?"
		}
		var names []string
		for _, o := range objs {
			names = append(names, o.(interface{ GetName() string }).GetName())
		}
		out = append(out, word+"["+strings.Join(names, " ")+"]")
	}
	return strings.Join(out, " ")
}

func TestRead(t *testing.T) {
	tests := []struct {
		name    string
		files   map[string]string
		want    string
		problem string // part of the only one
		foreign int
		passed  int
	}{
		{"typed list whose items lack their type", map[string]string{"shop/pods.json": podList(podA, podB)}, "pods[a b]", "", 0, 0},
		{"items before the kind", map[string]string{"x.json": `{"apiVersion":"v1","items":[` + podA + `,` + svc + `],"kind":"List"}`}, "pods[a] services[s]", "", 0, 0},
		{"empty list", map[string]string{"shop/pods.json": podList(), "shop/deployments.json": `{"kind":"DeploymentList","apiVersion":"apps/v1","items":null}`}, "pods[] deployments[]", "", 0, 0},
		{"one object", map[string]string{"x.json": podA}, "pods[a]", "", 0, 0},
		{"documents one after the other", map[string]string{"x.json": podA + "\n" + svc}, "pods[a] services[s]", "", 0, 0},
		{"a Secret alone is no list of them", map[string]string{"x.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: k, namespace: shop}\n"}, "secrets?[k]", "", 0, 0},
		{"a list of Secrets", map[string]string{"x.json": `{"apiVersion":"v1","kind":"SecretList","items":[{"metadata":{"name":"k"}}]}`}, "secrets[k]", "", 0, 0},
		{"YAML list", map[string]string{"x.yaml": yamlPods}, "pods[a b]", "", 0, 0},
		{"YAML list that is set in", map[string]string{"x.yml": "apiVersion: v1\nkind: PodList\nitems:\n  - metadata: {name: a, namespace: shop}\n"}, "pods[a]", "", 0, 0},
		{"YAML documents", map[string]string{"x.yaml": "--- # first\n" + "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\n" + yamlPods + "---\n" + svc + "\n"}, "pods[a a b] services[s]", "", 0, 0},
		{"YAML list with anchors", map[string]string{"x.yaml": "apiVersion: v1\nkind: List\nitems:\n- &p\n  apiVersion: v1\n  kind: Pod\n  metadata: &m {name: a}\n- apiVersion: v1\n  kind: Service\n  metadata: *m\n"}, "pods[a] services[a]", "", 0, 0},
		{"gzip", map[string]string{"x.json.gz": gz(podA), "y.yaml.gz": gz(yamlPods)}, "pods[a b]", "", 0, 0},
		{"UTF-16 and byte order marks", map[string]string{"x.json": utf16le(podA), "y.json": "\xef\xbb\xbf" + svc}, "pods[a] services[s]", "", 0, 0},
		{"folders", map[string]string{"a/b/c/pods.json": podList(podA), "nodes.json": `{"kind":"NodeList","apiVersion":"v1","items":[{"metadata":{"name":"n1"}}]}`}, "pods[a] nodes[n1]", "", 0, 0},
		{"the same object twice", map[string]string{"x.json": podList(podA, podA), "y.json": podA}, "pods[a]", "", 0, 0},
		{"no kind, no evidence", map[string]string{"case.json": `{"id":"x","items":[{"name":"a"}]}`, "m.csv": "a,b", "list.json": "[" + podA + "]", "e.json": "", "s.yaml": "just text\n"}, "", "", 5, 0},
		{"kinds that nobody reads", map[string]string{"x.json": `{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w"}}]}`, "w.json": `{"apiVersion":"v9","kind":"Pod","metadata":{"name":"p"}}`}, "", "", 0, 2},

		{"cut JSON", map[string]string{"x.json": podList(podA, podB)[:300]}, "pods[a]", "x.json cannot be read to its end: it breaks off; 1 objects of it are used", 0, 0},
		{"a cut list of Secrets is no list", map[string]string{"x.json": `{"apiVersion":"v1","kind":"SecretList","items":[{"metadata":{"name":"k"}},{"met`}, "secrets?[k]", "breaks off", 0, 0},
		{"a wrong type", map[string]string{"x.json": podList(podA, `{"metadata":{"name":"b"},"spec":5}`)}, "pods[a]", "x.json holds an object that cannot be read: Pod: json: cannot unmarshal number into Go struct field", 0, 0},
		{"wrong types", map[string]string{"x.json": podList(`{"metadata":5}`, `5`, `{"metadata":{}}`)}, "", "holds 3 objects that cannot be read, the first one: Pod: ", 0, 0},
		{"binary", map[string]string{"x.json": "\x00\x01\x02{"}, "", "x.json is binary", 0, 0},
		{"not JSON", map[string]string{"x.json": `{"apiVersion" "v1"}`}, "", `':' is expected at byte 14, not '"'`, 0, 0},
		{"not YAML", map[string]string{"x.yaml": "a: b: c\n"}, "", "x.yaml holds an object that cannot be read: not YAML", 0, 0},
		{"cut gzip", map[string]string{"x.json.gz": gz(podA)[:60]}, "", "x.json.gz cannot be read: it breaks off or is damaged", 0, 0},
		{"junk as gzip", map[string]string{"x.json.gz": "\x1f\x8bjunk"}, "", "its gzip is broken", 0, 0},
		{"one broken file beside a good one", map[string]string{"a.json": "{{{", "b.json": podA}, "pods[a]", "a.json", 0, 0},
		{"two tapes", map[string]string{"a.tape": "\x28\xb5\x2f\xfd", "b.tape": "\x28\xb5\x2f\xfd", "p.json": podA}, "pods[a]", "second tape", 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in, err := Read(write(t, tt.files), later)
			if err != nil {
				t.Fatal(err)
			}
			if got := held(in.Source(time.Time{})); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			passed := 0
			for _, n := range in.Passed {
				passed += n
			}
			if in.Foreign != tt.foreign || passed != tt.passed {
				t.Errorf("%d foreign files, %d objects passed over: %s", in.Foreign, passed, in)
			}
			switch {
			case tt.problem == "" && len(in.Problems) == 0:
			case len(in.Problems) != 1 || tt.problem == "" || !strings.Contains(in.Problems[0], tt.problem):
				t.Errorf("problems %q, want %q", in.Problems, tt.problem)
			case strings.ContainsAny(in.Problems[0], "\n") || len(in.Problems[0]) > 320:
				t.Errorf("not one sentence: %q", in.Problems[0])
			}
		})
	}
}

func TestReadOneFile(t *testing.T) {
	dir := write(t, map[string]string{"dump": podA, "junk": "\x00\x01", "a.tape": "\x28\xb5\x2f\xfd"})
	for name, want := range map[string]string{"dump": "pods[a]", "junk": "", "a.tape": ""} {
		in, err := Read(filepath.Join(dir, name), later)
		if err != nil {
			t.Fatal(err)
		}
		if got := held(in.Source(time.Time{})); got != want || (name == "a.tape") != (in.Tape != "") || (name == "junk") != (len(in.Problems) == 1) {
			t.Errorf("%s: %s, %+v", name, got, in.Problems)
		}
	}
	if _, err := Read(filepath.Join(dir, "none"), later); err == nil || !strings.Contains(err.Error(), "none cannot be read: no such file") {
		t.Error(err)
	}
}

// TestKnownByNamespace: what one namespace's folder holds says nothing about
// another's.
func TestKnownByNamespace(t *testing.T) {
	in, err := Read(write(t, map[string]string{
		"shop/pods.json":        podList(podA),
		"shop/services.json":    `{"kind":"ServiceList","apiVersion":"v1","items":[]}`,
		"kube-system/pods.json": podList(`{"metadata":{"name":"dns","namespace":"kube-system"}}`),
		"nodes.json":            `{"kind":"NodeList","apiVersion":"v1","items":[{"metadata":{"name":"n1"}}]}`,
	}), later)
	if err != nil {
		t.Fatal(err)
	}
	shop := in.Source(time.Time{}).In("shop", cluster.Options{})
	system := shop.System()
	for _, tt := range []struct {
		src  cluster.Source
		r    cluster.Resource
		want bool
	}{
		{shop, cluster.Pods, true}, {shop, cluster.Services, true}, {shop, cluster.Nodes, true}, {shop, cluster.AllPods, true}, {shop, cluster.Secrets, false},
		{system, cluster.Pods, true}, {system, cluster.Services, false}, {system, cluster.Nodes, true},
	} {
		var u *cluster.Unknown
		if err := tt.src.Known(tt.r); (err == nil) != tt.want || err != nil && (!errors.As(err, &u) || !u.Final) {
			t.Errorf("%s in %s: %v", tt.r, tt.src.Namespace(), err)
		}
	}
	count := func(src cluster.Source, r cluster.Resource) int { objs, _ := src.List(r, ""); return len(objs) }
	if count(shop, cluster.Pods) != 1 || count(system, cluster.Pods) != 1 || count(shop, cluster.AllPods) != 2 || count(system, cluster.Nodes) != 1 {
		t.Error("the pods of one namespace are not its own")
	}
}

// TestPodsOfSomeNamespaces: a dump of one namespace does not tell how full the
// nodes are.
func TestPodsOfSomeNamespaces(t *testing.T) {
	files := map[string]string{"shop/pods.json": podList(podA)}
	for _, whole := range []bool{false, true} {
		if whole {
			files["kube-system/pods.json"] = podList(`{"metadata":{"name":"dns","namespace":"kube-system"}}`)
		}
		in, err := Read(write(t, files), later)
		if err != nil {
			t.Fatal(err)
		}
		src := in.Source(time.Time{})
		for _, s := range []cluster.Source{src, src.In("shop", cluster.Options{}), src.In("", cluster.Options{Node: "n1"})} {
			if err := s.Known(cluster.AllPods); (err == nil) != whole || s.Known(cluster.Pods) != nil {
				t.Errorf("with kube-system %t: %v, %v", whole, err, s.Known(cluster.Pods))
			}
		}
	}
}

// TestLeases: the leases of nodes are not those of the cluster's components.
func TestLeases(t *testing.T) {
	list := `{"kind":"LeaseList","apiVersion":"coordination.k8s.io/v1","items":[{"metadata":{"name":"x","namespace":"NS"}}]}`
	files := map[string]string{"pods.json": podList(podA), "kube-node-lease/leases.json": strings.ReplaceAll(list, "NS", "kube-node-lease")}
	for _, system := range []bool{false, true} {
		if system {
			files["kube-system/leases.json"] = strings.ReplaceAll(list, "NS", "kube-system")
		}
		in, err := Read(write(t, files), later)
		if err != nil {
			t.Fatal(err)
		}
		src := in.Source(time.Time{}).In("shop", cluster.Options{})
		if err := src.Known(cluster.SystemLeases); (err == nil) != system || src.Known(cluster.NodeLeases) != nil {
			t.Errorf("with kube-system's %t: %v, %v", system, err, src.Known(cluster.NodeLeases))
		}
	}
}

func TestNewest(t *testing.T) {
	pod := func(name, created string) string {
		return `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"` + name + `","creationTimestamp":"` + created + `"}}`
	}
	lease := `{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"n"},"spec":{"renewTime":"2026-03-01T12:34:56.789000Z"}}`
	tests := []struct {
		name, text, want string
	}{
		{"lease", pod("a", "2026-03-01T12:00:00Z") + lease, "2026-03-01T12:34:56.789Z"},
		{"one absurd clock", pod("a", "2026-03-01T12:00:00Z") + pod("b", "2028-03-01T12:00:00Z"), "2026-03-01T12:00:00Z"},
		{"after the end of time", pod("a", "2026-03-01T12:00:00Z") + pod("b", "2031-03-01T12:00:00Z") + pod("c", "2031-03-01T12:00:00Z"), "2026-03-01T12:00:00Z"},
		{"none", `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}`, "0001-01-01T00:00:00Z"},
	}
	for _, tt := range tests {
		in, err := Read(write(t, map[string]string{"x.json": tt.text}), later)
		if err != nil || in.Newest.UTC().Format(time.RFC3339Nano) != tt.want {
			t.Errorf("%s: %v, %v", tt.name, in.Newest, err)
		}
	}
}

func TestLinks(t *testing.T) {
	dir := write(t, map[string]string{"real/pods.json": podList(podA), "deep/" + strings.Repeat("d/", maxDepth+2) + "x.json": svc})
	for from, to := range map[string]string{"loop": "..", "real/self": "../real", "linked.json": "real/pods.json", "dangling.json": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Skip(err)
		}
	}
	in, err := Read(dir, later)
	if err != nil || held(in.Source(time.Time{})) != "pods[a]" || in.Foreign != 2 || in.Files != 2 {
		t.Errorf("%v, %s", err, in)
	}
	if len(in.Problems) != 2 || !strings.Contains(in.Problems[0], "dangling.json cannot be read") || !strings.Contains(in.Problems[1], "folders deep") {
		t.Errorf("%q", in.Problems)
	}
	top := filepath.Join(t.TempDir(), "top")
	if err := os.Symlink(dir, top); err != nil {
		t.Fatal(err)
	}
	if in, err := Read(top, later); err != nil || in.Files != 2 {
		t.Errorf("a link as the path: %v", err)
	}
}

func TestLogs(t *testing.T) {
	two := `{"metadata":{"name":"two","namespace":"shop"},"spec":{"containers":[{"name":"x"},{"name":"y"}]}}`
	dumped := "==== START logs for container x of pod shop/two ====\nx1\nx2\n==== END logs for container x of pod shop/two ====\n" +
		"==== START logs for container y of pod shop/two ====\ny1\n==== END logs for container y of pod shop/two ====\n"
	in, err := Read(write(t, map[string]string{
		"shop/pods.json":               podList(podA, two),
		"shop/a/logs.txt":              "2026-03-01T12:00:00.5Z one\n2026-03-01T12:00:01Z two\n2026-03-01T12:00:02Z three\n",
		"shop/a/logs.previous.txt":     "before\n",
		"shop/two/logs.txt":            dumped,
		"shop/two/logs.y.previous.txt": "y before\n",
		"other/p/logs.c.txt.gz":        gz("packed"),
	}), later)
	if err != nil {
		t.Fatal(err)
	}
	src := in.Source(time.Time{})
	tests := []struct {
		ns, pod, container string
		o                  cluster.LogOptions
		want               string // "" is no such log
	}{
		{"shop", "a", "main", cluster.LogOptions{}, "2026-03-01T12:00:00.5Z one\n2026-03-01T12:00:01Z two\n2026-03-01T12:00:02Z three\n"},
		{"shop", "a", "main", cluster.LogOptions{TailLines: 1}, "2026-03-01T12:00:02Z three\n"},
		{"shop", "a", "main", cluster.LogOptions{LimitBytes: 60}, "2026-03-01T12:00:01Z two\n2026-03-01T12:00:02Z three\n"},
		{"shop", "a", "main", cluster.LogOptions{Since: time.Date(2026, 3, 1, 12, 0, 1, 9, time.UTC)}, "2026-03-01T12:00:01Z two\n2026-03-01T12:00:02Z three\n"},
		{"shop", "a", "main", cluster.LogOptions{Previous: true}, "before\n"},
		{"shop", "a", "sidecar", cluster.LogOptions{}, ""},
		{"shop", "two", "x", cluster.LogOptions{}, "x1\nx2\n"},
		{"shop", "two", "y", cluster.LogOptions{}, "y1\n"},
		{"shop", "two", "z", cluster.LogOptions{}, ""},
		{"shop", "two", "y", cluster.LogOptions{Previous: true}, "y before\n"},
		{"shop", "two", "x", cluster.LogOptions{Previous: true}, ""},
		{"other", "p", "c", cluster.LogOptions{}, "packed"},
		{"other", "q", "c", cluster.LogOptions{}, ""},
	}
	for _, tt := range tests {
		rc, err := src.Logs(t.Context(), tt.ns, tt.pod, tt.container, tt.o)
		if tt.want == "" {
			if !errors.Is(err, cluster.ErrNoLogs) {
				t.Errorf("%v: %v", tt, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v: %v", tt, err)
			continue
		}
		if got, _ := io.ReadAll(rc); string(got) != tt.want {
			t.Errorf("%v: got %q", tt, got)
		}
	}
}

func TestBounds(t *testing.T) {
	const most = 1 << 20
	bomb := filepath.Join(write(t, map[string]string{"bomb.json.gz": gz(strings.Repeat(" ", 50*most))}), "bomb.json.gz")
	if _, err := load(bomb, 100, most); err == nil || err.Error() != "it holds more than 1 MiB" {
		t.Errorf("a file that unpacks to fifty times the bound: %v", err)
	}
	in, err := Read(write(t, map[string]string{"deep.json": strings.Repeat(`{"a":`, 100_000), "arrays.json": podList(`{"metadata":{"name":"x","labels":` + strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000) + `}}`)}), later)
	if err != nil || in.Objects != 0 || len(in.Problems) != 2 {
		t.Errorf("%v: %q", err, in.Problems)
	}
	var many []string
	for range maxTold + 10 {
		many = append(many, "")
	}
	files := map[string]string{}
	for i := range many {
		files[strings.Repeat("x", i+1)+".json"] = "{"
	}
	in, err = Read(write(t, files), later)
	if err != nil || len(in.Problems) != maxTold+1 || !slices.Contains(in.Problems, "10 more files or objects cannot be read") {
		t.Errorf("%v: %d problems", err, len(in.Problems))
	}
}

func TestString(t *testing.T) {
	in := &Input{Files: 2, Objects: 3, Foreign: 1, Passed: map[string]int{"A": 1, "B": 2, "C": 1, "D": 1, "E": 1, "F": 1}}
	if got, want := in.String(), "3 objects from 2 files; passed over 7 objects of kinds that are not read (B, A, C, D, E and others); 1 files hold no objects"; got != want {
		t.Errorf("got %q", got)
	}
	if got := (&Input{Files: 1, Objects: 1}).String(); got != "1 object" {
		t.Errorf("got %q", got)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{podA, podList(podA, podB), yamlPods, podList(podA, podB)[:200], gz(podA), `{"kind":"List","apiVersion":"v1","items":[5]}`, "---\n---\n{", "\xff\xfe{\x00"} {
		f.Add([]byte(s))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, "x.json")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		in, err := Read(path, later)
		if err != nil {
			t.Fatal(err)
		}
		src := in.Source(time.Time{})
		if pods, _ := src.Pods.List(labels.Everything()); len(pods) > in.Objects {
			t.Errorf("%d pods of %d objects", len(pods), in.Objects)
		}
		for _, p := range in.Problems {
			if strings.Contains(p, "\n") || len(p) > 1000 {
				t.Errorf("not one sentence: %q", p)
			}
		}
	})
}

// FuzzScan: what a scanner finds lies within the data, and valid JSON has parts.
func FuzzScan(f *testing.F) {
	for _, s := range []string{podA, `{"a":[1,{"b":"\""}],"c":null}`, `{"a":`, `"\`, "[]", `{}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := scanner{data: data}
		v, err := s.value()
		if err == nil && (len(v) == 0 || s.pos > len(data)) {
			t.Errorf("%q ends at %d", v, s.pos)
		}
		_, _, _ = typeOf(data)
		_, _, _ = splitItems(data)
		for rest := data; len(rest) > 0; {
			before := len(rest)
			if _, rest = cutDocument(rest); len(rest) >= before && before > 0 {
				t.Fatalf("cutting %q gets nowhere", rest)
			}
		}
	})
}
