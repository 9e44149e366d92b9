package topology

import (
	"fmt"
	"math"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// replication reads how standbys log in. The roles are read before it.
func (b *block) replication(c *Cluster) {
	r := &c.Replication
	r.SSLMode, r.Method, r.Range = "prefer", "scram-sha-256", b.at
	name := ""
	if inner := b.block("replication"); inner != nil {
		r.Range = inner.at
		inner.about(r)
		inner.text("role", &name, roleName)
		inner.text("sslmode", &r.SSLMode, oneOf(sslModes()...))
		inner.text("method", &r.Method, oneOf("scram-sha-256", "cert"))
		inner.text("sslrootcert", &r.SSLRootCert, notEmpty)
		inner.text("sslcert", &r.SSLCert, notEmpty)
		inner.text("sslkey", &r.SSLKey, notEmpty)
		inner.replicationRole(c, name)
	}
	if r.Role == nil && name == "" {
		r.Role = onlyReplicationRole(c)
	}
}

func (b *block) replicationRole(c *Cluster, name string) {
	if name == "" {
		return
	}
	c.Replication.Role = b.roleOf(c, name)
}

// roleOf returns the role that the attribute role names, or nil.
func (b *block) roleOf(c *Cluster, name string) *Role {
	role := c.Role(name)
	if role == nil {
		var names []string
		for _, r := range c.Roles {
			names = append(names, r.Name)
		}
		b.e.add(problem(b.rangeOf("role"), "Reference to undeclared name",
			"%s has no role block named %q.%s", c.ID, name, didYouMean(name, names)))
	}
	return role
}

// onlyReplicationRole returns the role that is meant when none is named: nil
// when there are none or several, which validate reports.
func onlyReplicationRole(c *Cluster) *Role {
	var found *Role
	for _, r := range c.Roles {
		if r.Replication && found != nil {
			return nil
		}
		if r.Replication {
			found = r
		}
	}
	return found
}

func (b *block) synchronous(c *Cluster) {
	inner := b.block("synchronous")
	if inner == nil {
		return
	}
	s := &Synchronous{Method: "any", Number: 1, Range: inner.at}
	inner.about(s)
	inner.text("method", &s.Method, oneOf("any", "first"))
	inner.number("number", &s.Number, 1, math.MaxInt32)
	if inner.has("standbys") {
		var ranges []hcl.Range
		s.Standbys, ranges = inner.nodes("standbys")
		for i, at := range ranges {
			b.e.places.put(s, elementName(i), at)
		}
	} else {
		s.Standbys = confirming(c)
	}
	c.Synchronous = s
}

// elementName is what the place of a member of the synchronous set is kept for.
func elementName(i int) string { return fmt.Sprintf("standbys[%d]", i) }

// confirming returns the standbys whose confirmation a commit can wait for in
// good time: those that follow the primary itself (PostgreSQL counts no
// others), and not with a delay.
func confirming(c *Cluster) []*Node {
	var nodes []*Node
	for _, s := range c.Standbys {
		if s.Upstream == c.Primary && s.ApplyDelay == 0 {
			nodes = append(nodes, s.Node)
		}
	}
	return nodes
}

func (b *block) baseBackup() BaseBackup {
	out := BaseBackup{Checkpoint: "fast", Verify: true, Range: b.at}
	inner := b.block("basebackup")
	if inner == nil {
		return out
	}
	out.Range = inner.at
	inner.text("max_rate", &out.MaxRate, maxRate)
	inner.text("checkpoint", &out.Checkpoint, oneOf("fast", "spread"))
	inner.flag("verify", &out.Verify)
	inner.text("wal_dir", &out.WALDir, absolutePath)
	out.TablespaceMapping = inner.pathMap("tablespace_mapping")
	return out
}

// pathMap reads a map from an absolute path to another.
func (b *block) pathMap(name string) map[string]string {
	v, ok := b.value(name)
	if !ok {
		return nil
	}
	m, err := convert.Convert(v, cty.Map(cty.String))
	if err != nil {
		b.wrongType(name, "a map of paths", v.Type())
		return nil
	}
	paths := map[string]string{}
	for from, to := range m.AsValueMap() {
		if to.IsNull() {
			continue
		}
		for _, path := range []string{from, to.AsString()} {
			for _, c := range []check{singleLine, absolutePath} {
				if why := c(path); why != "" {
					b.invalid(name, why)
					return nil
				}
			}
		}
		paths[from] = to.AsString()
	}
	return paths
}

func (b *block) initDB() InitDB {
	out := InitDB{Locale: "C.UTF-8", Encoding: "UTF8", DataChecksums: true, Auth: "scram-sha-256", Range: b.at}
	inner := b.block("initdb")
	if inner == nil {
		return out
	}
	out.Range = inner.at
	inner.text("locale", &out.Locale, notDashed, localeName)
	inner.text("encoding", &out.Encoding, notDashed, encodingName)
	inner.flag("data_checksums", &out.DataChecksums)
	inner.text("auth", &out.Auth, oneOf(hostMethods()...))
	return out
}

func (b *block) thresholds() Thresholds {
	inner := b.block("thresholds")
	if inner == nil {
		return Thresholds{}
	}
	out := Thresholds{LagBytes: inner.size("lag_bytes"), SlotRetained: inner.size("slot_retained")}
	lag := time.Duration(-1)
	inner.duration("lag_time", &lag)
	if lag >= 0 {
		out.LagTime = &lag
	}
	return out
}
