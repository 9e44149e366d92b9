package apply

import (
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// errAltered is a plan that repltool did not make so.
var errAltered = errors.New("the plan file was modified; create a new plan")

// filler puts secrets into texts, and strikes them out of what comes back.
type filler struct {
	secrets topology.Secrets
	scram   func(string) (string, error)

	mu    sync.Mutex
	forms map[string]bool // every form that was ever put in
}

// fill returns the text with its secrets in it.
func (f *filler) fill(t plan.Text) (string, error) {
	return t.Fill(func(use plan.SecretUse) (string, error) {
		text, err := form(use.Form, f.secrets[use.Ref], f.scram)
		f.remember(text)
		return text, err
	})
}

// remember keeps a form, with and without its quotes: a server's message may
// quote either.
func (f *filler) remember(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.forms == nil {
		f.forms = map[string]bool{}
	}
	f.forms[text] = true
	f.forms[unquoted(text)] = true
}

func unquoted(text string) string {
	if n := len(text); n >= 2 && text[0] == '\'' && text[n-1] == '\'' {
		return text[1 : n-1]
	}
	return text
}

// strike puts Redacted in place of every secret and every form of one.
func (f *filler) strike(text string) string {
	texts := f.secrets.Texts()
	f.mu.Lock()
	for form := range f.forms {
		if form != "" && form != "''" {
			texts = append(texts, form)
		}
	}
	f.mu.Unlock()
	// Longest first: a secret that contains another is struck out whole.
	sort.SliceStable(texts, func(i, j int) bool { return len(texts[i]) > len(texts[j]) })
	var pairs []string
	for _, secret := range texts {
		pairs = append(pairs, secret, topology.Redacted)
		if quoted := strconv.Quote(secret); quoted[1:len(quoted)-1] != secret { // as %q prints it
			pairs = append(pairs, quoted[1:len(quoted)-1], topology.Redacted)
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// clean returns a step's error: node, what was tried, and the cause with its text
// struck. Only errors.Is sees what is under it: unwrapping it would give the text
// away.
func (f *filler) clean(s plan.Step, err error) error {
	why := s.Why
	if why == "" {
		why = kind(s.Op)
	}
	// Machines tend to name themselves.
	cause := f.strike(strings.TrimPrefix(err.Error(), s.Node+": "))
	return &cleanError{text: s.Node + ": " + why + ": " + cause, under: err}
}

type cleanError struct {
	text  string
	under error
}

func (e *cleanError) Error() string { return e.text }

// Is looks at what is under it without telling it.
func (e *cleanError) Is(target error) bool { return errors.Is(e.under, target) }

// Format prints the text whatever the verb is: %#v must not show what is under it.
func (e *cleanError) Format(s fmt.State, _ rune) { fmt.Fprint(s, e.text) }

// form writes a secret as the text around it wants it.
func form(kind plan.SecretForm, secret topology.Secret, scram func(string) (string, error)) (string, error) {
	text := secret.Reveal()
	if strings.ContainsRune(text, 0) {
		return "", errors.New("it contains a zero byte, which PostgreSQL does not accept")
	}
	switch kind {
	case plan.FormSCRAM:
		verifier, err := scram(text)
		return literal(verifier), err
	case plan.FormLiteral:
		return literal(text), nil
	case plan.FormConnInfo:
		return strings.ReplaceAll("'"+strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text)+"'", "'", "''"), nil
	case plan.FormConfig:
		return literal(strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`).Replace(text)), nil
	case plan.FormPassfile:
		if strings.ContainsAny(text, "\r\n") {
			return "", errors.New("it contains a line break, which a password file cannot hold")
		}
		return strings.NewReplacer(`\`, `\\`, ":", `\:`).Replace(text), nil
	default:
		return "", fmt.Errorf("unknown form %q: %w", kind, errAltered)
	}
}

// literal quotes for standard_conforming_strings = on, and for postgresql.conf.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
