package bench

import (
	"bytes"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// benchBuild is build.Build for 1,000 nodes. Of 250 passwords each must be derived
// again to be compared with the server's verifier; the bare thing is that alone, on
// all cores.
func benchBuild(b *testing.B, t *table) {
	const aim = 60 * time.Millisecond
	out, err := exec.CommandContext(b.Context(), "go", "test", "-run", "^$", "-bench", "^Benchmark(Build|Derive)$", "-benchtime", "20x", "-count", "3", "../../plan/build").CombinedOutput()
	if err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	plain, bytes := figures(b, out, "Build/cheap")
	t.add("build.Build, 1,000 nodes; 60 ms", short(plain), short(aim), float64(plain)/float64(aim), 1)
	t.add("memory of it, all that it allocates; 40 MB", megabytes(bytes/1024), "40 MB", float64(bytes)/40e6, 1)
	whole, _ := figures(b, out, "Build/4096")
	alone, _ := figures(b, out, "Derive")
	t.add("build.Build, 1,000 nodes with 250 passwords; deriving those alone", short(whole), short(alone), float64(whole)/float64(alone), 0)
}

// figures returns the median time and the bytes of a benchmark's lines.
func figures(b *testing.B, out []byte, name string) (time.Duration, int) {
	b.Helper()
	line := regexp.MustCompile(`(?m)^Benchmark` + name + `-\d+\s+\d+\s+(\d+) ns/op\s+(\d+) B/op`)
	var times []time.Duration
	size := 0
	for _, m := range line.FindAllSubmatch(bytes.TrimSpace(out), -1) {
		ns, _ := strconv.ParseInt(string(m[1]), 10, 64)
		size, _ = strconv.Atoi(string(m[2]))
		times = append(times, time.Duration(ns))
	}
	if len(times) == 0 {
		b.Fatalf("no figures of %s in\n%s", name, out)
	}
	return median(times), size
}
