package build

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/plan"
)

// FuzzDecode: no file breaks the reader of plans, and one that is taken is written again as
// it was read.
func FuzzDecode(f *testing.F) {
	top := loadText(f, "node \"a\" { host = \"h\" }\ncluster \"c\" { primary = node.a }\n")
	p, _ := Build(top, converged(f, top), cluster.Options{RepltoolVersion: "test"})
	var text bytes.Buffer
	if err := p.Encode(&text); err != nil {
		f.Fatal(err)
	}
	f.Add(text.Bytes())
	f.Add([]byte(`{"format_version":"1.0"}`))
	f.Add([]byte(`{"format_version":"1.0","steps":[{"id":"a","op":{"kind":"sql"}}],"changes":[null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = plan.Decode(bytes.NewReader(data))
		p := &plan.Plan{}
		if json.Unmarshal(data, p) != nil || p.FormatVersion != plan.FormatVersion {
			return
		}
		p.Fingerprint = p.Bind()
		var again bytes.Buffer
		if err := p.Encode(&again); err != nil {
			t.Fatal(err)
		}
		if back, err := plan.Decode(&again); err != nil || back.Fingerprint != p.Fingerprint {
			t.Errorf("%s: read again: %v", data, err)
		}
	})
}
