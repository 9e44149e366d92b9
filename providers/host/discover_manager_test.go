package host_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/repltool/repltool/providers/host"
)

// TestDiscoverManagers finds the cluster manager that has the data directory, and not one that
// has another.
func TestDiscoverManagers(t *testing.T) {
	m := newMachine(t)
	m.initdb()
	for name, data := range map[string]string{"patroni": m.dir + "/data", "repmgrd": m.dir + "/other"} {
		conf := m.dir + "/" + name + ".yml"
		for path, text := range map[string]string{conf: "data_dir: " + data + "\n", m.dir + "/" + name: "#!/bin/sh\nread -r _\n"} {
			if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		c := exec.Command(m.dir+"/"+name, conf)
		in, err := c.StdinPipe() // it ends when that does
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Close(); _ = c.Wait() })
	}
	check(t, "managers", m.discover(m.want()).Managers, []string{"patroni"})
	other := m.want()
	other.DataDir = m.dir + "/other"
	check(t, "managers of another", m.managersOf(other), []string{"repmgrd"})
}

func (m *machine) managersOf(w host.Want) []string {
	m.t.Helper()
	m.run("mkdir", "-m", "0700", w.DataDir)
	return m.discover(w).Managers
}
