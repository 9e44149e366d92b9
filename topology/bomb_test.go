package topology

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Files that ask for more stack, memory or time than there is end with a diagnostic, within
// seconds: Go recovers neither from a stack overflow nor from a lack of memory.

// bombs are topologies by what they do; the diagnostic that each ends with.
func bombs() map[string]struct{ file, text, want string } {
	const many = 200_000
	repeat := strings.Repeat
	deep := "Expression too deeply nested"
	return map[string]struct{ file, text, want string }{
		"brackets":         {"main.hcl", "locals {\n a = " + repeat("[", many) + repeat("]", many) + "\n}\n", deep},
		"unclosed":         {"main.hcl", "locals {\n a = " + repeat("[", many), deep},
		"parentheses":      {"main.hcl", "locals {\n a = " + repeat("(", many) + "1" + repeat(")", many) + "\n}\n", deep},
		"blocks":           {"main.hcl", repeat("a {\n", many), deep},
		"not":              {"main.hcl", "locals {\n a = " + repeat("!", many) + "true\n}\n", deep},
		"not on lines":     {"main.hcl", "locals {\n a = (" + repeat("!\n", many) + "true)\n}\n", deep},
		"not in for":       {"main.hcl", "locals {\n a = {for k in [1] : k => " + repeat("!\n", many) + "true}\n}\n", deep},
		"minus":            {"main.hcl", "locals {\n a = " + repeat("-", many) + "1\n}\n", deep},
		"sum":              {"main.hcl", "locals {\n a = 1" + repeat("+1", many) + "\n}\n", deep},
		"conditions":       {"main.hcl", "locals {\n a = " + repeat("1?1:", many) + "1\n}\n", deep},
		"indexes":          {"main.hcl", "locals {\n b = 0\n a = local.b" + repeat("[local.b]", many) + "\n}\n", deep},
		"splats":           {"main.hcl", "locals {\n a = [1]" + repeat("[*]", many) + "\n}\n", deep},
		"templates":        {"main.hcl", "locals {\n a = " + repeat(`"${`, many) + "1" + repeat(`}"`, many) + "\n}\n", deep},
		"directives":       {"main.hcl", "locals {\n a = \"" + repeat("%{if true}", many/2) + "\"\n}\n", deep},
		"calls":            {"main.hcl", "locals {\n a = " + repeat("max(", many) + "1" + repeat(")", many) + "\n}\n", deep},
		"JSON brackets":    {"main.hcl.json", `{"locals":{"a":` + repeat("[", many) + repeat("]", many) + "}}", deep},
		"JSON objects":     {"main.hcl.json", repeat(`{"locals":`, many), deep},
		"JSON template":    {"main.hcl.json", `{"locals":{"a":"${` + repeat("!", many) + `true}"}}`, deep},
		"JSON type":        {"main.hcl.json", `{"variable":{"a":{"type":"` + repeat("list(", many) + "string" + repeat(")", many) + `","default":[]}}}`, "Type too long"},
		"JSON text":        {"main.hcl", "locals {\n a = jsondecode(join(\"\", [for i in range(1000) : \"" + repeat("[", 1000) + "\"]))\n}\n", "Error in function call"},
		"large file":       {"main.hcl", "# " + repeat("x", LargestSource), "Unreadable file"},
		"doubled text":     {"main.hcl", doubled(`"x"`, `"${local.a%d}${local.a%d}"`), "Value too large"},
		"doubled list":     {"main.hcl", doubled(`["x"]`, `[local.a%d, local.a%d]`), "Value too large"},
		"deep chain":       {"main.hcl", chained(), "Reference chain too long"},
		"growing depth":    {"main.hcl", growing(), "Value too large"},
		"doubled in one":   {"main.hcl", "locals {\n a = " + doubledInOne() + "\n}\n", "Topology too large to evaluate"},
		"product of lists": {"main.hcl", "locals {\n r = range(1000)\n a = setproduct(local.r, local.r, local.r, local.r)\n}\n", "Error in function call"},
		"indent":           {"main.hcl", "locals {\n a = indent(1000000000000, \"a\\nb\")\n}\n", "Invalid function argument"},
		"width":            {"main.hcl", "locals {\n a = format(\"%1000000000d\", 1)\n}\n", "Invalid function argument"},
		"precision":        {"main.hcl", "locals {\n a = formatlist(\"%.1000000000f\", [1])\n}\n", "Invalid function argument"},
		"replaced": {"main.hcl", "locals {\n a = join(\"\", [for i in range(1000) : \"" + repeat("x", 10000) + "\"])\n" +
			" b = replace(local.a, \"x\", local.a)\n c = join(local.a, range(1000))\n}\n", "Error in function call"},
	}
}

func doubled(first, next string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "locals {\n a0 = %s\n", first)
	for i := range 40 {
		fmt.Fprintf(&b, " a%d = "+next+"\n", i+1, i, i)
	}
	return b.String() + "}\n"
}

func doubledInOne() string {
	text, end := "", ""
	last := "v0"
	for i := range 40 {
		text += fmt.Sprintf("[for v%d in [%s] : ", i+1, map[bool]string{true: `"xxxxxxxx"`, false: "\"${" + last + "}${" + last + "}\""}[i == 0])
		last, end = fmt.Sprintf("v%d", i+1), end+"]"
	}
	return text + last + end
}

// chained is a chain of references that is asked for at its end.
func chained() string {
	var b strings.Builder
	b.WriteString("locals {\n")
	for i := range 2_000 {
		fmt.Fprintf(&b, " a%d = [local.a%d]\n", i, i+1)
	}
	return b.String() + " a2000 = 1\n}\n"
}

func growing() string {
	var b strings.Builder
	b.WriteString("locals {\n a0 = 1\n")
	for i := range 4 {
		fmt.Fprintf(&b, " a%d = %slocal.a%d%s\n", i+1, strings.Repeat("[", 400), i, strings.Repeat("]", 400))
	}
	return b.String() + "}\n"
}

// TestBombs loads each in a process of its own: what is too large is left running.
func TestBombs(t *testing.T) {
	if name := os.Getenv("TOPOLOGY_BOMB"); name != "" {
		bomb := bombs()[name]
		dir := writeFiles(t, map[string][]byte{bomb.file: []byte(bomb.text)})
		_, diags := Load(dir, Inputs{})
		fmt.Printf("%.4000v\n", diags)
		if !slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool { return d.Severity == hcl.DiagError && d.Summary == bomb.want }) {
			os.Exit(1)
		}
		os.Exit(0)
	}
	for name, bomb := range bombs() {
		t.Run(name, func(t *testing.T) {
			test := exec.Command(os.Args[0], "-test.run=^TestBombs$")
			test.Env = append(os.Environ(), "TOPOLOGY_BOMB="+name)
			began := time.Now()
			out, err := test.CombinedOutput()
			if err != nil {
				t.Errorf("does not end with %q: %v\n%.2000s", bomb.want, err, out)
			}
			if took := time.Since(began); took > mostTime+time.Minute { // one that is not left takes hours
				t.Errorf("took %s", took)
			}
			if usage, ok := test.ProcessState.SysUsage().(*syscall.Rusage); ok && usage.Maxrss > 2<<20 { // a loaded machine looks late
				t.Errorf("used %d MB of memory", usage.Maxrss>>10)
			}
		})
	}
}

// TestTimeLimit: what does not end is left.
func TestTimeLimit(t *testing.T) {
	_, diags := bounded("dir", time.Millisecond, func(at *place) (*Topology, hcl.Diagnostics) {
		at.set("local.a")
		<-t.Context().Done()
		return nil, nil
	})
	if len(diags) != 1 || !strings.Contains(diags[0].Detail, "Evaluating local.a takes longer than") {
		t.Error(diags)
	}
}

// TestLongButFlat are files that are long and do not nest.
func TestLongButFlat(t *testing.T) {
	text := "locals {\n list = [\n" + strings.Repeat("  -1, !true, [1, 2][0], \"${1 + 1}\",\n", 5000) + " ]\n" +
		" text = <<-EOT\n" + strings.Repeat("   %{ if true }a%{ else }b%{ endif } ${-1}\n", 3000) + " EOT\n}\n"
	for name, text := range map[string]string{
		"main.hcl":      text,
		"main.hcl.json": `{"locals":{"ca":"` + strings.Repeat("MIIB+/+/==", 5000) + `","list":[` + strings.Repeat(`["${1 + 1}"],`, 5000) + `[]]}}`,
	} {
		_, diags := Load(writeFiles(t, map[string][]byte{name: []byte(text), "node.hcl": []byte("node \"a\" { host = \"h\" }\ncluster \"c\" { primary = node.a }\n")}), Inputs{})
		if diags.HasErrors() {
			t.Errorf("%s: %v", name, diags)
		}
	}
}

// TestOddFiles are entries of the directory that are no files.
func TestOddFiles(t *testing.T) {
	fifo := func(path string) error { return syscall.Mkfifo(path, 0o600) }
	device := func(path string) error { return os.Symlink("/dev/zero", path) }
	for name, make := range map[string]func(string) error{"a FIFO": fifo, "a device": device} {
		dir := writeFiles(t, map[string][]byte{"b.hcl": []byte("locals {\n a = file(\"odd\")\n b = templatefile(\"odd\", {})\n}\n")})
		for _, file := range []string{"main.hcl", "odd"} {
			if err := make(filepath.Join(dir, file)); err != nil {
				t.Fatal(err)
			}
		}
		_, diags := Load(dir, Inputs{})
		if len(diags) != 1 || !strings.Contains(diags[0].Detail, "it is "+name) {
			t.Errorf("%s: %v", name, diags)
		}
		if err := os.Remove(filepath.Join(dir, "main.hcl")); err != nil {
			t.Fatal(err)
		}
		if _, diags = Load(dir, Inputs{}); !strings.Contains(diags.Error(), "it is "+name) {
			t.Errorf("file of %s: %v", name, diags)
		}
	}
}
