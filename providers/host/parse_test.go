package host

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/repltool/repltool/facts"
)

// answer makes the script's answer of pairs of names and texts.
func answer(pairs ...string) []byte {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString("\nB " + pairs[i] + "\n" + pairs[i+1])
	}
	return []byte(b.String() + "\nB end\n")
}

func TestParseHost(t *testing.T) {
	h, err := parseHost(answer("version", "15", "data", "/d", "layout", "bare",
		"dir", "/a b\nempty 1 0 pg_tblspc/16384\nit is a symbolic link\nFilesystem 1024-blocks Used Available Capacity Mounted on\n/dev/x y 100 40 -5 40% /a b",
		"stats", "64:2 700 1.5 dba /d\n64:3 640 12.5 postgres /c\n", "conf.path", "/c", "conf.text", "a\n\nB conf.text",
		"job.1.running", "0", "job.1.argv", "pg_basebackup\x00-D\x00/d\x00", "job.1.status", "3\n",
		"job.2.running", "1", "job.2.argv", "sleep\x00/other\x00",
		"resolved", "h 10.0.0.2 10.0.0.1 10.0.0.2\ngone\n",
		"parameters", "2026 LOG:  x\n2026 FATAL:  invalid value\nHINT:  try on\nHINT:  no\n",
		"locales", "C\nen_US.utf8\n", "control", "Database system identifier:  77\nLatest checkpoint's TimeLineID: 3\nDatabase cluster state: in production\nBytes per WAL segment:                16777216\nmax_connections setting:              90\nmax_prepared_xacts setting:           0\n",
		"auto", "work_mem = '1MB'\n", "wal.timeline", "0000000A", "wal.oldest", "0000000100000003",
		"wal.history", "0000000A.history\n# why\n1\t0/3000148\tno recovery target specified\n\n9\t1/AB\tbefore 2000-01-01\n9\tx\n",
	), "B", Want{Locale: "en_US.UTF-8", Resolve: []string{"h", "10.0.0.9", "gone"}}, "postgres")
	if err != nil {
		t.Fatal(err)
	}
	code := 3
	want := &facts.Host{
		OSUser: "postgres", Version: 15, DataDir: "/d", Layout: "bare", Data: facts.DataDir{Owner: "dba"},
		Dirs: []facts.Dir{{
			Path: "/a b", State: facts.DataEmpty, Link: "pg_tblspc/16384", Locked: true, Pinned: "it is a symbolic link",
			Disk: facts.Disk{Mount: "/a b", Total: 100 * 1024},
		}},
		Conf:     facts.File{Path: "/c", Exists: true, Mode: 0o640, Owner: "postgres", Modified: 12.5},
		Jobs:     []facts.Job{{ID: "1", Argv: []string{"pg_basebackup", "-D", "/d"}, ExitCode: &code}},
		Resolved: map[string][]string{"h": {"10.0.0.1", "10.0.0.2"}, "10.0.0.9": {"10.0.0.9"}}, ParameterError: "invalid value\nHINT: try on",
		Locales:  []string{"C", "en_US.utf8"},
		Control:  &facts.Control{SystemIdentifier: "77", Timeline: 3, State: "in production", Limits: map[string]int{"max_connections": 90, "max_prepared_transactions": 0}},
		AutoConf: facts.SecretFile{Path: "/d/postgresql.auto.conf", Exists: true}, WALTimeline: 10, OldestWAL: "1/3000000",
		History: facts.History{Timeline: 10, Left: []facts.Branch{{Timeline: 1, LSN: "0/3000148"}, {Timeline: 9, LSN: "1/AB"}}},
	}
	h.Conf.Text = ""
	if diff := cmp.Diff(want, h, cmp.Comparer(func(a, b facts.SecretFile) bool { return a.Path == b.Path && a.Exists == b.Exists })); diff != "" {
		t.Error(diff)
	}
	if got := h.AutoConf.Text.Reveal(); got != "work_mem = '1MB'\n" {
		t.Errorf("postgresql.auto.conf: %q", got)
	}
}

func TestParseHostErrors(t *testing.T) {
	_, err := parseHost([]byte("\nB version\n15"), "B", Want{}, "u")
	if e := ReadError(err); e == nil || e.Kind != facts.BadData {
		t.Errorf("half an answer: %v", err)
	}
	_, err = parseHost(answer("error.kind", "binaries", "error.text", "none", "error.hint", "install"), "B", Want{}, "u")
	if diff := cmp.Diff(&facts.ReadError{Kind: facts.NoBinaries, Text: "discover: none", Hint: "install"}, ReadError(err)); diff != "" {
		t.Error(diff)
	}
	_, err = parseHost(answer("version", "15", "control", "pg_controldata: error: CRC\n"), "B", Want{}, "u")
	if e := ReadError(err); e == nil || e.Kind != facts.BadData || !strings.Contains(e.Text, "CRC") {
		t.Errorf("got %v", err)
	}
}

// Any bytes of a file come through, and nothing makes the reader fall over.
func FuzzParseHost(f *testing.F) {
	f.Add("x", []byte("\nB end\n"))
	f.Add("a\n\nb\x00\xff\n", []byte("noise\nB version\n15\nB stats\n64:1 -1 x\nB job.a.argv\n\nB dir\n"))
	f.Add("\nB", answer("version", "15", "running", "1"))
	f.Add("", []byte("\nB version\n15\nB data\n/d\nB job.argv\nx\nB job..argv\n/d\x00\nB job.../../x.argv\n/d\x00\nB end\n"))
	f.Fuzz(func(t *testing.T, text string, raw []byte) {
		if h, err := parseHost(raw, "B", Want{Resolve: []string{"h"}, Locale: "x"}, "u"); err == nil {
			for _, job := range h.Jobs {
				if job.ID != path.Base(path.Clean("/"+job.ID)) {
					t.Errorf("job %q is no name of a directory", job.ID)
				}
			}
		}
		boundary := newBoundary()
		out := "\n" + boundary + " version\n15\n" + boundary + " conf.path\n/c\n" + boundary + " stats\n64:1 600 1 u /c\n" + boundary + " conf.text\n" + text + "\n" + boundary + " end\n"
		h, err := parseHost([]byte(out), boundary, Want{}, "u")
		if err != nil || h.Conf.Text != text {
			t.Errorf("%q came through as %+v, %v", text, h, err)
		}
	})
}

// Every line of a job's log is reported once, whatever part of its end the follower had no
// time to show, and wherever the end that is read afterwards begins.
func FuzzProgress(f *testing.F) {
	f.Add("1/2 kB (50%), 0/1 tablespace\r", "\n2/2 kB (100%)", " and more\nlast", uint(3))
	f.Add("", "", "all of it\n", uint(0))
	f.Fuzz(func(t *testing.T, a, b, unshown string, from uint) {
		log := a + b + unshown
		if strings.Contains(log, "\nBOUND ") {
			return
		}
		var lines int
		w := &jobWriter{boundary: []byte("\nBOUND "), progress: func(Progress) { lines++ }}
		begin := int(from % uint(len(a+b)+1))
		w.Write([]byte("0\n" + a))
		w.Write([]byte(b))
		w.Write([]byte(fmt.Sprintf("\nBOUND 0\n%d\n%s", begin, log[begin:])))
		if err := w.result("j"); err != nil {
			t.Errorf("%q %q %q: %v", a, b, unshown, err)
		}
		if want := len(nonEmpty(log)); lines != want {
			t.Errorf("%q %q %q: %d lines, want %d", a, b, unshown, lines, want)
		}
	})
}

func nonEmpty(s string) []string {
	var kept []string
	for _, l := range strings.FieldsFunc(s, func(r rune) bool { return r == '\r' || r == '\n' }) {
		if strings.TrimSpace(strings.ToValidUTF8(l, "\uFFFD")) != "" {
			kept = append(kept, l)
		}
	}
	return kept
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{"": "''", "a": "a", "a b": "'a b'", "it's": `'it'\''s'`, "/a-b.c:1": "/a-b.c:1", "$x": "'$x'", "~": "'~'", "a=b": "'a=b'"} {
		if got := Quote(in); got != want {
			t.Errorf("%q: %s", in, got)
		}
	}
}

func TestFileName(t *testing.T) {
	for node, want := range map[string]string{"pg1": "pg1", "a/b": "x612f62", "..": "x2e2e"} {
		if got := fileName(node); got != want {
			t.Errorf("%s: %s", node, got)
		}
	}
}

func TestSources(t *testing.T) {
	got := parseSources("10.77.2.11 0C024D0A:8A3F\nfd00::11 000000FD000000000000000012000000:0009\n10.0.0.9 nonsense\nx 0C024D0A:1\n")
	want := map[string]string{"10.77.2.11": "10.77.2.12", "fd00::11": "fd00::12"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
