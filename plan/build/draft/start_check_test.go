package draft

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestStartCheckRole: a standby without standby.signal does not start, and neither does a
// primary with it.
func TestStartCheckRole(t *testing.T) {
	data := t.TempDir()
	says := func(role, want string) {
		t.Helper()
		out, err := exec.Command("sh", "-c", StartCheck, "sh", "false", data, role, "start").CombinedOutput()
		if err == nil || strings.Contains(string(out), "standby.signal") != (want != "") || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v: %s", role, err, out)
		}
	}
	says("standby", "second primary")
	says("primary", "")
	if err := os.WriteFile(filepath.Join(data, "standby.signal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	says("standby", "")
	says("primary", "would be a standby")
}
