package plan

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/repltool/repltool/providers/conninfo"
	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// A standby's primary_conninfo, primary_slot_name and recovery_min_apply_delay
// stay where PostgreSQL's own tools put them, in postgresql.auto.conf, and are
// changed by ALTER SYSTEM. Its password stands in a passfile of repltool's own.
// Cloning is clone.go (PostgreSQL docs, 27.2.5 "Streaming Replication").

func standbys(s *scope, out *findings) {
	for _, sb := range s.cluster.Standbys {
		f := s.found(sb.Node)
		if !f.Complete() {
			continue
		}
		switch {
		case s.recloned(sb.Node):
			out.put(s.clone(sb, out))
		case f.Server != nil:
			out.put(s.follow(sb))
		default: // down: instances starts it
		}
		if s.lost(sb.Node) && !s.recloned(sb.Node) {
			out.tellDrift(s.standbyAddress(sb.Node), sb.Node.Name,
				"%s has to be cloned again: its slot %s on %s has lost WAL that it needs. Plan and apply with -replace=%s, and allow it with -allow=reclone",
				sb.Node.Name, ident(sb.Slot), sb.Upstream.Name, s.standbyAddress(sb.Node))
		}
	}
}

// follow compares a standby that runs.
func (s *scope) follow(sb *topology.Standby) *draft {
	n, f := sb.Node, s.found(sb.Node)
	d := newDraft(Update, s.standbyAddress(n), n)
	d.after = append(s.upstreamAddresses(sb), s.parametersAddress(n))
	if len(f.Host.Jobs) > 0 && !f.Host.Making() {
		d.Reason = "it runs: the marker of an earlier copy goes"
		d.remove(n, "it runs: take the marker away", markers(n, f.Host)...)
	}
	if s.passfileDiffers(sb) {
		d.differ("passfile", ptr(topology.Redacted), ptr(topology.Redacted), "")
		d.step(n, "write the passfile", s.passfile(sb))
	}
	var sets []string
	now := parseConnInfo(f.Server.ConnInfo.Reveal())
	wanted := s.connInfo(sb)
	if diffs := s.connDiffers(now, wanted, sb); len(diffs) > 0 {
		for _, key := range diffs {
			d.differ("primary_conninfo."+key, optional(now, key), optional(wanted, key), "")
		}
		sets = append(sets, "ALTER SYSTEM SET primary_conninfo = "+literal(formatConnInfo(wanted))+";")
	}
	for _, p := range []struct{ name, value string }{
		{"primary_slot_name", sb.Slot},
		{"recovery_min_apply_delay", milliseconds(sb.ApplyDelay)},
	} {
		setting := f.Server.Settings[p.name]
		if current := f.Server.InForce(p.name); !same(setting, current, p.value) {
			d.differ(p.name, ptr(withUnit(setting, current)), ptr(withUnit(setting, p.value)), "")
			sets = append(sets, "ALTER SYSTEM SET "+p.name+" = "+literal(p.value)+";")
		}
	}
	for _, set := range sets {
		d.sql(n, "set", set)
	}
	if len(sets) > 0 {
		d.worsen(Reload)
		d.reload(n)
	}
	if d.changes("primary_") {
		d.Effect = "the WAL receiver reconnects"
		name := n.Name // of the new conninfo
		if !d.changes("primary_conninfo") {
			name = s.applicationName(n)
		}
		s.awaitStream(d, sb.Upstream, n, name)
	}
	return d
}

// upstreamAddresses are what must be in order before a standby connects.
func (s *scope) upstreamAddresses(sb *topology.Standby) []string {
	up := sb.Upstream
	all := []string{
		s.nodeAddress(up), s.standbyAddress(up), s.parametersAddress(up), s.hbaAddress(up),
		s.nodeAddress(s.cluster.Primary), s.parametersAddress(s.cluster.Primary),
	}
	if sb.Slot != "" {
		all = append(all, s.address("slot", sb.Slot))
	}
	if r := s.cluster.Replication.Role; r != nil {
		all = append(all, s.address("role", r.Name))
	}
	return all
}

// connInfo answers the primary_conninfo of a standby: no password, it is in the
// passfile. application_name is what synchronous_standby_names matches.
func (s *scope) connInfo(sb *topology.Standby) map[string]string {
	r := s.cluster.Replication
	c := map[string]string{
		"host": sb.Upstream.Address, "port": strconv.Itoa(sb.Upstream.Port),
		"user": r.Role.Name, "application_name": sb.Node.Name, "sslmode": r.SSLMode,
	}
	if r.Role.Password.IsSet() {
		c["passfile"] = s.found(sb.Node).Host.Passfile.Path
	}
	if s.copiesSlots(sb.Node) {
		c["dbname"] = maintenance
	}
	for key, value := range map[string]string{"sslrootcert": r.SSLRootCert, "sslcert": r.SSLCert, "sslkey": r.SSLKey} {
		if value != "" {
			c[key] = value
		}
	}
	return c
}

// connKeys is the order in which a conninfo is written.
func connKeys() []string {
	return []string{"host", "port", "dbname", "user", "passfile", "application_name", "sslmode", "sslrootcert", "sslcert", "sslkey"}
}

func formatConnInfo(c map[string]string) string {
	var pairs []conninfo.Pair
	for _, key := range connKeys() {
		if value, ok := c[key]; ok {
			pairs = append(pairs, conninfo.Pair{Key: key, Value: value})
		}
	}
	return conninfo.Format(pairs)
}

func parseConnInfo(text string) map[string]string {
	pairs, err := conninfo.Parse(text)
	if err != nil {
		return map[string]string{}
	}
	m := map[string]string{}
	for _, p := range pairs {
		m[p.Key] = p.Value
	}
	return m
}

func portOf(conn map[string]string) int {
	if conn["port"] == "" {
		return 5432
	}
	port, err := strconv.Atoi(conn["port"])
	if err != nil {
		return 0
	}
	return port
}

// connDiffers answers the keys in which a conninfo is not as wanted. What libpq
// would fill in anyway is no difference; a password that stands in the text and
// is the right one does for the passfile, so that a standby made by hand is
// adopted without a reconnect. A name of its own a standby needs only as a member of
// the synchronous set.
func (s *scope) connDiffers(now, wanted map[string]string, sb *topology.Standby) []string {
	role := s.cluster.Replication.Role
	var keys []string
	defaults := map[string]string{"port": "5432", "sslmode": "prefer"}
	for _, key := range connKeys() {
		is, want := now[key], wanted[key]
		if is == "" {
			is = defaults[key]
		}
		if want == "" {
			want = defaults[key]
		}
		if key == "passfile" && now["password"] != "" && now["password"] == role.Password.Reveal() {
			continue
		}
		if key == "dbname" && want == "" {
			continue // streaming itself uses none
		}
		if key == "application_name" && !slices.Contains(s.syncMembers(), sb.Node) {
			continue // nothing matches it: no reason to interrupt the stream
		}
		if is != want {
			keys = append(keys, key)
		}
	}
	return keys
}

func optional(m map[string]string, key string) *string {
	if v, ok := m[key]; ok {
		return &v
	}
	return nil
}

// milliseconds writes a delay in the unit of recovery_min_apply_delay.
func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// passfile is the standby's password file: one line for every other node of the
// cluster, so that a new upstream needs no new file (PostgreSQL docs, 34.16).
func (s *scope) passfile(sb *topology.Standby) File {
	return File{
		Path: s.found(sb.Node).Host.Passfile.Path, Content: s.passfileText(sb), Mode: 0o600,
		Diff: passfileDiff(s.passfileText(sb)),
	}
}

func (s *scope) passfileText(sb *topology.Standby) Text {
	role := s.cluster.Replication.Role
	var b textBuilder
	b.write("# repltool ", s.cluster.Name, ": how ", sb.Node.Name, " logs in to its upstream\n")
	seen := map[string]bool{}
	for _, m := range s.cluster.Members() {
		where := passField(m.Address) + ":" + strconv.Itoa(m.Port)
		if m == sb.Node || seen[where] {
			continue
		}
		seen[where] = true
		b.write(where, ":*:", passField(role.Name), ":").secret(role.Password, FormPassfile).write("\n")
	}
	return b.done()
}

// passField writes a field of a password file, where : and \ are escaped.
func passField(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `:`, `\:`)
}

// passfileDiff shows a whole new file, with its secrets struck out.
func passfileDiff(t Text) string {
	var b strings.Builder
	for _, l := range strings.Split(strings.TrimRight(t.Text, "\n"), "\n") {
		b.WriteString("+" + l + "\n")
	}
	return b.String()
}

// passfileDiffers tells whether the file is not as wanted. A standby that has its
// password in primary_conninfo needs none.
func (s *scope) passfileDiffers(sb *topology.Standby) bool {
	f := s.found(sb.Node)
	role := s.cluster.Replication.Role
	if !role.Password.IsSet() {
		return false
	}
	now := parseConnInfo(f.Server.ConnInfo.Reveal())
	if now["password"] != "" && now["password"] == role.Password.Reveal() && len(s.connDiffers(now, s.connInfo(sb), sb)) == 0 {
		return false
	}
	file := f.Host.Passfile
	wanted, err := s.passfileText(sb).Fill(func(SecretUse) (string, error) { return passField(role.Password.Reveal()), nil })
	return err != nil || !file.Exists || file.Mode != 0o600 || file.Text.Reveal() != wanted
}

// recloned tells whether the node's data directory is (still) to be filled by a
// clone: it has none, ours is half made, or the user asked for a new one.
func (s *scope) recloned(n *topology.Node) bool {
	f := s.found(n)
	if s.cluster.Standby(n) == nil || f.Host == nil {
		return false
	}
	return s.replace[s.standbyAddress(n)] || f.Server == nil && f.ServerError == nil &&
		(slices.Contains([]facts.DataState{facts.DataAbsent, facts.DataEmpty}, f.Host.Data.State) || len(f.Host.Jobs) > 0)
}

// applicationName is the name under which a standby that runs is seen upstream.
func (s *scope) applicationName(n *topology.Node) string {
	if f := s.found(n); f.Server != nil {
		if name := parseConnInfo(f.Server.ConnInfo.Reveal())["application_name"]; name != "" {
			return name
		}
		if name := f.Server.InForce("cluster_name"); name != "" {
			return name
		}
		return "walreceiver"
	}
	return n.Name
}

func binary(h *facts.Host, name string) string { return path.Join(h.BinDir, name) }

func copyNote(bytes int64) string {
	if bytes == 0 {
		return "size unknown"
	}
	return fmt.Sprintf("copies %s", bytesText(bytes))
}
