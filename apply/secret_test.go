package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

func TestSecretForms(t *testing.T) {
	w := newWorld("pg1")
	w.secret("a", `it's a\b:c`)
	w.secret("b", "plain")
	w.secret("nl", "two\nlines")
	cases := []struct {
		template string
		form     plan.SecretForm
		want     string
	}{
		{"x {a} y {b} z", plan.FormLiteral, `x 'it''s a\b:c' y 'plain' z`},
		{"{a}{b}", plan.FormPassfile, `it's a\\b\:cplain`},
		{"v = {a}", plan.FormConfig, `v = 'it''s a\\b:c'`},
		{"v = {nl}", plan.FormConfig, `v = 'two\nlines'`},
		{"PASSWORD {b};", plan.FormSCRAM, `PASSWORD 'SCRAM-SHA-256$of:plain';`},
	}
	for _, c := range cases {
		f := &filler{secrets: w.Secrets, scram: w.SCRAM}
		got, err := f.fill(text(c.template, c.form))
		if err != nil || got != c.want {
			t.Errorf("%s as %s: %q, %v; want %q", c.template, c.form, got, err, c.want)
		}
	}
}

// A server that quotes the statement gives nothing away, in no form.
func TestCanary(t *testing.T) {
	const canary = `canary's\w0:rd"`
	ways := []func(string) error{
		func(s string) error { return errors.New("syntax error in: " + s) },
		func(s string) error { return fmt.Errorf("quoted %q: %w", s, context.Canceled) },
		func(s string) error { return fmt.Errorf("inner: %s", strings.Trim(s[strings.Index(s, "'"):], "';")) },
		func(string) error { return errors.New("raw: " + canary) },
	}
	for _, form := range []plan.SecretForm{plan.FormLiteral, plan.FormConfig, plan.FormSCRAM, plan.FormPassfile} {
		for i, way := range ways {
			w := newWorld("pg1")
			w.secret("role.app.password", canary)
			w.nodes["pg1"].exec = func(_ context.Context, sql string) error { return way(sql) }
			w.nodes["pg1"].query = func(context.Context, string) ([][]string, error) {
				return [][]string{{"1", way("'" + w.nodes["pg1"].files[conf]).Error()}}, nil
			}
			r := Run(t.Context(), planOf(
				opStep("sql", "pg1", plan.SQL{SQL: text("ALTER ROLE app PASSWORD ' {role.app.password};", form)}),
				opStep("file", "pg1", plan.File{Path: conf, Content: text("p = {role.app.password}\n", form), Check: "SELECT 1"}),
			), w.Env, Options{})
			wantStates(t, r, "sql=failed file=failed")
			all := printed(w, r)
			for _, leak := range []string{"canary", "w0:rd", `w0\:rd`} {
				if strings.Contains(all, leak) {
					t.Errorf("%s, way %d: %q in:\n%s", form, i, leak, all)
				}
			}
			if !strings.Contains(r.Err().Error(), topology.Redacted) {
				t.Errorf("%s, way %d: nothing was struck: %v", form, i, r.Err())
			}
		}
	}
}

func TestCleanErrorKeepsItsKind(t *testing.T) {
	f := &filler{}
	err := f.clean(sqlStep("a", "pg1", ""), fmt.Errorf("pg1: x: %w", context.Canceled))
	if !errors.Is(err, context.Canceled) || errors.Unwrap(err) != nil {
		t.Errorf("%v", err)
	}
	if want := "pg1: do a: x: context canceled"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}
