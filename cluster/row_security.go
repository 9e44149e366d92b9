package cluster

import (
	"github.com/repltool/repltool/topology"
)

// BypassesRowSecurity reports whether the role, as this plan leaves it, is exempt from all
// row security.
func (s *Cluster) BypassesRowSecurity(r *topology.Role) bool {
	superuser, bypass := r.Superuser, r.BypassRLS
	if is := s.Live().Role(r.Name); is != nil {
		if s.Ignores(r.Lifecycle, "role", "superuser") {
			superuser = is.Superuser
		}
		if s.Ignores(r.Lifecycle, "role", "bypassrls") {
			bypass = is.BypassRLS
		}
	}
	return superuser || bypass
}
