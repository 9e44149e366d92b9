package view

import (
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/repltool/repltool/topology"
)

// Redactor strikes secrets out of what is written, whatever form they have there.
// It is the last of the defences: no view is given a secret in the first place.
// A saved plan is not written through it, since references to secrets are all
// that a plan has, and apply needs it byte for byte.
type Redactor struct {
	mu       sync.Mutex
	patterns [256][]string // by first byte, longest first
	seen     map[string]bool
}

// shortest is the length from which on a text is struck out. Striking out every
// "a" would leave nothing to read.
const shortest = 4

// shortestLine is that for one line of a secret of several lines.
const shortestLine = 8

// NewRedactor makes one that knows no secret yet.
func NewRedactor() *Redactor {
	r := &Redactor{seen: map[string]bool{}}
	r.put(topology.Redacted) // copied whole: a secret "value" must not spoil it
	return r
}

// Add makes it know secrets. Writers that exist already know them too.
func (r *Redactor) Add(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, secret := range secrets {
		for _, text := range withLines(secret) {
			for _, form := range forms(text) {
				r.put(form)
			}
		}
	}
}

func (r *Redactor) put(pattern string) {
	if len(strings.TrimSpace(pattern)) < shortest || r.seen[pattern] {
		return
	}
	r.seen[pattern] = true
	list := append(r.patterns[pattern[0]], pattern)
	slices.SortStableFunc(list, func(a, b string) int { return len(b) - len(a) })
	r.patterns[pattern[0]] = list
}

// withLines returns the secret and, when it has several lines, each of them: a
// view indents lines.
func withLines(secret string) []string {
	all := []string{secret}
	if !strings.ContainsAny(secret, "\r\n") {
		return all
	}
	for _, line := range strings.FieldsFunc(secret, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.TrimSpace(line); len(line) >= shortestLine {
			all = append(all, line)
		}
	}
	return all
}

// forms returns the ways in which a text is written into SQL, configuration,
// password files, shells, URLs and JSON; and the JSON of each.
func forms(text string) []string {
	written := []string{
		text,
		strings.ReplaceAll(text, "'", "''"), // SQL literal
		strings.ReplaceAll(text, `"`, `""`), // SQL identifier, CSV
		strings.NewReplacer(`\`, `\\`, "'", "''", "\n", `\n`, "\r", `\r`).Replace(text), // postgresql.conf, E''
		strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text),                         // conninfo
		strings.NewReplacer(`\`, `\\`, "'", `\''`).Replace(text),                        // conninfo within an SQL literal
		strings.NewReplacer(`\`, `\\`, ":", `\:`).Replace(text),                         // password file
		strings.ReplaceAll(text, "'", `'\''`),                                           // shell, single quotes
		strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(text),  // shell, double quotes
		strings.NewReplacer("${", "$${", "%{", "%%{").Replace(text),                     // HCL
		url.QueryEscape(text), url.PathEscape(text),
		Clean(text),
	}
	for _, w := range slices.Clone(written) {
		written = append(written, jsonForms(w)...)
	}
	lower := strings.NewReplacer("%2F", "%2f", "%3A", "%3a", "%3D", "%3d", "%2B", "%2b", "%3F", "%3f")
	return append(written, lower.Replace(url.QueryEscape(text)))
}

// jsonForms returns a text as JSON and Go write it between double quotes, and as
// JSON within JSON.
func jsonForms(text string) []string {
	escaped, _ := json.Marshal(text) // a string always encodes
	var plain strings.Builder
	enc := json.NewEncoder(&plain)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text)
	twice, _ := json.Marshal(string(inner(string(escaped))))
	return []string{inner(string(escaped)), inner(strings.TrimSuffix(plain.String(), "\n")), inner(strconv.Quote(text)), inner(strconv.QuoteToASCII(text)), inner(string(twice))}
}

func inner(quoted string) string { return quoted[1 : len(quoted)-1] }

// String returns a text without secrets.
func (r *Redactor) String(text string) string {
	var b strings.Builder
	w := r.Writer(&b)
	_, _ = io.WriteString(w, text) // a Builder takes everything
	_ = w.Flush()
	return b.String()
}

// Writer returns a writer that strikes secrets out of what goes to w, also where
// they come in pieces. It holds back only what may be the beginning of one;
// Flush writes that.
func (r *Redactor) Writer(w io.Writer) *RedactingWriter { return &RedactingWriter{redactor: r, w: w} }

// RedactingWriter is what Redactor.Writer returns. It may be used side by side.
type RedactingWriter struct {
	redactor *Redactor
	w        io.Writer
	mu       sync.Mutex
	held     []byte
}

// Write takes all of p, or returns the error of what is under it.
func (w *RedactingWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.pass(append(w.held, p...), false); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes what is held back: the program ends, or the line is to be seen.
func (w *RedactingWriter) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pass(w.held, true)
}

func (w *RedactingWriter) pass(data []byte, last bool) error {
	out, rest := w.redactor.strike(data, last)
	w.held = slices.Clone(rest)
	if len(out) == 0 {
		return nil
	}
	_, err := w.w.Write(out)
	return err
}

// strike returns data without secrets, and the end of it that must wait for more.
// Matches that overlap become one: no byte of either is left.
func (r *Redactor) strike(data []byte, last bool) (out, rest []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	start, until := 0, 0 // of the stretch that is being struck out
	for i := 0; i < len(data); i++ {
		longest, more := r.match(data[i:])
		if more && !last {
			if i < until {
				return out, data[start:]
			}
			return append(out, closed(start, until)...), data[i:]
		}
		if i >= until {
			out = append(out, closed(start, until)...)
			start, until = 0, 0
			if longest == 0 {
				out = append(out, data[i])
				continue
			}
			if longest == len(topology.Redacted) && string(data[i:i+longest]) == topology.Redacted {
				out = append(out, topology.Redacted...)
				i += longest - 1
				continue
			}
			start = i
		}
		until = max(until, i+longest)
	}
	return append(out, closed(start, until)...), nil
}

func closed(start, until int) string {
	if until > start {
		return topology.Redacted
	}
	return ""
}

// match returns the length of the longest pattern that data begins with, and
// whether data is the beginning of a longer one.
func (r *Redactor) match(data []byte) (longest int, more bool) {
	for _, pattern := range r.patterns[data[0]] {
		switch {
		case len(pattern) > len(data):
			more = more || pattern[:len(data)] == string(data)
		case longest == 0 && string(data[:len(pattern)]) == pattern:
			longest = len(pattern)
		}
	}
	return longest, more
}
