// Package imports holds the architecture's import directions to the code.
package imports

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/repltool/repltool/"

// rule forbids imports, direct or not, to the packages under a path.
type rule struct {
	under  string   // of the module
	except []string // packages of the module, and those below them, that may be used all the same
	forbid []string // prefixes of import paths; "repltool/" stands for the module
	why    string
}

func rules() []rule {
	return []rule{
		{under: "topology", forbid: []string{"repltool/"}, except: []string{"topology"}, why: "the language rests on nothing of ours"},
		{under: "facts", forbid: []string{"repltool/", "github.com/jackc/pgx"}, except: []string{"topology", "facts", "internal/pg"}, why: "facts are data"},
		{under: "internal/pg", forbid: []string{"repltool/", "github.com/jackc/pgx"}, except: []string{"internal/pg", "internal/list", "internal/words"}, why: "texts of PostgreSQL are pure"},
		{under: "plan", forbid: []string{"repltool/"}, except: []string{"topology", "internal/pg", "internal/list", "internal/words", "facts", "cluster", "doctor", "plan"}, why: "plan and build are pure"},
		{under: "cluster", forbid: []string{"repltool/"}, except: []string{"topology", "facts", "internal/pg", "internal/list", "internal/words", "plan", "cluster"}, why: "a cluster is asked, and asks nobody"},
		{under: "cluster", forbid: []string{"repltool/plan/"}, why: "a cluster plans nothing"},
		{under: "doctor", forbid: []string{"repltool/"}, except: []string{"topology", "facts", "internal/pg", "internal/list", "internal/words", "cluster", "plan", "doctor"}, why: "the doctor reads the cluster"},
		{under: "doctor", forbid: []string{"repltool/plan/"}, why: "findings are known before a plan is built"},
		{under: "importer", forbid: []string{"repltool/"}, except: []string{"topology", "facts", "internal/pg", "internal/list", "internal/words", "cluster", "plan", "importer"}, why: "the importer is given facts, and plans nothing"},
		{under: "importer", forbid: []string{"repltool/plan/"}, why: "what is written is planned by whoever proves it"},
		{under: "importer/write", forbid: []string{"repltool/facts", "repltool/cluster"}, why: "it writes what it is given"},
		{under: "plan/build/draft", forbid: []string{"repltool/plan/build"}, except: []string{"plan/build/draft", "plan/build/draft"}, why: "siblings do not import each other"},
		{under: "plan/build/check", forbid: []string{"repltool/plan/build"}, except: []string{"plan/build/draft", "plan/build/check"}, why: "siblings do not import each other"},
		{under: "plan/build/config", forbid: []string{"repltool/plan/build"}, except: []string{"plan/build/draft", "plan/build/config"}, why: "siblings do not import each other"},
		{under: "plan/build/streaming", forbid: []string{"repltool/plan/build"}, except: []string{"plan/build/draft", "plan/build/streaming"}, why: "siblings do not import each other"},
		{under: "plan/build/move", forbid: []string{"repltool/plan/build"}, except: []string{"plan/build/draft", "plan/build/move"}, why: "siblings do not import each other"},
		{under: "plan/build/objects", forbid: []string{"repltool/plan/build"}, except: []string{"plan/build/draft", "plan/build/objects"}, why: "siblings do not import each other"},
		{under: "plan/build/logical", forbid: []string{"repltool/plan/build"}, except: []string{"plan/build/draft", "plan/build/logical"}, why: "siblings do not import each other"},
		{under: "apply", forbid: []string{"github.com/jackc/pgx", "golang.org/x/crypto/ssh", "github.com/pkg/sftp", "repltool/providers/host", "repltool/providers/postgres", "repltool/internal"}, except: []string{"internal/pg"}, why: "apply declares what it needs"},
		{under: "internal/endpoints", forbid: []string{"github.com/jackc/pgx", "golang.org/x/crypto/ssh", "repltool/providers", "repltool/plan/", "repltool/apply", "repltool/internal/view"}, why: "whoever looks is given the servers"},
		{under: "providers", forbid: []string{"repltool/plan", "repltool/apply", "repltool/internal/view"}, why: "providers decide nothing"},
		{under: "internal/view", forbid: []string{"github.com/jackc/pgx", "golang.org/x/crypto/ssh", "repltool/providers/host", "repltool/providers/postgres"}, why: "views are given values"},
	}
}

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func TestImportDirections(t *testing.T) {
	for _, p := range load(t) {
		for _, r := range rules() {
			path := strings.TrimPrefix(p.ImportPath, module)
			if path == r.under || strings.HasPrefix(path, r.under+"/") {
				check(t, p, r)
			}
		}
	}
}

// TestDoctorPlansNothing looks at the doctor's own imports: the texts of a plan come with the
// cluster that it reads.
func TestDoctorPlansNothing(t *testing.T) {
	for _, p := range load(t) {
		if strings.TrimPrefix(p.ImportPath, module) == "doctor" && slices.Contains(p.Imports, module+"plan") {
			t.Error("doctor imports plan: a finding is a value of its own")
		}
	}
}

// TestDecidersHaveNoWorld looks at the own imports of what decides: what the standard
// library and the language need below it is theirs.
func TestDecidersHaveNoWorld(t *testing.T) {
	seen := 0
	for _, p := range load(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		if top, _, _ := strings.Cut(path, "/"); top != "plan" && top != "cluster" && top != "doctor" && top != "importer" {
			continue
		}
		seen++
		for _, i := range p.Imports {
			switch i {
			case "net", "os", "os/exec", "context", "net/http":
				t.Errorf("%s imports %s: it has no clock, no network and no files", path, i)
			}
		}
	}
	if seen < 9 {
		t.Fatalf("%d packages of plan, cluster and doctor were found", seen)
	}
}

func check(t *testing.T, p pkg, r rule) {
	t.Helper()
	for _, dep := range p.Deps {
		short := strings.Replace(dep, module, "repltool/", 1)
		for _, f := range r.forbid {
			if strings.HasPrefix(short, f) && !excepted(short, r) {
				t.Errorf("%s imports %s, perhaps through others: %s", p.ImportPath, dep, r.why)
			}
		}
	}
}

func excepted(short string, r rule) bool {
	for _, e := range r.except {
		if short == "repltool/"+e || strings.HasPrefix(short, "repltool/"+e+"/") {
			return true
		}
	}
	return false
}

func load(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps=false", "-json=ImportPath,Imports,Deps", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p pkg
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}
