package conftext

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func confSeeds() []string {
	return []string{
		"", "\n", "# only a comment", "port = 5433\n", "port 5433", "port=5433 # why\n", "PORT = 5433\r\n",
		"work_mem = '64MB'\n", "work_mem = 64MB", "a.b = 'it''s'\n", `search_path = 'a\'b'`, `search_path = 'tab\there\n\\'`,
		`search_path = '\101\0612\7'`, "search_path = '\\z'", "search_path = 'open\n", "search_path = 'a' 'b'\n", "x\n", "= 1\n", "port =\nwork_mem = 1MB",
		"port = 1 2\n", "port == 1\n", "port = a.b\n", "port = a.b.c\n", "a.b.c = 1\n", "port = -1\n", "port = +0x1Fg\n", "x = 1.5e-3\n", "x = .\n", "x = 1.e5x\n",
		"x = 'a''\n", "x = ''''\n", "x = ''\n", "x = 'a#b' # c\n", "x = a#b\n", "x = a-b:c/d_e\n", "ü = 'ü'\n", "x = ü\n", "\tx\t=\t1\t\n", "x = '\\\n'\n", "x = 1;\n",
		"x='1'y\n", "x = 0x\n", "x = 0xZZ\n", "x = 5 MB\n", "1x = 1\n", "x.1 = 2\n", "x. = 2\n", "x = on\n\n\ny = off", "x = 'a''''b'\n", "x = 1\vy\n",
	}
}

// readConf returns ParseConf's reading in the form of server.settings.
func readConf(text string) []string {
	var all []string
	for _, s := range ParseConf(text) {
		words := []string{strconv.Itoa(s.Line), s.Name, s.Value, ""}
		if s.Directive == Invalid {
			return append(all, fmt.Sprintf("%q", []string{words[0], "", "", "invalid"}))
		}
		all = append(all, fmt.Sprintf("%q", words))
	}
	return all
}

// comparable reports texts that can be put to the server: without other files,
// which are not read here, and without what SQL text cannot hold.
func comparableConf(text string) bool {
	if strings.Contains(foldASCII(text), "include") || strings.Contains(text, "\x00") || len(text) > 4000 {
		return false
	}
	for _, s := range ParseConf(text) {
		if s.Directive == Invalid && !strings.HasSuffix(text, "\n") {
			return false // at the file's end, the server tells the line before
		}
		if !utf8.ValidString(s.Name) || !utf8.ValidString(s.Value) {
			return false
		}
	}
	return true
}

func FuzzPostgresqlConf(f *testing.F) {
	for _, text := range confSeeds() {
		f.Add(text)
	}
	s := startServer(f)
	f.Fuzz(func(t *testing.T, text string) {
		if !comparableConf(text) {
			return
		}
		if diff := cmp.Diff(s.settings(t, text), readConf(text)); diff != "" {
			t.Errorf("%q (-server +ours):\n%s", text, diff)
		}
	})
}

// Whatever value is written, the server reads it back.
func FuzzFormatSetting(f *testing.F) {
	for _, v := range []string{"", "a", "it's", `back\slash`, "tab\t", "new\nline", "ü", "'", `\`, "''", `\'`, "a # b", "\b\f\r\x01"} {
		f.Add(v)
	}
	s := startServer(f)
	f.Fuzz(func(t *testing.T, value string) {
		if strings.Contains(value, "\x00") || !utf8.ValidString(value) {
			return
		}
		line := FormatSetting("repltool.x", value)
		want := []string{fmt.Sprintf("%q", []string{"1", "repltool.x", value, ""})}
		if diff := cmp.Diff(want, readConf(line)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(want, s.settings(t, line)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestParseConfIncludes(t *testing.T) {
	got := ParseConf("INCLUDE_DIR 'conf.d'\ninclude = 'a'\nInclude_If_Exists b\nport=1")
	want := []Setting{
		{1, IncludeDir, "INCLUDE_DIR", "conf.d"},
		{2, Include, "include", "a"},
		{3, IncludeIfExists, "Include_If_Exists", "b"},
		{4, Set, "port", "1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
