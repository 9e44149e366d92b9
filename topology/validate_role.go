package topology

import (
	"slices"
	"strings"
)

// checkMemberships: PostgreSQL has no circle of roles that are members of one
// another. Every member of a circle sees it: the first by name reports it.
func (e *evaluator) checkMemberships(c *Cluster) {
	for _, r := range c.Roles {
		if circle := membershipCircle(c, r.Name, r.Name, map[string]bool{}); len(circle) > 1 && slices.Min(circle) == r.Name {
			e.add(problem(e.places.of(r, "member_of", r.Range), "Circular role membership",
				"Each of these roles is a member of the next one: %s. Remove one of these memberships.", strings.Join(append(circle, r.Name), " -> ")))
		}
	}
}

// membershipCircle returns the way from one role to another by memberships, nil for none.
func membershipCircle(c *Cluster, from, to string, seen map[string]bool) []string {
	role := c.Role(from)
	if role == nil || seen[from] {
		return nil
	}
	seen[from] = true
	for _, next := range role.MemberOf {
		if next == to {
			return []string{from}
		}
		if rest := membershipCircle(c, next, to, seen); rest != nil {
			return append([]string{from}, rest...)
		}
	}
	return nil
}
