package topology

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// A moved block says that an object of the topology had another address before: a
// cluster, node, publication or subscription that was renamed. What stands on hosts and
// servers under the old name is the object's own, and is carried over to the new one.
//
// Blocks chain: a to b and b to c is a and b to c. One that has been carried out already
// changes nothing. An address without a key moves every instance of a for_each.

// moved is one block.
type moved struct {
	from, to string // addresses
	at       hcl.Range
}

func movableKinds() []string { return []string{"cluster", "node", "publication", "subscription"} }

func movedSchema() *schema { return &schema{required: []string{"from", "to"}} }

// readMoved reads the moved blocks; what they name need not be declared.
func (e *evaluator) readMoved() {
	for _, header := range e.movedBlocks {
		content, diags := movedSchema().content(header.Body, e.src.files)
		e.report(diags)
		from, okFrom := e.movedAddress(content.Attributes["from"])
		to, okTo := e.movedAddress(content.Attributes["to"])
		if !okFrom || !okTo {
			continue
		}
		m := moved{from: from, to: to, at: header.DefRange}
		if e.checkMoved(m) {
			e.moves = append(e.moves, m)
		}
	}
	e.checkMovedTargets()
	e.giveEarlier()
}

// movedAddress reads kind.NAME or kind.NAME["KEY"].
func (e *evaluator) movedAddress(attr *hcl.Attribute) (string, bool) {
	if attr == nil {
		return "", false // reported by the schema
	}
	ref, diags := hcl.AbsTraversalForExpr(attr.Expr)
	if !diags.HasErrors() && len(ref) > 1 && len(ref) < 4 && slices.Contains(movableKinds(), ref.RootName()) {
		name, ok := literalStep(ref[1])
		if ok && len(ref) == 2 {
			return ref.RootName() + "." + name, true
		}
		if key, isKey := ref[len(ref)-1].(hcl.TraverseIndex); ok && isKey && key.Key.Type() == cty.String {
			return fmt.Sprintf("%s.%s[%q]", ref.RootName(), name, key.Key.AsString()), true
		}
	}
	e.add(problem(attr.Expr.Range(), "Invalid address in a moved block",
		"%s must be the address of a cluster, node, publication or subscription, without quotes: cluster.main or node.pg[\"pg1\"].", attr.Name))
	return "", false
}

// checkMoved looks at one block by itself and beside those before it.
func (e *evaluator) checkMoved(m moved) bool {
	kind, _, _ := strings.Cut(m.from, ".")
	switch toKind, _, _ := strings.Cut(m.to, "."); {
	case kind != toKind:
		e.add(problem(m.at, "Moved to a different kind of object", "%s cannot become %s: the kind of an object (%s) cannot change.", m.from, m.to, kind))
		return false
	case m.from == m.to:
		e.add(problem(m.at, "Moved to its own address", "from and to are both %s.", m.from))
		return false
	case slices.ContainsFunc(e.objectIDs(), func(id string) bool { return id == m.from || !hasKey(m.to) && withoutKey(id) == m.from }):
		e.add(problem(m.at, "Moved object still declared",
			"%s is declared in this topology, so it has not moved to %s. Remove the %s block, or remove this moved block.", m.from, m.to, kind))
		return false
	}
	for _, other := range e.moves {
		switch {
		case other.from == m.from:
			e.add(problem(m.at, "Object moved twice", "%s is already moved to %s at %s. Keep one of the two blocks.", m.from, other.to, where(other.at)))
			return false
		case other.to == m.to:
			e.add(problem(m.at, "Two objects moved to one address", "%s is already moved to %s at %s; %s cannot become the same object.", other.from, m.to, where(other.at), m.from))
			return false
		}
	}
	return true
}

// checkMovedTargets refuses addresses that nothing has: a typo would leave the old name
// in force. With other errors what is missing may not have been read.
func (e *evaluator) checkMovedTargets() {
	if e.diags.HasErrors() {
		return
	}
	ids := e.objectIDs()
	for _, m := range e.moves {
		switch {
		case e.leads(m.to, ids):
		case hasKey(m.to) && e.decls.byAddress[withoutKey(m.to)] != nil:
			e.add(caution(m.at, "Moved to a nonexistent instance",
				"for_each of %s has no such key, so this block has no effect.", withoutKey(m.to)))
		default:
			e.add(problem(m.at, "Moved to an undeclared address",
				"%s is not declared in this topology.%s If the object was removed from the topology, remove this moved block.", m.to, didYouMean(m.to, ids)))
		}
	}
}

// leads reports whether an address is that of an object, by further blocks or by itself.
func (e *evaluator) leads(to string, ids []string) bool {
	for range len(e.moves) + 1 {
		if slices.ContainsFunc(ids, func(id string) bool { return id == to || withoutKey(id) == to }) {
			return true
		}
		i := slices.IndexFunc(e.moves, func(next moved) bool { return next.from == to })
		if i < 0 {
			return false
		}
		to = e.moves[i].to
	}
	return false // they run in a circle
}

// giveEarlier writes into every object the addresses and names that it had.
func (e *evaluator) giveEarlier() {
	for _, n := range e.top.Nodes {
		for _, id := range e.earlier(n.ID) {
			if name := nodeName(id); e.top.Node(name) == nil { // else it is a node of today's
				n.Earlier = append(n.Earlier, name)
			}
		}
	}
	for _, c := range e.top.Clusters {
		for _, id := range e.earlier(c.ID) {
			c.Earlier = append(c.Earlier, strings.TrimPrefix(id, "cluster."))
		}
	}
	for _, p := range e.top.Publications {
		p.Earlier = e.earlier(p.ID)
	}
	for _, s := range e.top.Subscriptions {
		s.Earlier = e.earlier(s.ID)
	}
}

// earlier returns the addresses that lead to id, the latest first.
func (e *evaluator) earlier(id string) []string {
	var all []string
	for at := id; len(all) <= len(e.moves); {
		i := slices.IndexFunc(e.moves, func(m moved) bool { return m.to == at })
		if i < 0 {
			i = slices.IndexFunc(e.moves, func(m moved) bool { return m.to == withoutKey(at) })
		}
		if i < 0 {
			break
		}
		m := e.moves[i]
		if m.to != at { // every instance moves
			m.from += strings.TrimPrefix(at, m.to)
		}
		all, at = append(all, m.from), m.from
	}
	return all
}

// objectIDs are the addresses of all objects that can move.
func (e *evaluator) objectIDs() []string {
	var ids []string
	for _, n := range e.top.Nodes {
		ids = append(ids, n.ID)
	}
	for _, c := range e.top.Clusters {
		ids = append(ids, c.ID)
	}
	for _, p := range e.top.Publications {
		ids = append(ids, p.ID)
	}
	for _, s := range e.top.Subscriptions {
		ids = append(ids, s.ID)
	}
	return ids
}

func hasKey(id string) bool { return strings.HasSuffix(id, "]") }

func withoutKey(id string) string {
	base, _, _ := strings.Cut(id, "[")
	return base
}

// nodeName is the name of the node at an address: its key, or else its label.
func nodeName(id string) string {
	if _, key, ok := strings.Cut(id, `["`); ok {
		return strings.TrimSuffix(key, `"]`)
	}
	return strings.TrimPrefix(id, "node.")
}
