package templates

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
	"go.yaml.in/yaml/v4"
)

// The commands themselves are run by internal/e2e, and the units are verified there.

func topologies() []Topology {
	return []Topology{
		{Name: "orders", Dir: "clusters/orders", Environ: []string{"REPLTOOL_VAR_password"}, Program: "/usr/bin/repltool", Version: "v1.2.3"},
		{Name: "whole", Dir: ".", Program: "repltool", Version: "latest"},
	}
}

// written is the text of the one file of a place.
func written(t *testing.T, place string, of Topology) string {
	t.Helper()
	ci, known := CIOf(place)
	if !known {
		t.Fatalf("%s is not known", place)
	}
	files, err := ci.Write(of)
	if err != nil {
		t.Fatal(err)
	}
	return string(files[0].Text)
}

func TestFilesOfCI(t *testing.T) {
	for _, ci := range CIs() {
		for _, of := range topologies() {
			files, err := ci.Write(of)
			if err != nil {
				t.Fatal(err)
			}
			next, err := ci.Next(of)
			if err != nil || strings.TrimSpace(next) == "" {
				t.Errorf("%s: %q, %v", ci.Name, next, err)
			}
			all := next
			for _, f := range files {
				all += f.Path + string(f.Text)
			}
			if strings.Contains(all, "[[") || strings.Contains(all, "]]") {
				t.Errorf("%s: not filled in:\n%s", ci.Name, all)
			}
			for _, name := range of.Environ {
				if !strings.Contains(all, name) {
					t.Errorf("%s does not ask for %s:\n%s", ci.Name, name, all)
				}
			}
		}
	}
	if _, known := CIOf("jenkins"); known {
		t.Error("jenkins is known")
	}
}

func TestGitHubWorkflow(t *testing.T) {
	for _, of := range topologies() {
		text := written(t, "github", of)
		linter, err := actionlint.NewLinter(t.Output(), &actionlint.LinterOptions{Shellcheck: ""})
		if err != nil {
			t.Fatal(err)
		}
		problems, err := linter.Lint("repltool.yml", []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Error(p)
		}
		workflow, _ := actionlint.Parse([]byte(text))
		scripts := 0
		for _, job := range workflow.Jobs {
			for _, step := range job.Steps {
				if run, isRun := step.Exec.(*actionlint.ExecRun); isRun {
					parses(t, "bash", run.Run.Value)
					scripts++
				}
			}
		}
		if scripts < 9 {
			t.Errorf("%d scripts", scripts)
		}
	}
}

// A plan that is too long for a comment is not cut: the comment has none of it.
func TestLongPlanIsNoComment(t *testing.T) {
	workflow, _ := actionlint.Parse([]byte(written(t, "github", topologies()[0])))
	var comment string
	for _, step := range workflow.Jobs["plan"].Steps {
		if step.Name != nil && step.Name.Value == "Comment" {
			comment = step.Exec.(*actionlint.ExecRun).Run.Value
		}
	}
	for bytes, whole := range map[string]bool{"60000": true, "70000": false} {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"repltool":  "#!/bin/sh\necho begin; head -c " + bytes + " /dev/zero | tr '\\0' x; echo end\n",
			"gh":        "#!/bin/sh\ncase \"$*\" in *POST*) cp comment.md posted ;; esac\n",
			"main.plan": "",
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		c := exec.Command("bash", "-e", "-c", comment)
		c.Dir, c.Env = dir, append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "GITHUB_STEP_SUMMARY="+filepath.Join(dir, "summary"), "RUN=https://hub/run/1", "COMMIT=4f5e6d7")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		posted, err := os.ReadFile(filepath.Join(dir, "posted"))
		if err != nil {
			t.Fatal(err)
		}
		if text := string(posted); strings.Contains(text, "xend") != whole || strings.Contains(text, "begin") != whole || !whole && !strings.Contains(text, "read all of it in the summary of https://hub/run/1") {
			t.Errorf("of a plan of %s bytes the comment has %d:\n%.300s", bytes, len(text), text)
		}
		if summary, _ := os.ReadFile(filepath.Join(dir, "summary")); !strings.Contains(string(summary), "xend") {
			t.Errorf("the summary lacks a plan of %s bytes", bytes)
		}
	}
}

func TestGitLabPipeline(t *testing.T) {
	for _, of := range topologies() {
		text := written(t, "gitlab", of)
		var jobs map[string]any
		if err := yaml.Unmarshal([]byte(text), &jobs); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		for _, name := range []string{"check", "proposed plan", "plan", "apply", "drift"} {
			job, _ := jobs[name].(map[string]any)
			lines, _ := job["script"].([]any)
			if len(lines) == 0 || job["stage"] == nil || job["rules"] == nil {
				t.Errorf("the job %s: %v", name, job)
			}
			for _, line := range lines {
				parses(t, "sh", line.(string))
			}
		}
	}
}

// A line of /etc/cron.d has five fields, a user and a command, in which a percent sign would be a new line.
func TestCronLine(t *testing.T) {
	line := regexp.MustCompile(`(?m)^17 \* \* \* \* repltool ([^%\n]+)\n\z`)
	for _, of := range topologies() {
		text := written(t, "cron", of)
		found := line.FindStringSubmatch(text)
		if found == nil {
			t.Fatalf("no line as cron wants it:\n%s", text)
		}
		parses(t, "sh", found[1])
		if asks := strings.Contains(found[1], ". /etc/repltool/"+of.Name+".env"); asks != (len(of.Environ) > 0) {
			t.Errorf("%s", found[1])
		}
	}
}

func parses(t *testing.T, shell, script string) {
	t.Helper()
	c := exec.Command(shell, "-n")
	c.Stdin = strings.NewReader(script)
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v: %s\n%s", err, out, script)
	}
}
