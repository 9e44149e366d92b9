package cluster

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Which connections two rules of pg_hba.conf have in common, by what they say (PostgreSQL docs,
// 21.1 "The pg_hba.conf File").

// Covers reports whether every connection that rule b matches is matched by a.
func Covers(a, b topology.HBARule) bool {
	return typeCovers(a.Type, b.Type) && nameCovers(a.Database, b.Database, true) &&
		nameCovers(a.User, b.User, false) && addressCovers(a, b)
}

func typeCovers(a, b string) bool {
	return a == b || a == "host" && strings.HasPrefix(b, "host")
}

// nameCovers compares databases or users. "all" does not match physical
// replication connections.
func nameCovers(a, b []string, database bool) bool {
	for _, name := range b {
		if slices.Contains(a, name) {
			continue
		}
		if !slices.Contains(a, "all") || database && name == "replication" {
			return false
		}
	}
	return true
}

func addressCovers(a, b topology.HBARule) bool {
	if a.Type == "local" || a.Address == b.Address || a.Address == "all" {
		return true
	}
	outer, errA := netip.ParsePrefix(a.Address)
	inner, errB := netip.ParsePrefix(b.Address)
	return errA == nil && errB == nil && outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())
}

// Meets reports whether a takes, of some type of connection, what b does.
func Meets(a, b topology.HBARule) bool {
	return (typeCovers(a.Type, b.Type) || typeCovers(b.Type, a.Type)) && a.Type != "local" && b.Type != "local" &&
		nameCovers(a.Database, b.Database, true) && nameCovers(a.User, b.User, false) && addressCovers(a, b)
}

// apart reports whether no connection is matched by both rules, for sure.
func apart(a, b topology.HBARule) bool {
	return typesApart(a.Type, b.Type) || namesApart(a.Database, b.Database, true) || namesApart(a.User, b.User, false) || addressesApart(a, b)
}

func typesApart(a, b string) bool {
	opposites := [][]string{{"hostssl", "hostnossl"}, {"hostgssenc", "hostnogssenc"}}
	return (a == "local") != (b == "local") || slices.ContainsFunc(opposites, func(pair []string) bool {
		return a != b && slices.Contains(pair, a) && slices.Contains(pair, b)
	})
}

func namesApart(a, b []string, database bool) bool {
	for _, x := range a {
		for _, y := range b {
			if x == y || anyName(x, y, database) || anyName(y, x, database) {
				return false
			}
		}
	}
	return true
}

// anyName reports whether a word may stand for a name that is not its own.
func anyName(word, name string, database bool) bool {
	switch word {
	case "all":
		return !database || name != "replication"
	case "sameuser", "samerole", "samegroup":
		return database && name != "replication"
	}
	return strings.ContainsAny(word[:1], `+@/"`)
}

func addressesApart(a, b topology.HBARule) bool {
	first, errA := netip.ParsePrefix(a.Address)
	second, errB := netip.ParsePrefix(b.Address)
	return errA == nil && errB == nil && !first.Overlaps(second)
}

// RulesCovered reports whether the rules outside of n's block, as they are in force, already do
// what those of the block would: the first rule that a connection meets says the same.
func (s *Cluster) RulesCovered(n *topology.Node) bool {
	f := s.Found(n)
	if f.Server == nil || f.Host == nil || f.Host.HBA.Modified > f.Server.ConfLoaded || slices.ContainsFunc(f.Server.HBA, func(r facts.HBARule) bool { return r.Error != "" }) {
		return false
	}
	return !slices.ContainsFunc(s.wantedRules(n), func(r topology.HBARule) bool { return !covered(s.TheirRules(n), r) })
}

// covered reports whether the first rule that takes any connection of r takes them all, and
// says the same.
func covered(rules []PlacedRule, r topology.HBARule) bool {
	for _, t := range rules {
		if !apart(t.HBARule, r) {
			return Covers(t.HBARule, r) && t.Method == r.Method && slices.Equal(t.Options, r.Options)
		}
	}
	return false
}
