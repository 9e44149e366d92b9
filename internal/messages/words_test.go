package messages

import (
	"go/ast"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// stumbles are words, as regular expressions, that a native reader of PostgreSQL's manual
// stumbles over, each with what to write in its place.
func stumbles() map[string]string {
	return map[string]string{
		`mend(s|ed|ing)?`:                   "fix, resolve",
		`anew`:                              "again; recreate, re-clone",
		`mak(e|es|ing) it so`:               "apply the changes",
		`tak(e|es|en|ing) up`:               "manage, use, refresh",
		`let(s|ting)? go`:                   "release, stop managing, drop",
		`str(ike|ikes|uck) (it |them )?out`: "remove from the ledger; redact",
		`(go|goes|going|went) on`:           "continue, resume",
		`no way to it`:                      "not connected",
		`no need of`:                        "no … needed",
		`(take|takes|took|taken) (it |them )?out`:    "remove",
		`(tell|tells|telling|told)`:                  "report, show, print",
		`wants`:                                      "requires",
		`(has|have|had) to`:                          "must",
		`(timelines?|histories) (have |has )?parted`: "diverged",
		`at the user's wish`:                         "because of -replace",
		`somebody`:                                   "another user, someone; by hand",
		`stands? (in|on|above|below|beside|there|here|within)`:     "is in, is above",
		`(keep|keeps|kept|move|moves|moved|goes?|set) (it )?aside`: "keep as the old data directory; rename",
		`a word of`:                   "of, a keyword of",
		`for ever`:                    "forever",
		`in vain`:                     "without success",
		`half-made`:                   "incomplete",
		`made again`:                  "recreated",
		`nobody uses it`:              "it is inactive",
		`cannot come true`:            "can no longer be met",
		`strange`:                     "not defined in the topology",
		`(colour|behaviour|favour)s?`: "US English: color, behavior, favor",
		`(catalogue|centre|licence|grey|cancelled|cancelling)`: "US English: catalog, center, license, gray, canceled",
	}
}

// exceptions are texts in which a stumbling word is right.
func exceptions() []string {
	return []string{
		"going on in", "cancelled-", "-cancelled", // names of test cases
		"ALTER SYSTEM had", "had to",
	}
}

type stumble struct {
	pattern *regexp.Regexp
	better  string
}

func patterns() []stumble {
	var all []stumble
	for words, better := range stumbles() {
		all = append(all, stumble{regexp.MustCompile(`(?i)(^|[^\w-])(` + words + `)($|[^\w-])`), better})
	}
	return all
}

// TestMessages looks at the strings of the code that are sentences.
func TestMessages(t *testing.T) {
	all := patterns()
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			line, whole := text(e)
			if whole && strings.Contains(line, " ") {
				complain(t, all, s.at(e), line)
			}
			return !whole
		})
	}
}

// TestScripts looks at the scripts that run on hosts: what they print is shown.
func TestScripts(t *testing.T) {
	all := patterns()
	for _, name := range files(t, packages(), ".sh") {
		for i, line := range strings.Split(read(t, name), "\n") {
			if line, _, _ := strings.Cut(line, "# "); line != "" {
				complain(t, all, place(name, i), line)
			}
		}
	}
}

// TestDocuments looks at the documents, examples and templates.
func TestDocuments(t *testing.T) {
	all := patterns()
	names := append(files(t, []string{"docs", "examples", "templates"}, ".md", ".hcl", ".tmpl"), "README.md", "CONTRIBUTING.md")
	for _, name := range names {
		for i, line := range strings.Split(read(t, name), "\n") {
			complain(t, all, place(name, i), line)
		}
	}
}

func place(name string, i int) string { return name + ":" + strconv.Itoa(i+1) }

func complain(t *testing.T, all []stumble, at, line string) {
	t.Helper()
	for _, e := range exceptions() {
		line = strings.ReplaceAll(line, e, "")
	}
	for _, s := range all {
		if found := s.pattern.FindStringSubmatch(line); found != nil {
			t.Errorf("%s: %q: write %s\n\t%s", at, found[2], s.better, line)
		}
	}
}

// TestStumblesAreFound: a test that finds nothing shows nothing.
func TestStumblesAreFound(t *testing.T) {
	for _, line := range []string{"Mend it: repltool apply", "it is made anew", "a cluster of somebody else", "Timelines have parted"} {
		found := false
		for _, s := range patterns() {
			found = found || s.pattern.MatchString(line)
		}
		if !found {
			t.Errorf("%q passes", line)
		}
	}
}
