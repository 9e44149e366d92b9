// Package bench measures repltool against the bare commands, on the same hosts and
// in alternation, so that a figure is a ratio and says something on any machine.
//
// Rules: one lab serves all, and every figure is a median. Nothing fails for being
// slow; a plan that is not empty, or a command that fails, does.
package bench

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

var (
	// applyScript does from nothing what an apply does, by ssh and in the same order
	// and parallelism.
	//go:embed bare_apply.sh
	applyScript string
	// planScript logs in to every host and asks two queries, side by side.
	//go:embed bare_plan.sh
	planScript string
	// moveScript moves a primary by hand: it stops one, waits and promotes the other.
	//go:embed bare_switchover.sh
	moveScript string
)

// Benchmark measures everything and prints one table.
func Benchmark(b *testing.B) {
	t := &table{}
	defer t.print()
	b.Run("build", func(b *testing.B) { benchBuild(b, t) })
	w := boot(b)
	b.Run("apply", func(b *testing.B) { benchApply(b, w, t) })
	w.converge(b)
	b.Run("restart", func(b *testing.B) { benchRestart(b, w, t) })
	b.Run("switchover", func(b *testing.B) { benchSwitchover(b, w, t) })
	for _, n := range []int{1, 3, 10, 30} {
		b.Run(fmt.Sprintf("plan-%d", n), func(b *testing.B) { benchPlan(b, w, t, n, "") })
	}
	b.Run("memory", func(b *testing.B) { benchMemory(b, w, t) })
	b.Run("far", func(b *testing.B) {
		w.delay(b, 10, 20*time.Millisecond)
		for _, n := range []int{3, 10} {
			benchPlan(b, w, t, n, " 20 ms away")
		}
	})
}

// table is what was measured.
type table struct {
	rows  [][]string
	loads []string
}

// add adds a row. An aim of 0 is none.
func (t *table) add(what, ours, bare string, ratio, aim float64) {
	row := []string{what, ours, bare, fmt.Sprintf("%.2f", ratio), ""}
	if aim > 0 {
		row[4] = fmt.Sprintf("%.2f", aim)
	}
	t.rows = append(t.rows, row)
	t.loads = append(t.loads, load())
	fmt.Println(strings.Join(row, "  "))
}

// compare adds the medians of two rows of durations.
func (t *table) compare(what string, ours, bare []time.Duration, aim float64) {
	x, y := median(ours), median(bare)
	t.add(what, short(x), short(y), float64(x)/float64(y), aim)
}

func (t *table) print() {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(out, "\nwhat\tours\tbare\tratio\taim, at most\tload")
	for i, row := range t.rows {
		fmt.Fprintln(out, strings.Join(row, "\t")+"\t"+t.loads[i])
	}
	_ = out.Flush() // it is the terminal
}

// load is the machine's load over the last minute: ours is in it.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

func short(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// alternate runs the two in turn, after one of each that does not count.
func alternate(rounds int, ours, bare func() time.Duration) (o, b []time.Duration) {
	bare()
	ours()
	for range rounds {
		b = append(b, bare())
		o = append(o, ours())
	}
	return o, b
}

// program builds the program.
func program(b *testing.B) string {
	b.Helper()
	binary := filepath.Join(b.TempDir(), "repltool")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/repltool").CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}
