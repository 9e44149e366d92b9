package apply

import (
	"errors"
	"fmt"
	"slices"

	"github.com/repltool/repltool/plan"
)

// check looks the whole plan over before its first step runs: what can be known
// to fail must not fail halfway.
func check(p *plan.Plan, env Env) error {
	seen := map[string]bool{}
	var errs []error
	for _, s := range p.Steps {
		if err := checkStep(s, seen, env); err != nil {
			errs = append(errs, fmt.Errorf("step %s: %w", s.ID, err))
		}
		seen[s.ID] = true
	}
	for _, c := range p.Changes {
		for _, s := range c.Undo {
			err := checkStep(s, seen, env)
			if err == nil && (!seen[s.Undoes] || s.Address != c.Address || !slices.Contains(c.Steps, c.NoReturn)) {
				err = fmt.Errorf("it takes back %q, until %q: %w", s.Undoes, c.NoReturn, errAltered)
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("step %s: %w", s.ID, err))
			}
			seen[s.ID] = true
		}
	}
	return errors.Join(errs...)
}

func checkStep(s plan.Step, seen map[string]bool, env Env) error {
	if s.ID == "" || seen[s.ID] {
		return fmt.Errorf("its ID is empty or not unique: %w", errAltered)
	}
	for _, id := range s.Requires {
		if !seen[id] {
			return fmt.Errorf("requires %q, which does not precede it: %w", id, errAltered)
		}
	}
	if env.Machines[s.Node] == nil {
		return fmt.Errorf("node %q: not connected", s.Node)
	}
	return checkOp(s.Op, env)
}

func checkOp(op plan.Op, env Env) error {
	switch op := op.(type) {
	case plan.SQL:
		return checkText(op.SQL, env)
	case plan.File:
		return checkText(op.Content, env)
	case plan.Command:
		if len(op.Argv) == 0 || op.Root && op.Job != "" {
			return fmt.Errorf("a command without arguments, or a detached command that runs as root: %w", errAltered)
		}
	case plan.Wait:
		if p := op.Progress; p != nil && env.Machines[p.Node] == nil {
			return fmt.Errorf("node %q: not connected", p.Node)
		}
	default:
		return fmt.Errorf("an operation of type %T: %w", op, errAltered)
	}
	return nil
}

// checkText sees that each secret has its place and a value.
func checkText(t plan.Text, env Env) error {
	for _, use := range t.Secrets {
		if !env.Secrets[use.Ref].IsSet() {
			return fmt.Errorf("secret %s has no value", use.Ref)
		}
		if use.Form == plan.FormSCRAM && env.SCRAM == nil {
			return fmt.Errorf("secret %s: no password verifiers can be made", use.Ref)
		}
	}
	_, err := t.Fill(func(use plan.SecretUse) (string, error) {
		return form(use.Form, env.Secrets[use.Ref], noVerifier)
	})
	return err
}

// noVerifier stands in where only the secret itself is looked at.
func noVerifier(string) (string, error) { return "", nil }
