package bench

import (
	"testing"
	"time"

	"github.com/repltool/repltool/internal/lab"
)

// benchSwitchover is how long nobody takes writes while the primary of a pair moves: by a
// switchover there, and by a shell script back.
func benchSwitchover(b *testing.B, w *world, t *table) {
	first, second := w.Hosts[pair()[0]-1], w.Hosts[pair()[1]-1]
	w.writable(b)
	either := first.Addr + "," + second.Addr
	ours, bare := alternate(3,
		func() time.Duration {
			dir := w.topology(b, "16MB", pair())
			return w.gap(b, either, func() { w.run(b, dir, w.binary, "switchover", "c28", "-to=pg29", "-auto-approve") })
		},
		func() time.Duration {
			defer w.follows(b, second)
			return w.gap(b, either, func() { w.run(b, ".", "bash", w.move, "15", second.Name, first.Name) })
		})
	t.compare("nobody takes writes, switchover; a shell script that stops, waits and promotes", ours, bare, 1.2)
}

// follows brings a primary back, which the script has stopped, as the standby of the pair.
func (w *world) follows(b *testing.B, h *lab.Host) {
	b.Helper()
	if _, err := h.Exec(b.Context(), "sudo", "-u", "postgres", "touch", "/var/lib/postgresql/15/main/standby.signal"); err != nil {
		b.Fatalf("%s: %v", h.Name, err)
	}
	dir := w.topology(b, "16MB", pair())
	for range 2 { // what a server that was down needs is planned once it is up
		w.run(b, dir, w.binary, "apply", "-auto-approve", "-allow=restart,drop,switchover")
	}
}
