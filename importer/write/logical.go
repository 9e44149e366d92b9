package write

import (
	"slices"
	"strconv"
	"strings"

	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/topology"
)

// clusterReference is an expression for a cluster.
func clusterReference(c *topology.Cluster) string { return "cluster." + c.Name }

// labelOf is the last part of a block's address.
func labelOf(id string) string {
	_, name, _ := strings.Cut(id, ".")
	return name
}

func (p *printer) publication(pub *topology.Publication) {
	p.opens(pub, "publication", labelOf(pub.ID))
	p.attribute("cluster", clusterReference(pub.Cluster))
	p.attribute("database", quote(pub.Database))
	p.text("name", pub.Name, labelOf(pub.ID))
	p.flag("all_tables", pub.AllTables, false)
	p.texts("schemas", pub.Schemas)
	p.tables(pub.Tables)
	if !slices.Equal(pub.Publish, topology.Operations()) {
		p.attribute("publish", quoted(pub.Publish))
	}
	p.flag("via_partition_root", pub.ViaPartitionRoot, false)
	p.text("publish_generated_columns", pub.GeneratedColumns, "")
	p.lifecycle(pub.Lifecycle)
	p.close()
}

// tables writes those that are published whole in a list, and a block for each other.
func (p *printer) tables(all []topology.PublishedTable) {
	whole := list.Kept(all, func(t topology.PublishedTable) bool { return t.Columns == nil && t.Where == "" })
	names := make([]string, len(whole))
	for i, t := range whole {
		names[i] = t.Table.String()
	}
	const oneLine = 3
	switch {
	case len(names) > oneLine:
		p.line("tables = [")
		p.depth++
		for _, n := range names {
			p.line(quote(n) + ",")
		}
		p.depth--
		p.line("]")
	default:
		p.texts("tables", names)
	}
	for _, t := range all {
		if t.Columns == nil && t.Where == "" {
			continue
		}
		p.begin("table", t.Table.String())
		p.texts("columns", t.Columns)
		p.text("where", t.Where, "")
		p.close()
	}
}

func (p *printer) subscription(sub *topology.Subscription) {
	p.opens(sub, "subscription", labelOf(sub.ID))
	p.attribute("cluster", clusterReference(sub.Cluster))
	p.attribute("database", quote(sub.Database))
	p.text("name", sub.Name, labelOf(sub.ID))
	if sub.Connection == nil {
		ids := make([]string, len(sub.Publications))
		for i, pub := range sub.Publications {
			ids[i] = pub.ID
		}
		p.attribute("publications", "["+strings.Join(ids, ", ")+"]")
		p.subscriberRole(sub)
	} else {
		p.texts("publication_names", sub.PublicationNames)
	}
	p.options(sub)
	if sub.Connection != nil {
		p.connection(sub.Connection)
	}
	p.close()
}

// subscriberRole names the role where it is not the only one with REPLICATION.
func (p *printer) subscriberRole(sub *topology.Subscription) {
	fitting := list.Kept(sub.Publisher().Roles, func(r *topology.Role) bool { return r.Replication })
	if len(fitting) != 1 || fitting[0] != sub.Role {
		p.attribute("role", quote(sub.Role.Name))
	}
}

// options writes those that are said.
func (p *printer) options(sub *topology.Subscription) {
	o := sub.Options
	p.flag("enabled", o.Enabled, true)
	if o.SlotName != sub.Name {
		p.attribute("slot_name", quote(o.SlotName))
	}
	p.flag("create_slot", sub.CreateSlot, true)
	p.text("streaming", o.Streaming, "")
	p.text("origin", o.Origin, "")
	p.text("synchronous_commit", o.SynchronousCommit, "")
	for _, f := range []struct {
		name  string
		value *bool
	}{
		{"binary", o.Binary},
		{"two_phase", o.TwoPhase},
		{"disable_on_error", o.DisableOnError},
		{"password_required", o.PasswordRequired},
		{"run_as_owner", o.RunAsOwner},
		{"failover", o.Failover},
	} {
		if f.value != nil {
			p.flag(f.name, *f.value, !*f.value)
		}
	}
}

func (p *printer) connection(c *topology.Connection) {
	p.begin("connection")
	p.text("host", c.Host, "")
	p.number("port", c.Port)
	p.text("database", c.Database, "")
	p.text("user", c.User, "")
	if c.Password.IsSet() {
		p.attribute("password", c.Password.Ref)
	}
	for _, a := range [][2]string{{"sslmode", c.SSLMode}, {"sslrootcert", c.SSLRootCert}, {"sslcert", c.SSLCert}, {"sslkey", c.SSLKey}, {"service", c.Service}, {"passfile", c.Passfile}} {
		p.text(a[0], a[1], "")
	}
	if c.ConnectTimeout != 0 {
		p.attribute("connect_timeout", quote(strconv.Itoa(c.ConnectTimeout)+"s"))
	}
	p.close()
}
