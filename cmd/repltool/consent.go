package main

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/plan"
)

// refuseUnread stops a plan for clusters of which a node could not be read, unless
// it was limited on purpose.
func (x *application) refuseUnread(p *plan.Plan) error {
	unread := unreadNodes(p)
	if len(unread) == 0 || len(p.Targets) > 0 {
		return nil
	}
	return x.refused(exitError, "Clusters with unreadable nodes",
		fmt.Sprintf("Nothing was changed. The plan has changes for clusters with nodes that could not be read: %s. The reasons "+
			"are given above.\nTo run the part that does not require them, use -target=ADDRESS.", strings.Join(unread, ", ")))
}

// unreadNodes are those that could not be read, of the clusters that have changes.
func unreadNodes(p *plan.Plan) []string {
	changed := map[string]bool{}
	for _, c := range p.Changes {
		for _, name := range c.Nodes {
			changed[clusterOf(p, name)] = true
		}
	}
	var unread []string
	for _, n := range p.Nodes {
		if n.Error != "" && changed[n.Cluster] {
			unread = append(unread, n.Name)
		}
	}
	return unread
}

func clusterOf(p *plan.Plan, node string) string {
	for _, n := range p.Nodes {
		if n.Name == node {
			return n.Cluster
		}
	}
	return ""
}

// consent returns nil when the plan may run: by flags, or by a person's yes. Who
// saved a plan and hands it over has seen it: that is as good as -auto-approve.
func (x *application) consent(ctx context.Context, p *plan.Plan) error {
	grave, missing := x.grave(p)
	if (x.o.autoApprove || x.saved != nil) && len(missing) == 0 {
		return nil
	}
	if x.o.autoApprove {
		return x.refused(exitError, "Some changes need -allow",
			strings.Join(grave, "\n")+"\nNothing was changed. To approve them, add:\n  "+x.approval(missing))
	}
	if x.o.json || !x.asks(x.o.common) {
		return x.refused(exitError, "No terminal to ask for approval",
			"Nothing was changed. To approve, add:\n  "+x.approval(missing))
	}
	return x.ask(ctx, p, grave)
}

// approval is the flags that approve the plan; a saved plan needs only -allow.
func (x *application) approval(missing []string) string {
	var flags []string
	if x.saved == nil {
		flags = append(flags, "-auto-approve")
	}
	if len(missing) > 0 {
		flags = append(flags, "-allow="+strings.Join(x.allowances(missing), ","))
	}
	return strings.Join(flags, " ")
}

// grave lists the changes that a person is to say yes to, and the allowances that are
// missing where nobody is asked.
func (x *application) grave(p *plan.Plan) (lines, missing []string) {
	for _, c := range p.Changes {
		need := string(c.Allowance())
		if need == "" || slices.Contains(x.o.allow, need) || x.o.autoApprove && need == string(x.verb) {
			continue
		}
		text := string(c.Impact)
		if c.Effect != "" {
			text += ", " + c.Effect
		}
		lines = append(lines, fmt.Sprintf("  %s %s  %s", c.Action.Symbol(), c.Address, text))
		if need != string(x.verb) && !slices.Contains(missing, need) {
			missing = append(missing, need)
		}
	}
	return lines, missing
}

// allowances are those given and those that are missing.
func (x *application) allowances(missing []string) []string {
	return append(slices.Clone(x.o.allow), missing...)
}

// ask lists what is grave and waits for a yes.
func (x *application) ask(ctx context.Context, p *plan.Plan, grave []string) error {
	fmt.Fprintln(x.err)
	if len(grave) > 0 {
		x.sayf("These changes need your approval:\n%s", strings.Join(grave, "\n"))
	}
	fmt.Fprintf(x.err, "Apply %s? Type \"yes\" to confirm: ", plural(len(p.Changes), "change"))
	if err := x.err.Flush(); err != nil {
		return err
	}
	answer, err := x.answer(ctx)
	if err != nil {
		fmt.Fprintln(x.err)
		return err
	}
	if answer != "yes" {
		x.sayf("Not applied: nothing was changed.")
		return exitError
	}
	return nil
}

// answer reads one line; a signal is not kept waiting for it.
func (x *application) answer(ctx context.Context) (string, error) {
	lines := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(x.in).ReadString('\n') // an end without a line is no yes
		lines <- strings.TrimSpace(line)
	}()
	select {
	case line := <-lines:
		return line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
