package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pgtest"
)

// TestNormalise sets what a file may say and compares with what pg_settings
// shows, for every unit and type.
func TestNormalise(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	for name, values := range map[string][]string{
		"work_mem":                     {"8MB", "8192", "8192kB", "0.5GB", "1GB", " 8 MB ", "65kB", "70.6kB", "8000000B", "64B", "-1", "8mb", "lots", "1e4", "0x2000", "30.1GB", "1_000", "0x1p3", "1 k B"},
		"shared_buffers":               {"128MB", "16384", "1GB", "100kB", "1TB"},
		"checkpoint_timeout":           {"5min", "300", "300s", "1h", "1d", "300000ms", "29s", "2d", "0.5h", "5MB"},
		"wal_sender_timeout":           {"1min", "0", "90s", "1500us"},
		"max_slot_wal_keep_size":       {"-1", "64GB", "1TB", "100kB"},
		"checkpoint_completion_target": {"0.9", ".5", "1", "1.1", "9e-1", "0.123456789", "0_1", "01"},
		"vacuum_cost_delay":            {"2", "2ms", "500us", "1s", "0.5"},
		"fsync":                        {"on", "TRUE", "f", "no", "of", "o", "1", "2", "yes ", "tru"},
		"wal_level":                    {"replica", "LOGICAL", "minimal", "all"},
		"synchronous_commit":           {"on", "off", "true", "false", "yes", "1", "local", "remote_apply", "maybe", "tru"},
		"max_connections":              {"100", "1", "0", "262144", "100.4", "100.5", "1e2", "010"},
		"bgwriter_delay":               {"200ms", "10", "9", "10s", "10001"},
		"log_rotation_size":            {"10MB", "0", "10240", "1GB"},
	} {
		row := s.Query(t, "SELECT coalesce(unit, ''), vartype, coalesce(min_val, ''), coalesce(max_val, ''), coalesce(array_to_string(enumvals, ','), '') FROM pg_settings WHERE name = "+pg.Literal(name))[0]
		setting := facts.Setting{Unit: row[0], VarType: row[1], Min: row[2], Max: row[3]}
		if row[4] != "" {
			setting.Enum = strings.Split(row[4], ",")
		}
		for _, v := range values {
			want, ok := serverSays(t, s, name, v)
			got, err := Normalise(setting, v)
			if ok != (err == nil) || ok && !sameNumber(got, want) {
				t.Errorf("%s = %q: %q, %v; the server says %q, accepted %v", name, v, got, err, want, ok)
			}
		}
	}
}

// serverSays asks the server's own parser, by its binary, which does not run as root.
func serverSays(t *testing.T, s *pgtest.Server, name, value string) (string, bool) {
	t.Helper()
	info, err := os.Stat(s.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(filepath.Join(s.Bin, "postgres"), "-C", name, "-D", s.DataDir, "-c", name+"="+value)
	c.Dir = "/"
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Getuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
	}
	out, err := c.Output()
	return strings.TrimSpace(string(out)), err == nil
}

// sameNumber compares numbers by value: pg_settings and postgres -C write a real
// as %g does.
func sameNumber(a, b string) bool {
	x, errA := pg.ParseNumber(a)
	y, errB := pg.ParseNumber(b)
	return a == b || errA == nil && errB == nil && fmt.Sprintf("%g", x) == fmt.Sprintf("%g", y)
}
