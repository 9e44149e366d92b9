package cluster

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// A standby or a subscription logs in with the connection that it has until that is changed,
// and again after every restart and every lost connection until then. The rule and the
// password of its old connection therefore stand beside the new ones, and go once it has the
// new one, in the same plan. Who streams and is not defined in the topology keeps the rule that lets it in,
// as it keeps its slot, until it is stopped.

// PassingRule is a rule that goes later in the plan, once a standby or a subscription has its
// new connection.
type PassingRule struct {
	topology.HBARule
	Standby      *topology.Node         // nil: of a subscription
	Subscription *topology.Subscription // nil: of a standby
}

// PassingRules returns those of n's block.
func (s *Cluster) PassingRules(n *topology.Node) []PassingRule {
	return compute(s, "passing", n, func() []PassingRule {
		var all []PassingRule
		for _, r := range s.unwantedRules(n, s.wantedRules(n)) {
			i := slices.IndexFunc(s.Cluster.Standbys, func(sb *topology.Standby) bool { return s.logsInBy(n, r, sb) })
			if i >= 0 {
				all = append(all, PassingRule{HBARule: r, Standby: s.Cluster.Standbys[i].Node})
				continue
			}
			i = slices.IndexFunc(s.Topology.Subscriptions, func(sub *topology.Subscription) bool { return s.subscribesBy(n, r, sub) })
			if i >= 0 {
				all = append(all, PassingRule{HBARule: r, Subscription: s.Topology.Subscriptions[i]})
			}
		}
		return slices.Clip(all)
	})
}

// DropsPassing reports whether those of n go in this plan.
func (s *Cluster) DropsPassing(n *topology.Node) bool {
	passing := s.PassingRules(n)
	return len(passing) > 0 && !slices.ContainsFunc(passing, func(r PassingRule) bool {
		if r.Standby != nil {
			return !s.ConnMoves(r.Standby)
		}
		return !s.subscriptionMoves(r.Subscription)
	})
}

// subscribesBy reports whether a rule on n lets in the connection that a subscription of the
// topology has until this plan changes it.
func (s *Cluster) subscribesBy(n *topology.Node, r topology.HBARule, sub *topology.Subscription) bool {
	v, unknown := s.SubscriptionOf(sub)
	if unknown || v.Is == nil {
		return false
	}
	now, on := v.ConnNow(), v.Scope.PublisherOf(v.Is)
	return (on == nil || slices.Contains(s.Cluster.Members(), on)) &&
		slices.Equal(r.Database, []string{conftext.LiteralDatabase(now["dbname"])}) && slices.Equal(r.User, []string{conftext.LiteralUser(now["user"])}) &&
		slices.Contains(s.addressesOf(n, sub.Cluster.Members()), r.Address)
}

// subscriptionMoves reports whether this plan gives a subscription the connection that the
// topology has for it.
func (s *Cluster) subscriptionMoves(sub *topology.Subscription) bool {
	v, unknown := s.SubscriptionOf(sub)
	return !unknown && v.Is != nil && !v.Blind && v.Severed() == "" && !v.Lifecycle.Ignores("connection") && s.Targeted(sub.Address())
}

// PassingLogins returns the beginnings of the lines of n's block in the password file of the
// cluster's subscriptions by which these log in until this plan changes their connection,
// and that are not wanted; drops reports whether they go in this plan.
func (s *Cluster) PassingLogins(n *topology.Node) (lines []string, drops bool) {
	wanted := conninfo.PassLines(s.SubscriptionPasswords().Text)
	drops = true
	for _, l := range s.OwnLines(n) {
		i := slices.IndexFunc(s.Subscriptions(), func(sub *topology.Subscription) bool {
			v, unknown := s.SubscriptionOf(sub)
			now := v.ConnNow()
			return !unknown && v.Is != nil && now["passfile"] == s.subscriptionPassfile(s.Goal.Primary) && l.Fits(now["host"], strconv.Itoa(pg.PortOf(now)), now["dbname"], now["user"])
		})
		if i >= 0 && !slices.ContainsFunc(wanted, l.Overlaps) {
			lines = append(lines, l.Where+":")
			drops = drops && s.subscriptionMoves(s.Subscriptions()[i])
		}
	}
	return lines, drops && lines != nil
}

// movesLogin reports whether a standby that runs gets another connection in this plan.
func (s *Cluster) movesLogin(sb *topology.Standby) bool {
	return s.Running(sb.Node) && s.Found(sb.Node).Server.InRecovery && !s.Recloned(sb.Node) && s.KnowsConn(sb.Node) &&
		len(s.ConnDiffers(s.ConnNow(sb.Node), s.ConnInfo(sb), sb)) > 0
}

// LosesLogin reports whether a role has another password after this plan, or is not known to
// exist on the primary.
func (s *Cluster) LosesLogin(name string) bool {
	if s.Live() == nil || s.Live().Role(name) == nil {
		return true
	}
	r := s.Cluster.Role(name)
	return r != nil && s.PasswordChanges(r, s.Live().Role(name))
}

// logsInBy reports whether a rule on n lets in the connection that a standby has until this
// plan changes it.
func (s *Cluster) logsInBy(n *topology.Node, r topology.HBARule, sb *topology.Standby) bool {
	return s.movesLogin(sb) && s.Followed(sb) == n && slices.Contains([]string{"replication", pg.Maintenance}, r.Database[0]) &&
		slices.Equal(r.User, []string{conftext.LiteralUser(s.ConnNow(sb.Node)["user"])}) &&
		slices.Contains(s.addressesOf(n, []*topology.Node{sb.Node}), r.Address)
}

// ConnMoves reports whether this plan changes the connection of a standby: it does not
// where it is not known how its upstream is reached.
func (s *Cluster) ConnMoves(n *topology.Node) bool {
	sb := s.Cluster.Standby(n)
	return s.Found(n).Complete() && (!s.Repointed(sb) || s.Found(sb.Upstream).Complete())
}

// PassingLines returns the beginnings of the lines of a standby's password file by which it
// logs in until this plan changes its connection, and that are not wanted.
func (s *Cluster) PassingLines(sb *topology.Standby) []string {
	file, now := s.Found(sb.Node).Host.Passfile, s.ConnNow(sb.Node)
	own, err := conftext.FindBlock(file.Text.Reveal(), s.Found(sb.Node).Host.DataDir)
	if err != nil || !s.movesLogin(sb) || now["passfile"] != file.Path {
		return nil
	}
	wanted := conninfo.PassLines(s.StandbyPasswords(sb).Text)
	var all []string
	for _, l := range conninfo.PassLines(own.Body) {
		if l.Fits(now["host"], strconv.Itoa(pg.PortOf(now)), "replication", now["user"]) && !slices.ContainsFunc(wanted, l.Overlaps) {
			all = append(all, l.Where+":")
		}
	}
	return all
}

// unwantedRules returns the rules of n's block that let in one machine and are not wanted.
func (s *Cluster) unwantedRules(n *topology.Node, wanted []topology.HBARule) []topology.HBARule {
	block := s.HBABlock(s.Found(n).Host)
	if !block.Found() {
		return nil
	}
	has := map[string]bool{}
	var text strings.Builder
	for _, r := range wanted {
		line := HBALine(r)
		has[line] = true
		text.WriteString(line + "\n")
	}
	if text.String() == block.Body() {
		return nil
	}
	var rules []topology.HBARule
	for _, l := range conftext.ParseHBA(block.Body()) {
		found, err := l.Rule()
		if err != nil || len(found.Options) > 0 || has[found.String()] || !isHost(found.Address) {
			continue
		}
		rules = append(rules, topology.HBARule{Type: found.Type, Database: found.Database, User: found.User, Address: found.Address, Method: found.Method})
	}
	return rules
}

// streamsBy returns who streams from n by a rule and is not defined in the topology; nil for nobody.
func (s *Cluster) streamsBy(n *topology.Node, r topology.HBARule) *User {
	server := s.Found(n).Server
	if server == nil || s.Recloned(n) {
		return nil
	}
	for _, w := range server.Senders {
		address, err := netip.ParseAddr(w.ClientAddr)
		if err != nil || w.Copies() || Decodes(server, w) || s.isMember(n, w) || !slices.Contains(r.Database, "replication") ||
			!slices.Equal(r.User, []string{conftext.LiteralUser(w.User)}) || r.Address != netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen()).String() {
			continue
		}
		return &User{
			scope: s, on: n, Who: w.ApplicationName + " streams from " + n.Name + " and uses",
			Hint: "Stop the standby that uses it, then apply again.",
		}
	}
	return nil
}

// isMember reports whether a WAL sender of n serves a standby of the topology.
func (s *Cluster) isMember(n *topology.Node, w facts.Sender) bool {
	return slices.ContainsFunc(s.Cluster.Standbys, func(sb *topology.Standby) bool {
		up := s.UpstreamOf(s.Found(sb.Node))
		if up != nil && up != n {
			return false
		}
		sender := s.SenderOf(sb, n)
		return sender != nil && sender.PID == w.PID
	})
}
