// Package endpoint writes which members of a cluster may be written to and read from now: for
// people, and for the programs that connect to them. A file is a format. It opens no files.
//
// Rules:
//   - nothing is given for a write that may go to the wrong server;
//   - a standby that is not fit is not given for reads; where none is fit, the primary is,
//     unless only standbys are wanted;
//   - what changes with time alone, such as a position, is in comments and in JSON: a program that
//     reads a text again has nothing to do unless a server's part has changed.
package endpoint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// For is what a client wants to do.
type For string

// Both is where nothing is said; "rw" and "ro" are the words of target_session_attrs, in short.
const (
	Both  For = ""
	Write For = "rw"
	Read  For = "ro"
)

// Endpoints are what was found, as it is written.
type Endpoints struct {
	Cluster *topology.Cluster
	Version string // of repltool
	For     For
	// StandbysOnly: the primary does not take the reads for which no standby is fit.
	StandbysOnly bool
	MaxLag       time.Duration
	At           time.Time
	Unread       []string // the members that could not be read
	cluster.Verdict
	Diagnostics []plan.Diagnostic
}

// writers are who is given for writes: one, or none.
func (e *Endpoints) writers() []cluster.Fitness {
	return e.those(func(m cluster.Fitness) bool { return m.Writes })
}

// standbys are those that are fit for reads.
func (e *Endpoints) standbys() []cluster.Fitness {
	return e.those(func(m cluster.Fitness) bool { return m.Reads && !m.Writes })
}

// readers are who is given for reads.
func (e *Endpoints) readers() []cluster.Fitness {
	if e.Void != "" {
		return nil
	}
	if all := e.standbys(); len(all) > 0 || e.StandbysOnly {
		return all
	}
	return e.writers()
}

// given are who is given for what is wanted.
func (e *Endpoints) given() []cluster.Fitness {
	if e.For == Read {
		return e.readers()
	}
	return e.writers()
}

func (e *Endpoints) those(is func(cluster.Fitness) bool) []cluster.Fitness {
	return slices.DeleteFunc(slices.Clone(e.Members), func(m cluster.Fitness) bool { return !is(m) })
}

// Complete reports whether all members were read, and it is known how old what they show is.
func (e *Endpoints) Complete() bool { return len(e.Unread) == 0 && e.Stale == "" }

// None reports whether nobody is given for what is wanted; of both, for neither.
func (e *Endpoints) None() bool {
	return e.Void != "" && e.For == Read || len(e.given()) == 0 && (e.For != Both || len(e.readers()) == 0)
}

// Token is how far the primary had written: a standby that has replayed it shows every commit
// until then. It names the timeline, since a failover that lost commits leaves the old one
// before them. "" where nobody leads.
func (e *Endpoints) Token() string { return TokenText(e.Has) }

// TokenText is a place in the WAL as a token.
func TokenText(b facts.Branch) string {
	if b.LSN == "" {
		return ""
	}
	return fmt.Sprintf("%d:%s", b.Timeline, b.LSN)
}

// ParseToken reads a token.
func ParseToken(text string) (facts.Branch, error) {
	timeline, lsn, _ := strings.Cut(text, ":")
	n, err := strconv.Atoi(timeline)
	if _, known := facts.LSN(lsn); err != nil || n < 1 || !known {
		return facts.Branch{}, fmt.Errorf("must be TIMELINE:LSN, such as 3:0/5000060")
	}
	return facts.Branch{Timeline: n, LSN: lsn}, nil
}

func names(members []cluster.Fitness) []string {
	all := []string{}
	for _, m := range members {
		all = append(all, m.Node.Name)
	}
	return all
}

// Key is what a program that reads the endpoints has to do with: while it is the same, only
// positions and figures have changed.
func (e *Endpoints) Key() string {
	var b strings.Builder
	for _, m := range e.Members {
		fmt.Fprintf(&b, "%s %s %d %t %t %t\n", m.Node.Name, m.Node.Address, m.Port, m.Writes, m.Reads, m.Foreign)
	}
	return b.String()
}
