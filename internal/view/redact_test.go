package view

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/repltool/repltool/topology"
)

// TestCanaryInEveryForm writes a nasty secret in each way that it may be written,
// in pieces of each size: nothing of it is left.
func TestCanaryInEveryForm(t *testing.T) {
	const canary = "canary-\\e'\"&<7f3a>:1 $x`y`%é\n${z}"
	asJSON, _ := json.Marshal(canary)
	twice, _ := json.Marshal(string(asJSON))
	ways := map[string]string{
		"raw":           canary,
		"SQL":           "PASSWORD '" + strings.ReplaceAll(canary, "'", "''") + "'",
		"configuration": "'" + strings.NewReplacer(`\`, `\\`, "'", "''", "\n", `\n`).Replace(canary) + "'",
		"password file": strings.NewReplacer(`\`, `\\`, ":", `\:`).Replace(canary),
		"shell":         Shell(canary),
		"URL query":     "?p=" + url.QueryEscape(canary),
		"URL path":      "/" + url.PathEscape(canary),
		"JSON":          string(asJSON),
		"JSON twice":    string(twice),
		"Go":            strconv.Quote(canary),
		"Go, ASCII":     strconv.QuoteToASCII(canary),
		"cleaned":       Clean(canary),
		"indented":      "    " + strings.ReplaceAll(canary, "\n", "\n    "),
		"JSON of SQL":   fmt.Sprintf("%q", "PASSWORD '"+strings.ReplaceAll(canary, "'", "''")+"'"),
	}
	for name, text := range ways {
		for _, size := range []int{1, 2, 3, 7, 1000} {
			r := NewRedactor()
			r.Add(canary, "other-secret")
			got := inPieces(t, r, "before "+text+" after", size)
			if strings.Contains(got, "canary") || strings.Contains(got, "7f3a") {
				t.Errorf("%s in pieces of %d: %q", name, size, got)
			}
			if !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") || !strings.Contains(got, topology.Redacted) {
				t.Errorf("%s in pieces of %d: text around it is gone: %q", name, size, got)
			}
		}
	}
}

// inPieces writes text through the redactor in pieces of a size.
func inPieces(t *testing.T, r *Redactor, text string, size int) string {
	t.Helper()
	var b strings.Builder
	w := r.Writer(&b)
	for piece := range slices.Chunk([]byte(text), size) {
		if n, err := w.Write(piece); err != nil || n != len(piece) {
			t.Fatalf("wrote %d of %d: %v", n, len(piece), err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestRedactorProperty: whatever the secrets and the text are, no byte of an
// occurrence is left, all else is, and pieces make no difference.
func TestRedactorProperty(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	letters := "ab'" // few, so that secrets overlap
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = letters[random.IntN(len(letters))]
		}
		return string(b)
	}
	for range 3000 {
		r := NewRedactor()
		var secrets []string
		for range 1 + random.IntN(3) {
			secrets = append(secrets, word(4+random.IntN(4)))
		}
		r.Add(secrets...)
		text := word(random.IntN(60))
		whole := r.String(text)
		if got := inPieces(t, r, text, 1+random.IntN(5)); got != whole {
			t.Fatalf("secrets %q, text %q: %q in pieces, %q in one", secrets, text, got, whole)
		}
		if want := struck(r, text); whole != want {
			t.Fatalf("secrets %q, text %q:\n got %q\nwant %q", secrets, text, whole, want)
		}
	}
}

// struck strikes out the slow and plain way: mark every byte of every occurrence.
func struck(r *Redactor, text string) string {
	type span struct{ from, to int }
	var spans []span
	for i := range text {
		longest := 0
		for _, p := range r.patterns[text[i]] {
			if strings.HasPrefix(text[i:], p) {
				longest = max(longest, len(p))
			}
		}
		switch last := len(spans) - 1; {
		case longest == 0:
		case last >= 0 && i < spans[last].to:
			spans[last].to = max(spans[last].to, i+longest)
		default:
			spans = append(spans, span{i, i + longest})
		}
	}
	var b strings.Builder
	at := 0
	for _, s := range spans {
		b.WriteString(text[at:s.from] + topology.Redacted)
		at = s.to
	}
	return b.String() + text[at:]
}

func TestRedactedStaysWhole(t *testing.T) {
	r := NewRedactor()
	r.Add("value", "sensitive", "abc")
	const text = "PASSWORD (sensitive value); a value, abc"
	if got, want := r.String(text), "PASSWORD (sensitive value); a (sensitive value), abc"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A writer that holds back what is no secret would hide a prompt.
func TestRedactorHoldsBackLittle(t *testing.T) {
	r := NewRedactor()
	r.Add("secret-word")
	var b strings.Builder
	w := r.Writer(&b)
	fmt.Fprint(w, "go on? sec")
	if b.String() != "go on? " {
		t.Errorf("got %q", b.String())
	}
	r.Add("another")
	fmt.Fprint(w, "ond another")
	if want := "go on? second " + topology.Redacted; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}
