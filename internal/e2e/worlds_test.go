//go:build record

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/lab"
	"github.com/repltool/repltool/providers"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/providers/host/ssh"
	"github.com/repltool/repltool/topology"
)

// worldsDir has the recorded worlds, beside the test that plans them.
const worldsDir = "../../plan/build/testdata/worlds"

// recorder records worlds of one lab: what Inspect found, as golden cases have it.
type recorder struct {
	*world
	t *testing.T
}

// newRecorder boots hosts.
func newRecorder(t *testing.T, o lab.Options) *recorder {
	t.Helper()
	w := newWorld(t, o)
	w.env = append(w.env, "PW=canary-PW", "APP_PW=canary-APP_PW")
	return &recorder{world: w, t: t}
}

// become applies the topology, in which ADDR1 is host1's address.
func (r *recorder) become(text string) {
	r.t.Helper()
	for i, h := range r.lab.Hosts {
		text = strings.ReplaceAll(text, fmt.Sprintf("ADDR%d", i+1), h.Addr)
	}
	r.write("main.hcl", strings.TrimLeft(text, "\n"))
	r.must(0, "apply", "-auto-approve", "-allow=restart,drop")
	r.settled()
}

// record writes the world; what else its golden case has stays.
func (r *recorder) record(name, comment string) {
	r.t.Helper()
	top, diags := topology.Load(r.dir, topology.Inputs{Environ: func(name string) (string, bool) { return "canary-" + name, true }})
	if diags.HasErrors() {
		r.t.Fatal(diags)
	}
	fleet := providers.Open(top, func(ctx context.Context, n *topology.Node) (host.Conn, error) {
		return ssh.Dial(ctx, n, ssh.Options{ConfigFile: r.lab.SSHConfig})
	})
	defer fleet.Close()
	found := fleet.Inspect(r.t.Context(), providers.InspectOptions{})
	if err := os.MkdirAll(worldsDir, 0o755); err != nil {
		r.t.Fatal(err)
	}
	for _, n := range found.Nodes {
		r.shorten(n)
	}
	file := filepath.Join(worldsDir, name+".txtar")
	archive, err := txtar.ParseFile(file)
	if err != nil {
		archive = &txtar.Archive{}
	}
	archive.Comment = []byte(comment + "\n")
	setPart(archive, "main.hcl", r.read("main.hcl"))
	setPart(archive, "facts.json", inLines(revealed(r.t, found), "")+"\n")
	for i := range archive.Files {
		archive.Files[i].Data = oneNetwork(archive.Files[i].Data)
	}
	if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// oneNetwork has all worlds in one network: labs have numbers, and what a world's change.hcl
// names stays when it is recorded in another lab.
func oneNetwork(text []byte) []byte {
	return regexp.MustCompile(`10\.77\.\d+\.`).ReplaceAll(text, []byte("10.77.1."))
}

func setPart(a *txtar.Archive, name, text string) {
	for i := range a.Files {
		if a.Files[i].Name == name {
			a.Files[i].Data = []byte(text)
			return
		}
	}
	a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(text)})
}

// shorten takes out what is alike everywhere: comments of the distribution's files, of
// which the lines stay, and settings that are as in settings-MAJOR.json, which is of the
// first world of that version.
func (r *recorder) shorten(n *facts.Node) {
	r.t.Helper()
	if n.Host != nil {
		n.Host.Conf.Text, n.Host.HBA.Text = uncommented(n.Host.Conf.Text), uncommented(n.Host.HBA.Text)
	}
	if n.Server == nil {
		return
	}
	file := filepath.Join(worldsDir, fmt.Sprintf("settings-%d.json", n.Server.Major()))
	base := map[string]facts.Setting{}
	if data, err := os.ReadFile(file); err == nil {
		decodeInto(r.t, string(data), &base)
	} else {
		base = n.Server.Settings
		if err := os.WriteFile(file, []byte(inLines(revealed(r.t, base), "")+"\n"), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
	own := map[string]facts.Setting{}
	for name, s := range n.Server.Settings {
		if was, is := base[name]; !is || !reflect.DeepEqual(s, was) {
			own[name] = s
		}
	}
	n.Server.Settings = own
}

// uncommented leaves of a comment its mark, but not of those that repltool wrote.
func uncommented(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if strings.HasPrefix(strings.TrimSpace(l), "#") && !strings.HasPrefix(l, "# repltool") {
			lines[i] = "#"
		}
	}
	return strings.Join(lines, "\n")
}

// revealed encodes facts with their secrets, which are those of a lab.
func revealed(t *testing.T, v any) json.RawMessage {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(data), fmt.Sprintf("%q", topology.Redacted))
	var secrets []string
	gather(reflect.ValueOf(v), &secrets)
	if len(secrets) != len(parts)-1 {
		t.Fatalf("%d secrets, %d places", len(secrets), len(parts)-1)
	}
	var b strings.Builder
	for i, part := range parts {
		b.WriteString(part)
		if i < len(secrets) {
			text, err := json.Marshal(secrets[i])
			if err != nil {
				t.Fatal(err)
			}
			b.Write(text)
		}
	}
	return json.RawMessage(b.String())
}

// gather returns the secrets that are set, in the order in which they are encoded.
func gather(v reflect.Value, out *[]string) {
	if v.IsValid() && v.Type() == reflect.TypeFor[topology.Secret]() {
		if s := v.Interface().(topology.Secret); s.IsSet() {
			*out = append(*out, s.Reveal())
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			gather(v.Elem(), out)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				gather(v.Field(i), out)
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			gather(v.Index(i), out)
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			gather(v.MapIndex(k), out)
		}
	}
}

// inLines writes JSON with what is short on one line.
func inLines(raw json.RawMessage, margin string) string {
	if len(raw) < 200 || raw[0] != '{' && raw[0] != '[' {
		return string(raw)
	}
	var lines []string
	dec := json.NewDecoder(bytes.NewReader(raw))
	open, _ := dec.Token()
	for dec.More() {
		key := ""
		if open == json.Delim('{') {
			name, _ := dec.Token()
			key = fmt.Sprintf("%q: ", name)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			panic(err) // it was encoded here
		}
		lines = append(lines, margin+" "+key+inLines(value, margin+" "))
	}
	return open.(json.Delim).String() + "\n" + strings.Join(lines, ",\n") + "\n" + margin + map[json.Delim]string{'{': "}", '[': "]"}[open.(json.Delim)]
}
