package topology

import "github.com/hashicorp/hcl/v2"

// Role is a role of a cluster, wanted or found.
type Role struct {
	Name            string
	Login           bool
	Replication     bool
	Superuser       bool
	CreateDB        bool
	CreateRole      bool
	Inherit         bool
	BypassRLS       bool
	ConnectionLimit int // -1: no limit
	// ValidUntil is a timestamp or "infinity"; "" says nothing.
	ValidUntil string
	// MemberOf is a set in order; nil says nothing.
	MemberOf []string
	// Parameters are ALTER ROLE … SET; only those named are compared.
	Parameters Parameters
	// Password is wanted only: what is found is a verifier (facts.Role).
	Password Secret

	Lifecycle Lifecycle
	Range     hcl.Range
}
