package topology

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"

	"github.com/hashicorp/hcl/v2"
)

// labeledBlocks reads the blocks of one type, sorted by label, since their order in the text
// means nothing.
func labeledBlocks[T any](b *block, kind string, c check, read func(*block) T) []T {
	seen := map[string]hcl.Range{}
	byLabel := map[string]T{}
	for _, inner := range b.blocks(kind) {
		if inner.named(seen, kind, c) {
			byLabel[inner.label] = read(inner)
		}
	}
	var all []T
	for _, label := range slices.Sorted(maps.Keys(byLabel)) {
		all = append(all, byLabel[label])
	}
	return all
}

// named checks a label; false for a second block of the same one.
func (b *block) named(seen map[string]hcl.Range, kind string, c check) bool {
	if why := c(b.label); why != "" {
		b.e.add(problem(b.at, "Invalid name", "Name of this %s: %s", kind, why))
	}
	if first, twice := seen[b.label]; twice {
		b.e.add(problem(b.at, "Duplicate declaration",
			"The cluster already declares %s %q at %s. Merge the two blocks.", kind, b.label, where(first)))
		return false
	}
	seen[b.label] = b.at
	return true
}

func (b *block) role() *Role {
	r := &Role{Name: b.label, Login: true, Inherit: true, ConnectionLimit: -1, Range: b.at}
	b.about(r)
	b.flag("login", &r.Login)
	b.flag("replication", &r.Replication)
	b.flag("superuser", &r.Superuser)
	b.flag("createdb", &r.CreateDB)
	b.flag("createrole", &r.CreateRole)
	b.flag("inherit", &r.Inherit)
	b.flag("bypassrls", &r.BypassRLS)
	b.number("connection_limit", &r.ConnectionLimit, -1, math.MaxInt32)
	b.text("valid_until", &r.ValidUntil, timestamp)
	r.MemberOf = b.memberOf(r.Name)
	r.Parameters = b.parameters("parameters", false)
	r.Password, _ = b.password(b.address + ".password")
	r.Lifecycle = b.lifecycle(roleAttributes())
	return r
}

func (b *block) memberOf(name string) []string {
	roles := b.texts("member_of", objectName)
	if slices.Contains(roles, name) {
		b.invalid("member_of", fmt.Sprintf("role %q cannot be a member of itself.", name))
	}
	sort.Strings(roles)
	return slices.Compact(roles)
}

func (b *block) database() *Database {
	d := &Database{Name: b.label, Range: b.at}
	b.about(d)
	b.text("owner", &d.Owner, objectName)
	b.text("encoding", &d.Encoding, encodingName)
	b.text("locale", &d.Locale, notEmpty, localeName)
	b.text("template", &d.Template, objectName)
	d.Parameters = b.parameters("parameters", false)
	d.Lifecycle = b.lifecycle(databaseAttributes())
	return d
}

func (b *block) slot() *Slot {
	s := &Slot{Name: b.label, Type: SlotPhysical, Range: b.at}
	b.about(s)
	b.text("type", &s.Type, oneOf(SlotPhysical, SlotLogical))
	b.text("plugin", &s.Plugin, notEmpty)
	b.text("database", &s.Database, objectName)
	b.flag("two_phase", &s.TwoPhase)
	b.flag("failover", &s.Failover)
	s.Lifecycle = b.lifecycle(slotAttributes())
	if s.Type == SlotLogical {
		if s.Plugin == "" && !b.has("plugin") {
			s.Plugin = "pgoutput"
		}
		if !b.has("database") {
			b.e.add(problem(b.at, "Logical slot without a database",
				"A logical slot decodes the changes of one database. Specify it:\n  database = \"NAME\""))
		}
		return s
	}
	for _, name := range []string{"plugin", "database", "two_phase", "failover"} {
		if b.has(name) {
			b.e.add(problem(b.rangeOf(name), "Attribute for logical slots only",
				"A physical slot has no %s. Set type = \"logical\", or remove the attribute.", name))
		}
	}
	return s
}
