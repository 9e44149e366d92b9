package local

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/topology"
)

// This machine's programs and files are input as another machine's are: neither the
// memory nor the time that they take is without bounds.
func TestBounds(t *testing.T) {
	c := mustOpen(t, &topology.Node{})
	dir := t.TempDir()
	_, err := c.Run(t.Context(), host.Command{Argv: []string{"sh", "-c", "trap '' PIPE; while :; do cat /dev/zero; done"}})
	if !errors.Is(err, host.ErrTooMuch) {
		t.Errorf("output without end: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = c.Run(ctx, host.Command{Argv: []string{"sleep", "60"}})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.HasSuffix(err.Error(), "sleep: no answer in 0s") {
		t.Errorf("a program that does not end: %v", err)
	}
	_, err = c.Run(t.Context(), host.Command{Argv: []string{"sh", "-c", "head -c 100000000 /dev/zero >&2; echo at the end >&2; exit 3"}})
	var exit *host.ExitError
	if !errors.As(err, &exit) || !strings.HasSuffix(exit.Stderr, "at the end") || len(exit.Stderr) > 3000 {
		t.Errorf("errors without end: %.200v", err)
	}
	fifo, large := filepath.Join(dir, "fifo"), filepath.Join(dir, "large")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(large, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, host.MostOutput+1); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ReadFile(t.Context(), fifo); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a FIFO: %v", err)
	}
	if _, err := c.ReadFile(t.Context(), large); !errors.Is(err, host.ErrTooMuch) {
		t.Errorf("a large file: %v", err)
	}
}
