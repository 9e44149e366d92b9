package topology

import (
	"fmt"
	"slices"
	"strings"
)

// Address names one thing that a topology has or may have: a block, an object of a
// cluster, or a part of one. Nothing else writes or reads the text of one.
//
//	cluster.main["eu"]                    Kind cluster, Name main, Key eu
//	cluster.main.node.pg2                 Kind node, Cluster main, Name pg2
//	cluster.main.node.pg2.hba             … and Part hba
//	cluster.main.synchronous              Kind synchronous, Cluster main
//	cluster.main.primary                  Kind primary, Cluster main: who leads
//	publication.orders                    Kind publication, Name orders
//	cluster.main.publication.orders       the same as a row of the ledger of cluster main
//
// With an empty Name it stands for all of that kind. Addresses are compared by ==.
type Address struct {
	Kind    string
	Cluster string // the cluster's label, with its key: orders or orders["eu"]; "" of a block beside clusters
	Name    string
	Key     string // of a block with for_each
	Part    string
}

// Parts of objects, which change by themselves.
const (
	PartParameters      = "parameters"       // of a node: postgresql.conf
	PartHBA             = "hba"              // of a node: pg_hba.conf
	PartPassfile        = "passfile"         // of a node or a standby
	PartSlot            = "slot"             // of a node: a slot that is to leave it; its name follows
	PartBaseBackup      = "basebackup"       // of a standby: the wait for one that runs
	PartLeaving         = "leaving"          // of a set: what leaves it for the time of the plan
	PartSetAside        = "set_aside"        // of a set: its value before it was relaxed
	PartMoving          = "moving"           // of a primary: the move that was begun
	PartMoved           = "moved"            // of a publication: tables that another one has by now
	PartEarlier         = "earlier"          // the object under the name that it had
	PartEarlierHBA      = "earlier_hba"      // of a node: the rules by which standbys logged in before
	PartEarlierPassfile = "earlier_passfile" // of a node: password files of the names that it or its cluster had
	PartGrants          = "grants"           // of a subscription
	PartTables          = "tables"           // of a subscription
)

// single are the kinds of which a cluster has one, without a name.
func single() []string { return []string{"primary", "synchronous", "synchronized_slots", "ledger"} }

// inCluster are the kinds of which a cluster has many.
func inCluster() []string {
	return []string{
		"node", "standby", "role", "database", "slot", "publication", "subscription",
		"role_parameter", "database_parameter", "grant",
	}
}

// partsOf are the parts that an object of a kind may have.
func partsOf(kind string) []string {
	switch kind {
	case "node":
		return []string{PartParameters, PartHBA, PartEarlierHBA, PartPassfile, PartEarlierPassfile}
	case "standby":
		return []string{PartPassfile, PartBaseBackup}
	case "publication":
		return []string{PartMoved, PartEarlier}
	case "subscription":
		return []string{PartEarlier, PartGrants, PartTables}
	}
	return nil
}

// Address is the cluster's.
func (c *Cluster) Address() Address { return ParseAddress(c.ID) }

// Address is the publication's.
func (p *Publication) Address() Address { return ParseAddress(p.ID) }

// Address is the subscription's.
func (s *Subscription) Address() Address { return ParseAddress(s.ID) }

// IsZero reports whether a is no address.
func (a Address) IsZero() bool { return a == Address{} }

// Object is the address of an object of the cluster a.
func (a Address) Object(kind, name string) Address {
	return Address{Kind: kind, Cluster: a.label(), Name: name}
}

// With is the address of a part of a.
func (a Address) With(part string) Address {
	if a.Part != "" {
		part = a.Part + "." + part
	}
	a.Part = part
	return a
}

// In is the address of a publication or subscription in the ledger of a cluster.
func (a Address) In(cluster Address) Address {
	a.Cluster = cluster.label()
	return a
}

// Slot returns the name of the slot that an address stands for, or "".
func (a Address) Slot() string {
	if a.Kind == "slot" {
		return a.Name
	}
	name, _ := strings.CutPrefix(a.Part, PartSlot+".")
	if a.Kind != "node" || name == a.Part {
		return ""
	}
	return name
}

// label is the name with its key.
func (a Address) label() string {
	if a.Key == "" {
		return a.Name
	}
	return fmt.Sprintf("%s[%q]", a.Name, a.Key)
}

// Contains reports whether b is a, or a part of it, or an object of the cluster a.
func (a Address) Contains(b Address) bool {
	switch {
	case a.Kind == "cluster" && b.Kind != "cluster":
		return b.Cluster != "" && (a.Name == "" || a.label() == b.Cluster)
	case a.Kind != b.Kind || a.Cluster != b.Cluster:
		return false
	case a.Name == "" && a.Part == "":
		return true
	}
	return a.Name == b.Name && a.Key == b.Key &&
		(a.Part == "" || a.Part == b.Part || strings.HasPrefix(b.Part, a.Part+"."))
}

// ParseAddresses reads several.
func ParseAddresses(all []string) []Address {
	addresses := make([]Address, len(all))
	for i, text := range all {
		addresses[i] = ParseAddress(text)
	}
	return addresses
}

// String is the address as people write it.
func (a Address) String() string {
	parts := make([]string, 0, 5)
	if a.Cluster != "" {
		parts = append(parts, "cluster", a.Cluster)
	}
	parts = append(parts, a.Kind)
	for _, p := range []string{a.label(), a.Part} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ".")
}

// ParseAddress reads the text of an address; String gives every text back. What is no
// address becomes one of a kind that nothing has.
func ParseAddress(text string) Address {
	if a := parseAddress(text); a.String() == text {
		return a
	}
	return Address{Kind: text}
}

func parseAddress(text string) Address {
	rest, ok := strings.CutPrefix(text, "cluster.")
	if !ok {
		return parseBlock(text)
	}
	label, rest := cutLabel(rest)
	if rest == "" {
		a := Address{Kind: "cluster"}
		a.Name, a.Key = cutKey(label)
		return a
	}
	a := Address{Cluster: label}
	a.Kind, rest, _ = strings.Cut(rest, ".")
	switch {
	case slices.Contains(single(), a.Kind):
		a.Part = rest
	case a.Kind == "publication" || a.Kind == "subscription":
		b := parseBlock(a.Kind + "." + rest)
		a.Name, a.Key, a.Part = b.Name, b.Key, b.Part
	default:
		a.Name, a.Part = cutPart(a.Kind, rest)
	}
	return a
}

// parseBlock reads the address of a block beside the clusters.
func parseBlock(text string) Address {
	kind, rest, _ := strings.Cut(text, ".")
	a := Address{Kind: kind}
	rest, a.Part = cutPart(kind, rest)
	a.Name, a.Key = cutKey(rest)
	return a
}

// cutLabel cuts what follows "cluster." at the first kind of object; labels may have dots.
func cutLabel(text string) (label, rest string) {
	kinds := append(single(), inCluster()...)
	from := 0
	if i := strings.Index(text, `["`); i >= 0 { // and so may keys
		if j := strings.Index(text[i:], `"]`); j >= 0 && !hasKind(text[:i], kinds) {
			from = i + j
		}
	}
	for i := from; i < len(text); i++ {
		if text[i] != '.' {
			continue
		}
		if kind, _, _ := strings.Cut(text[i+1:], "."); slices.Contains(kinds, kind) {
			return text[:i], text[i+1:]
		}
	}
	return text, ""
}

func hasKind(text string, kinds []string) bool {
	return slices.ContainsFunc(strings.Split(text, ".")[1:], func(w string) bool { return slices.Contains(kinds, w) })
}

// cutKey cuts orders["eu"] into orders and eu.
func cutKey(label string) (name, key string) {
	name, rest, ok := strings.Cut(label, `["`)
	if !ok || !strings.HasSuffix(rest, `"]`) {
		return label, ""
	}
	if a := (Address{Name: name, Key: strings.TrimSuffix(rest, `"]`)}); a.label() == label {
		return a.Name, a.Key
	}
	return label, "" // a key with escapes stays part of the name
}

// cutPart cuts the part off the end of a name.
func cutPart(kind, text string) (name, part string) {
	if kind == "node" {
		if i := strings.Index(text, "."+PartSlot+"."); i > 0 {
			return text[:i], text[i+1:]
		}
	}
	for _, p := range partsOf(kind) {
		if name, ok := strings.CutSuffix(text, "."+p); ok && name != "" {
			return name, p
		}
	}
	return text, ""
}
