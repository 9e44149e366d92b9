package endpoint

import (
	"fmt"
	"io"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/view"
)

// Two backends for HAProxy, CLUSTER_rw and CLUSTER_ro, which a configuration of the user's has
// frontends for. HAProxy itself sees only whether a port answers, not who leads and who lags: that
// is written as the state of each server, and takes a reload. A server that a check finds down
// loses its sessions. The primary is a backup in the backend for reads: HAProxy uses it as
// soon as no standby is left, also between two runs (HAProxy 2.6, configuration.txt, section 5.2).

// haproxy writes the backends.
func (e *Endpoints) haproxy(w io.Writer) error {
	var b strings.Builder
	e.head(&b)
	e.backend(&b, Write, func(m cluster.Fitness) string {
		if m.Writes {
			return ""
		}
		return "disabled"
	})
	e.backend(&b, Read, func(m cluster.Fitness) string {
		switch {
		case m.Writes && !e.StandbysOnly:
			return "backup"
		case m.Reads && !m.Writes:
			return ""
		}
		return "disabled"
	})
	_, err := io.WriteString(w, b.String())
	return err
}

func (e *Endpoints) backend(b *strings.Builder, purpose For, state func(cluster.Fitness) string) {
	if e.For != Both && e.For != purpose {
		return
	}
	fmt.Fprintf(b, "\nbackend %s_%s\n    mode tcp\n", plain(e.Cluster.Name), purpose)
	b.WriteString("    default-server check inter 1s fall 2 rise 1 on-marked-down shutdown-sessions init-addr last,libc,none\n")
	seen := map[string]int{}
	for _, m := range e.Members {
		name := plain(m.Node.Name)
		if seen[name]++; seen[name] > 1 {
			name = fmt.Sprintf("%s-%d", name, seen[name])
		}
		line := fmt.Sprintf("    server %s %s", name, address(m))
		if s := state(m); s != "" {
			line += " " + s
		}
		b.WriteString(line + "\n")
	}
}

// plain is a name in the letters that HAProxy accepts for one.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.-", r) {
			return r
		}
		return '_'
	}, name)
}

// head says when this was so, in comments: the only lines that change while nothing else does.
func (e *Endpoints) head(b *strings.Builder) {
	comment := func(text string) {
		fmt.Fprintf(b, "%s%s\n", Comment, strings.Join(strings.Fields(view.Clean(text)), " "))
	}
	comment("repltool endpoints " + e.Cluster.Name + ", as of " + e.asOf() + ", token " + list(nonempty(e.Token())))
	if e.Refused != "" {
		comment("refused: " + e.Refused)
	}
	if e.Stale != "" {
		comment("stale: " + e.Stale)
	}
	for _, m := range e.Members {
		if m.Why != "" {
			comment(m.Node.Name + " " + m.Why)
		}
	}
}

// Comment begins a line that says nothing to the program that reads the text.
const Comment = "# "

func nonempty(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}
