package cluster

import (
	"slices"

	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// WithParameters returns the keys of the ledger's rows of an object and its parameters.
func (s *Cluster) WithParameters(of Row) []topology.Address {
	addresses := []topology.Address{of.Address}
	for _, m := range s.Managed(of.Kind + "_parameter") {
		if m.In == of.Name {
			addresses = append(addresses, m.Address)
		}
	}
	return addresses
}

// OwnParameters are the wanted parameters of one role or database.
type OwnParameters struct {
	Kind, Name string // of the object: "role" or "database"
	Wanted     topology.Parameters
}

// Ignores reports whether changes of an object's attribute are left alone: by its own
// lifecycle, or by that of the cluster, which names kinds.
func (s *Cluster) Ignores(l topology.Lifecycle, kind, attribute string) bool {
	return l.Ignores(attribute) || s.Cluster.Lifecycle.Ignores(kind)
}

func (s *Cluster) SameParameter(name, current string, wanted topology.Parameter) bool {
	value := wanted.Value
	if wanted.Secret.IsSet() {
		value = wanted.Secret.Reveal()
	}
	if pg.IsNameList(name) {
		return slices.Equal(pg.SplitNames(name, current), pg.SplitNames(name, value))
	}
	if pg.IsWordList(name) && pg.SameWords(current, value) {
		return true
	}
	return Same(s.Live().Settings[name], current, value)
}
