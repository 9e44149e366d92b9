package graph_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/internal/view/graph"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

var update = flag.Bool("update", false, "write the golden files again")

// TestGolden draws each topology of testdata in every form; shop.hcl once more as it lives.
func TestGolden(t *testing.T) {
	for _, name := range []string{"shop", "many", "hostile", "shop-live"} {
		for form, write := range map[string]func(*graph.Graph, io.Writer) error{
			"txt": (*graph.Graph).Text, "mmd": (*graph.Graph).Mermaid, "dot": (*graph.Graph).Dot, "svg": (*graph.Graph).SVG,
		} {
			t.Run(name+"."+form, func(t *testing.T) {
				file, live := strings.CutSuffix(name, "-live")
				g := graph.New(load(t, file))
				if live {
					g.Show(state(), &plan.Plan{Changes: []plan.Change{{Nodes: []string{"eu1", "eu2"}}, {Nodes: []string{"eu2"}}}})
				}
				var out bytes.Buffer
				if err := write(g, &out); err != nil {
					t.Fatal(err)
				}
				compare(t, filepath.Join("testdata", name+"."+form), out.String())
			})
		}
	}
}

func load(t *testing.T, name string) *topology.Topology {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join("testdata", name+".hcl"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	top, diags := topology.Load(dir, topology.Inputs{NoSecrets: true})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return top
}

func compare(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

// state is shop.hcl on a bad day: a standby catches up, one is gone, one was not read, a
// subscription is disabled.
func state() view.Status {
	bytes, seconds := int64(46<<20), 2.4
	zero, soon := int64(0), 0.002
	return view.Status{Clusters: []view.ClusterStatus{
		{Nodes: []view.Standing{
			{Node: "eu1", Role: "primary"},
			{Node: "eu2", Role: "standby", State: "streaming", Sync: "quorum", LagBytes: &zero, LagTime: &soon},
			{Node: "us1", Role: "standby", State: "streaming", Sync: "quorum", LagBytes: &bytes, LagTime: &seconds},
			{Node: "eu3", Role: "standby", State: "catchup", LagBytes: &bytes},
			{Node: "us2", Role: "down"},
			{Node: "us3", Role: "unknown", Error: "ssh: connect to host 10.1.0.3: i/o timeout"},
			{Node: "ap1", Role: "standby", State: "not connected"},
		}},
		{
			Nodes:         []view.Standing{{Node: "dw1", Role: "primary"}, {Node: "dw2", Role: "standby", State: "streaming", LagBytes: &zero}},
			Subscriptions: []view.SubscriptionStatus{{Node: "dw1", Publisher: "eu1", State: "streaming", LagBytes: &zero}, {Node: "dw1", Publisher: "eu1", State: "disabled"}, {Node: "dw1", Publisher: "crm.example.net", State: "copying"}},
		},
	}}
}

// TestSVGIsWhole reads the pictures as XML: everything is on the page, and no text can be
// read as markup.
func TestSVGIsWhole(t *testing.T) {
	number := regexp.MustCompile(`-?\d+(\.\d+)?`)
	for _, name := range []string{"shop", "many", "hostile"} {
		var out bytes.Buffer
		if err := graph.New(load(t, name)).SVG(&out); err != nil {
			t.Fatal(err)
		}
		width, height, seen := 0.0, 0.0, 0
		decoder := xml.NewDecoder(&out)
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			e, ok := token.(xml.StartElement)
			if !ok {
				continue
			}
			seen++
			a := map[string]string{}
			for _, attribute := range e.Attr {
				a[attribute.Name.Local] = attribute.Value
			}
			f := func(key string) float64 { v, _ := strconv.ParseFloat(a[key], 64); return v }
			switch e.Name.Local {
			case "svg":
				width, height = f("width"), f("height")
			case "rect", "text":
				if f("x") < 0 || f("y") < 0 || f("x")+f("width") > width || f("y")+f("height") > height {
					t.Errorf("%s: %v is not on the page, %v by %v", name, a, width, height)
				}
			case "path":
				if strings.Contains(a["class"], "edge") && len(number.FindAllString(a["d"], -1)) < 3 {
					t.Errorf("%s: an edge without points: %s", name, a["d"])
				}
			case "script", "image", "foreignObject", "a":
				t.Errorf("%s: <%s>", name, e.Name.Local)
			}
		}
		if seen < 20 {
			t.Errorf("%s: %d elements", name, seen)
		}
	}
}

// TestFold: what is alike is drawn once, from so many nodes on that one cannot read them.
func TestFold(t *testing.T) {
	for _, test := range []struct{ standbys, cards int }{{39, 40}, {40, 2}} {
		var hcl strings.Builder
		hcl.WriteString("node \"pg0\" {\n  host = \"h0\"\n}\n")
		var names []string
		for i := range test.standbys {
			fmt.Fprintf(&hcl, "node \"pg%d\" {\n  host = \"h%d\"\n}\n", i+1, i+1)
			names = append(names, fmt.Sprintf("node.pg%d", i+1))
		}
		fmt.Fprintf(&hcl, "cluster \"c\" {\n  primary = node.pg0\n  standbys = [%s]\n  role \"r\" {\n    replication = true\n    password = \"not secret at all\"\n  }\n}\n", strings.Join(names, ", "))
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(hcl.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		top, diags := topology.Load(dir, topology.Inputs{})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		var out bytes.Buffer
		if err := graph.New(top).SVG(&out); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(out.String(), "<g>"); got != test.cards {
			t.Errorf("%d standbys: %d cards, not %d", test.standbys, got, test.cards)
		}
	}
}
