package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
	"go.yaml.in/yaml/v4"

	"github.com/repltool/repltool/internal/lab"
)

// gh stands for GitHub's program: a pull request's comment, an artifact and an issue are files in $HUB.
const gh = `#!/bin/sh
echo "$@" >>"$HUB/calls"
case "$*" in
*/comments\ --jq*) [ ! -e "$HUB/comment.md" ] || echo 7 ;;
*/comments*body=@comment.md) cp comment.md "$HUB/comment.md" ;;
*/pulls\ --jq*) echo 4f5e6d7 ;;
run\ list*) [ ! -e "$HUB/main.plan" ] || echo 42 ;;
run\ download*) cp "$HUB/main.plan" . ;;
issue\ list*) [ ! -e "$HUB/issue.md" ] || echo 3 ;;
issue\ create*|issue\ edit*) cp drift.md "$HUB/issue.md" ;;
issue\ close*) rm "$HUB/issue.md" ;;
*) exit 1 ;;
esac
`

// hub plays the CI of a repository whose topology is in a directory of its own.
type hub struct {
	*world
	checkout string   // where the jobs run
	env      []string // of a job
}

func newHub(w *world) *hub {
	w.t.Helper()
	home := w.t.TempDir()
	h := &hub{world: w, checkout: filepath.Join(home, "one")}
	w.check(os.MkdirAll(filepath.Join(h.checkout, ".git"), 0o755))
	w.dir = filepath.Join(h.checkout, "clusters", "orders")
	w.check(os.MkdirAll(w.dir, 0o755))
	bin := filepath.Join(home, "bin")
	w.check(os.MkdirAll(bin, 0o755))
	w.check(os.WriteFile(filepath.Join(bin, "gh"), []byte(gh), 0o755))
	w.check(os.Symlink(binary, filepath.Join(bin, "repltool")))
	h.env = append(w.env, "HUB="+home, "PATH="+bin+":"+os.Getenv("PATH"), "GITHUB_REPOSITORY=shop/db", "GITHUB_SHA=0a1b2c3", "REPLTOOL_ALLOW=",
		"GITHUB_STEP_SUMMARY="+filepath.Join(home, "summary"), "COMMIT=4f5e6d7", "PULL_REQUEST=12", "RUN=https://hub/run/1")
	return h
}

// of is a file that the jobs have left at the hub, "" if there is none.
func (h *hub) of(name string) string {
	data, err := os.ReadFile(filepath.Join(filepath.Dir(h.checkout), name))
	if err != nil && !os.IsNotExist(err) {
		h.t.Fatal(err)
	}
	return string(data)
}

// elsewhere has the jobs run in a copy of what is committed.
func (h *hub) elsewhere(name string) {
	h.t.Helper()
	to := filepath.Join(filepath.Dir(h.checkout), name)
	h.check(os.CopyFS(to, os.DirFS(h.checkout)))
	for _, made := range []string{"main.plan", "comment.md", "drift.md"} {
		h.check(os.RemoveAll(filepath.Join(to, made)))
	}
	h.checkout, h.dir = to, filepath.Join(to, "clusters", "orders")
}

// script runs one, and returns its exit code and what it told.
func (h *hub) script(script string) (int, string) {
	h.t.Helper()
	c := exec.CommandContext(h.t.Context(), "bash", "-e", "-c", script)
	c.Dir, c.Env = h.checkout, h.env
	out, err := c.CombinedOutput()
	h.sinks.Write(out)
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		h.t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), string(out)
}

// job runs the steps of a job of the workflow but those that set up a runner, until one fails; and
// then those that run in any case.
func (h *hub) job(name string, code int) string {
	h.t.Helper()
	workflow, problems := actionlint.Parse([]byte(h.read("../../.github/workflows/repltool-orders.yml")))
	if len(problems) > 0 {
		h.t.Fatal(problems)
	}
	failed, told := 0, ""
	for _, step := range workflow.Jobs[name].Steps {
		run, isRun := step.Exec.(*actionlint.ExecRun)
		if !isRun || step.Name.Value == "Set up" || failed > 0 && step.If == nil {
			continue
		}
		ended, out := h.script(run.Run.Value)
		told += out
		if failed == 0 {
			failed = ended
		}
	}
	if failed != code {
		h.t.Fatalf("the job %s ended with %d, want %d\n%s\n%s", name, failed, code, told, h.logs())
	}
	return told
}

// TestPullRequest takes a change through the workflow that init -ci=github writes: its plan is the comment,
// and that very plan is applied in another checkout; what came in between makes it stale. Drift opens
// an issue, changes it, and closes it.
func TestPullRequest(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	h := newHub(w)
	w.topology("  parameters = { shared_buffers = \"16MB\" }\n")
	w.must(0, "fmt")
	w.says(w.must(0, "init", "-ci=github"), "Wrote ")
	w.says(w.must(1, "init", "-ci=github"), "already exists")
	w.must(0, "init", "-ci=gitlab")

	h.job("plan", 0)
	for _, text := range []string{"Plan of 4f5e6d7", "cluster.main.standby.pg2", "Every step"} {
		if !strings.Contains(h.of("comment.md"), text) {
			t.Errorf("the comment lacks %q:\n%s", text, h.of("comment.md"))
		}
	}
	w.check(os.Rename(filepath.Join(h.checkout, "main.plan"), filepath.Join(filepath.Dir(h.checkout), "main.plan")))
	h.elsewhere("two")
	h.job("apply", 0)
	w.settled()
	h.job("drift", 0)
	h.elsewhere("three")
	h.job("apply", 4) // it was applied
	if got := h.of("summary"); !strings.Contains(got, "The reviewed plan is stale") || !strings.Contains(got, "No changes.") {
		t.Errorf("the summary:\n%s", got)
	}

	w.write("main.hcl", strings.Replace(w.read("main.hcl"), "16MB", "24MB", 1))
	h.job("plan", 0)
	w.check(os.Rename(filepath.Join(h.checkout, "main.plan"), filepath.Join(filepath.Dir(h.checkout), "main.plan")))
	if told := h.job("apply", 1); !strings.Contains(told, "-allow=restart") {
		t.Errorf("a restart that nobody allows:\n%s", told)
	}
	h.env = append(h.env, "REPLTOOL_ALLOW=restart")
	h.job("apply", 0)
	w.expect(1, "SHOW shared_buffers", "24MB")

	w.sql(1, "ALTER ROLE replicator CONNECTION LIMIT 7")
	h.job("drift", 2)
	if got := h.of("issue.md"); !strings.Contains(got, "cluster.main.role.replicator") {
		t.Errorf("the issue:\n%s", got)
	}
	w.must(0, "apply", "-auto-approve")
	h.job("drift", 0)
	if h.of("issue.md") != "" {
		t.Error("the issue is still open")
	}

	w.exec(2, "pg_ctlcluster", "15", "main", "stop", "-m", "fast")
	w.check(w.host(1).Crash(t.Context()))
	h.job("plan", 3)
	if got := h.of("comment.md"); !strings.Contains(got, "There is no plan of 4f5e6d7") {
		t.Errorf("the comment:\n%s", got)
	}
	w.check(w.host(1).Boot(t.Context()))
	w.until(1, "pg_isready --quiet")
	h.pipeline()
	w.noSecrets()
	for _, name := range []string{"comment.md", "summary", "calls", "main.plan"} {
		if strings.Contains(h.of(name), canary) {
			t.Errorf("%s has a secret", name)
		}
	}
}

// pipeline runs the jobs of GitLab: the standby that is down is started again.
func (h *hub) pipeline() {
	h.t.Helper()
	var jobs map[string]yaml.Node // not all of them are jobs
	h.check(yaml.Unmarshal([]byte(h.read("../../.gitlab-ci.yml")), &jobs))
	for _, name := range []string{"check", "plan", "apply", "drift"} {
		var job struct{ Script []string }
		node := jobs[name]
		h.check(node.Decode(&job))
		if code, told := h.script(strings.Join(job.Script, "\n")); code != 0 {
			h.t.Fatalf("the job %s ended with %d\n%s", name, code, told)
		}
	}
	h.settled()
}
