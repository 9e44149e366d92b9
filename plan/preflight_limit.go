package plan

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Limits of a server that its standbys need.

// checkHotStandby refuses a standby that would have less of a hot-standby parameter
// than its primary: it does not start, or stops its replay.
func (s *scope) checkHotStandby(out *findings) {
	if s.live() == nil {
		return
	}
	for _, sb := range s.cluster.Standbys {
		wanted := s.parametersOf(sb.Node)
		for _, name := range hotStandby() {
			p, given := wanted[name]
			setting, need := s.live().Settings[name], s.onPrimary(name)
			if given && number(setting, p.Value) < number(setting, need) {
				out.fail(p.Range, "Lower than on the primary",
					"%s would have %s = %s, and its primary %s has %s. A standby that has less does not replay what the primary writes: raise it, or lower the primary's.",
					sb.Node.Name, name, p.Value, s.cluster.Primary.Name, need)
			}
		}
	}
}

// limit answers such a parameter of n as it will be, and where it is set; -1 unknown.
func (s *scope) limit(n *topology.Node, name string) (int, hcl.Range) {
	at, value := s.rangeOfParameter(n, name), ""
	_, given := s.parametersOf(n)[name]
	switch primary := s.cluster.Primary; {
	case given || s.running(n) && !s.recloned(n):
		value = s.willHave(n, name)
	case s.running(primary): // a copy comes with its primary's
		value = s.willHave(primary, name)
	case s.willRun(n):
		value = bootValue(name)
	default:
		return -1, at
	}
	if value == "" {
		return -1, at // of another version
	}
	return int(number(facts.Setting{}, value)), at
}
