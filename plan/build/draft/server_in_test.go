package draft

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A number in postmaster.pid is a server's only where the process works in the data directory.
func TestServerIn(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	for _, k := range []struct {
		name, worksIn, sign string
		runs                bool
	}{
		{"a server", dir, "", true},
		{"a single-user server", dir, "-", true},
		{"another process, after a crash of the host", elsewhere, "", false},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := exec.Command("sleep", "60")
			c.Dir = k.worksIn
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			pid := strconv.Itoa(c.Process.Pid)
			if err := os.WriteFile(filepath.Join(dir, "postmaster.pid"), []byte(k.sign+pid+"\n"+dir+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if got, runs := serverInOf(dir); runs != k.runs || runs && got != pid {
				t.Errorf("process %s: %q, %v", pid, got, runs)
			}
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = c.Wait() // it was killed
			if got, runs := serverInOf(dir); runs {
				t.Errorf("it has ended: %q", got)
			}
		})
	}
	if got, runs := serverInOf(elsewhere); runs {
		t.Errorf("without a postmaster.pid: %q", got)
	}
}

func serverInOf(dir string) (pid string, runs bool) {
	out, err := exec.Command("sh", "-c", WithServerIn(`server_in "$1"`), "sh", dir).Output()
	return strings.TrimSpace(string(out)), err == nil
}
