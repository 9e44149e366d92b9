package ssh

import (
	_ "embed"
	"fmt"

	"github.com/repltool/repltool/providers/host"
)

// mark is printed by the runner just before the program starts, and by the pump
// once it is connected.
const mark = "\x01repltool\n"

var (
	//go:embed runner.sh
	runnerText string
	//go:embed runner_watch.sh
	watchText string
	//go:embed pump.sh
	pumpText string
)

// The runner comes in two forms. One hands stdin to the program. The other keeps
// stdin for itself: a line on it says that the program is to end. A signal of SSH
// would not do, since sudo's child is another user's, and the end of stdin must
// not do, since a lost connection kills nothing.
func runner(watch bool) string {
	if watch {
		return runnerText + watchText
	}
	return runnerText + "exec \"$@\"\n"
}

// running is the program in the runner. A text for sh is joined to the runner's own:
// that is one shell less to start.
func running(argv []string, watch bool) []string {
	if !watch && len(argv) > 3 && argv[0] == "sh" && argv[1] == "-c" {
		return append([]string{"sh", "-c", runnerText + argv[2]}, argv[3:]...)
	}
	return append([]string{"sh", "-c", runner(watch), "sh"}, argv...)
}

// line is what the login shell is given for a program of the OS user or of root.
// sudo to root runs the bare program, so that a sudoers rule may name it; the
// runner is outside then.
func (c *conn) line(argv []string, root, watch bool) string {
	run := running(argv, watch)
	switch {
	case root && c.target.user != "root":
		run = append([]string{"sh", "-c", runner(watch), "sh", "sudo", "-n", "--"}, argv...)
	case !root && c.become == becomeSudo:
		run = append([]string{"sudo", "-n", "-H", "-u", c.osUser, "--"}, run...)
	}
	// The OS user may not be allowed to stand in the login's home.
	return "cd / && exec " + host.QuoteAll(run)
}

// sudoHint says what to add to sudoers.
func (c *conn) sudoHint(root bool) string {
	as := c.osUser
	if root {
		as = "root"
	}
	return fmt.Sprintf("Allow it on %s with a line in /etc/sudoers.d/repltool:\n"+
		"  %s ALL=(%s) NOPASSWD: ALL\nor log in as %s (ssh { user = %q }).", c.target.name, c.target.user, as, as, as)
}
