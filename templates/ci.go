package templates

import (
	"path"
	"slices"
	"strings"
)

// CI is a place where repltool runs by itself, and the files that have it run there.
type CI struct {
	Name      string // as -ci has it
	InRoot    bool   // the files are those of the whole repository, not of the topology's directory
	Files     []CIFile
	next      []string // what is to be done once the files are there
	reports   []string // what drift writes there
	quiet     bool     // drift prints only what differs
	elsewhere bool     // drift does not run in the directory of the topology
}

// CIFile is one of them. Its path is relative to the repository or to the topology's directory, and a
// template as its text is.
type CIFile struct{ Path, template string }

// CIs are the places that are known.
func CIs() []CI {
	return []CI{
		{
			Name: "github", InRoot: true, elsewhere: true,
			Files:   []CIFile{{".github/workflows/repltool-[[.Name]].yml", "ci-github.yml.tmpl"}},
			reports: []string{"-github", "-markdown-file=drift.md"},
			next:    []string{"Its first lines say which secrets and variables the repository needs. Commit it in a pull request."},
		},
		{
			Name: "gitlab", InRoot: true, elsewhere: true, quiet: true,
			Files:   []CIFile{{".gitlab-ci.yml", "ci-gitlab.yml.tmpl"}},
			reports: []string{"-junit-file=drift.xml", "-gitlab-file=drift.json", "-markdown-file=drift.md"},
			next:    []string{"Its first lines say which variables and schedules the project needs. Commit it in a merge request."},
		},
		{
			Name: "systemd", quiet: true,
			Files: []CIFile{
				{"repltool-[[.Name]].service", "ci-drift.service.tmpl"},
				{"repltool-[[.Name]].timer", "ci-drift.timer.tmpl"},
				{"repltool-[[.Name]].env", "ci-drift.env.tmpl"},
			},
			next: []string{
				"To have it run, once there is a user repltool:",
				"  sudo install -D -m 640 -g repltool repltool-[[.Name]].env /etc/repltool/[[.Name]].env",
				"  sudo install -m 644 repltool-[[.Name]].service repltool-[[.Name]].timer /etc/systemd/system/",
				"  sudo systemctl daemon-reload && sudo systemctl enable --now repltool-[[.Name]].timer",
			},
		},
		{
			Name: "cron", quiet: true,
			Files: []CIFile{{"repltool-[[.Name]].cron", "ci-drift.cron.tmpl"}},
			next: []string{
				"To have it run, once there is a user repltool:",
				"  sudo install -m 644 repltool-[[.Name]].cron /etc/cron.d/repltool-[[.Name]]",
			},
		},
	}
}

// CIOf returns the place of that name; false if it is not known.
func CIOf(name string) (CI, bool) {
	all := CIs()
	if i := slices.IndexFunc(all, func(c CI) bool { return c.Name == name }); i >= 0 {
		return all[i], true
	}
	return CI{}, false
}

// Topology is the one that is to be planned and applied by itself. Its texts are written as they are into
// YAML, unit files and shell commands: it has letters, digits and "-_./@" alone.
type Topology struct {
	Name    string   // of its directory, and of files and locks of its own
	Dir     string   // as the repository has it, "." for the repository itself; absolute for a place without one
	Environ []string // the variables of the environment that it asks for
	Program string   // as it is called
	Version string   // what go install is to fetch
}

// File is a text to write.
type File struct {
	Path string
	Text []byte
}

// Write fills the files in.
func (c CI) Write(t Topology) ([]File, error) {
	var all []File
	for _, f := range c.Files {
		name, err := fill("path", f.Path, t)
		if err != nil {
			return nil, err
		}
		text, err := Render(f.template, c.values(t, string(name)))
		if err != nil {
			return nil, err
		}
		all = append(all, File{string(name), text})
	}
	return all, nil
}

// Next says, in lines, what is to be done then.
func (c CI) Next(t Topology) (string, error) {
	text, err := fill("next", strings.Join(c.next, "\n")+"\n", t)
	return string(text), err
}

// values are the keys of the templates: of the topology, and the commands, which are the same in every place.
func (c CI) values(t Topology, file string) map[string]any {
	dir, prefix := " "+t.Dir, t.Dir+"/"
	if t.Dir == "." {
		dir, prefix = "", ""
	}
	drift := append([]string{t.Program, "drift"}, c.reports...)
	if c.quiet {
		drift = slices.Insert(drift, 2, "-quiet")
	}
	if c.elsewhere && dir != "" {
		drift = append(drift, t.Dir)
	}
	return map[string]any{
		"Name": t.Name, "Dir": t.Dir, "Environ": t.Environ, "Version": t.Version,
		"Path": file, "Base": path.Base(file), "Prefix": prefix,
		"Check":     []string{"repltool fmt -check -diff" + dir, "repltool validate" + dir},
		"Plan":      "repltool plan -out=main.plan" + dir,
		"Show":      "repltool show -format=markdown main.plan",
		"Report":    "repltool show -format=gitlab main.plan",
		"Apply":     `repltool apply -allow="$REPLTOOL_ALLOW" main.plan` + dir,
		"PlanAgain": "repltool plan -out=now.plan" + dir + " >&2 && repltool show -format=markdown now.plan",
		"Drift":     strings.Join(drift, " "),
	}
}
