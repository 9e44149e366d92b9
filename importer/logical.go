package importer

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// Publications and subscriptions. A subscription whose publisher was read too refers to its
// publications; another one has a connection.

// flows finds all subscriptions, and their publishers.
func flows(groups []*group) []*flow {
	var all []*flow
	for _, g := range groups {
		logical := g.primary().server().Logical
		for _, database := range list.SortedKeys(logical) {
			for i := range logical[database].Subscriptions {
				f := &flow{found: &logical[database].Subscriptions[i], database: database, subscriber: g}
				f.conn = conninfo.Map(f.found.ConnInfo.Reveal())
				f.find(groups)
				all = append(all, f)
			}
		}
	}
	return all
}

// find looks for the publisher: the primary to which the connection leads, where it has all the
// publications.
func (f *flow) find(groups []*group) {
	m := &member{Seen: f.subscriber.primary().Seen, conn: f.conn}
	for _, g := range groups {
		up := g.primary()
		host := m.hostOf(up)
		source := up.server().Logical[f.conn["dbname"]]
		has := func(name string) bool { return source.Publication(name) != nil && sayable(name) }
		if host == "" || !list.SameSet(list.Kept(f.found.Publications, has), f.found.Publications) {
			continue
		}
		f.publisher, f.host, f.sender = g, host, up.server().SenderFrom(f.found.Options.SlotName)
		return
	}
}

// publications describes those of a cluster.
func (d *decider) publications(g *group) {
	logical := g.primary().server().Logical
	for _, database := range list.SortedKeys(logical) {
		if e := logical[database].Error; e != nil {
			d.doc.Comment(g.cluster, "end", fmt.Sprintf("The publications and subscriptions of database %s could not be read: %s", database, e.Text))
		}
		for _, found := range logical[database].Publications {
			if !sayable(found.Name) {
				d.doc.Comment(g.cluster, "end", fmt.Sprintf("Publication %q of database %s has a name that cannot be written here.", found.Name, database))
				continue
			}
			pub := found.Publication
			pub.ID = d.identifier("publication", pub.Name, func(id string) bool {
				return slices.ContainsFunc(d.doc.Topology.Publications, func(p *topology.Publication) bool { return p.ID == id })
			})
			pub.Cluster, pub.Database, pub.Owner = g.cluster, database, ""
			if pub.GeneratedColumns == topology.GeneratedNone {
				pub.GeneratedColumns = ""
			}
			d.doc.Topology.Publications = append(d.doc.Topology.Publications, &pub)
		}
	}
}

// identifier is the address of a block named after an object, in the letters of a label.
func (d *decider) identifier(kind, name string, taken func(string) bool) string {
	name = strings.Trim(notInLabel.ReplaceAllString(name, "-"), "-")
	if !label.MatchString(name) {
		name = kind
	}
	id := kind + "." + name
	for i := 2; taken(id); i++ {
		id = fmt.Sprintf("%s.%s-%d", kind, name, i)
	}
	return id
}

var notInLabel = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// subscription describes one.
func (d *decider) subscription(f *flow) {
	c := f.subscriber.cluster
	if f.found.Options.SlotName == "" {
		d.doc.Comment(c, "end", fmt.Sprintf("Subscription %s of database %s has no slot (slot_name = NONE), and is not described.", f.found.Name, f.database))
		return
	}
	if !sayable(f.found.Name) || f.publisher == nil && !f.isPlain() {
		d.doc.Comment(c, "end", fmt.Sprintf("Subscription %q of database %s has a name or a connection that cannot be written here, and is not described.", f.found.Name, f.database))
		return
	}
	sub := &topology.Subscription{Name: f.found.Name, Cluster: c, Database: f.database, CopyData: true, CreateSlot: true, Options: said(f.found.Options, f.subscriber.primary().server().Major())}
	sub.ID = d.identifier("subscription", sub.Name, func(id string) bool {
		return slices.ContainsFunc(d.doc.Topology.Subscriptions, func(s *topology.Subscription) bool { return s.ID == id })
	})
	d.doc.Topology.Subscriptions = append(d.doc.Topology.Subscriptions, sub)
	if f.publisher == nil {
		d.outside(f, sub)
		return
	}
	for _, name := range f.found.Publications {
		i := slices.IndexFunc(d.doc.Topology.Publications, func(p *topology.Publication) bool {
			return p.Cluster == f.publisher.cluster && p.Database == f.conn["dbname"] && p.Name == name
		})
		sub.Publications = append(sub.Publications, d.doc.Topology.Publications[i])
	}
	found := f.publisher.primary().server().Role(f.user())
	if found == nil {
		d.doc.Comment(sub, "", fmt.Sprintf("It connects as a role that the publisher does not have: %s.", f.user()))
		sub.Role = &topology.Role{Name: f.user()}
		return
	}
	sub.Role = d.describe(f.publisher, found)
	if !sub.Role.Password.IsSet() {
		password, known := f.password()
		d.secret(f.publisher, sub.Role, "as which "+f.found.Name+" connects", password, known)
	}
	if !pg.SameHost(f.host, f.publisher.primary().node.Address) {
		d.doc.Comment(sub, "", fmt.Sprintf("It connects to %s as %s.", f.publisher.primary().node.Name, f.host))
	}
}

// isPlain reports whether a connection to a publisher that was not read is one that a topology can
// say: to one host, by its name.
func (f *flow) isPlain() bool {
	host := f.conn["host"]
	return f.conn["service"] != "" || host != "" && f.conn["dbname"] != "" && f.conn["hostaddr"] == "" && !strings.ContainsAny(host, ",/")
}

// outside is the connection to a publisher that was not read.
func (d *decider) outside(f *flow, sub *topology.Subscription) {
	port, _ := strconv.Atoi(f.conn["port"])
	timeout, _ := strconv.Atoi(f.conn["connect_timeout"])
	sub.PublicationNames = f.found.Publications
	sub.Connection = &topology.Connection{
		Host: f.conn["host"], Port: port, Database: f.conn["dbname"], User: f.conn["user"], SSLMode: f.conn["sslmode"], SSLRootCert: f.conn["sslrootcert"],
		SSLCert: f.conn["sslcert"], SSLKey: f.conn["sslkey"], Service: f.conn["service"], Passfile: f.conn["passfile"], ConnectTimeout: timeout,
	}
	if f.conn["password"] != "" {
		sub.Connection.Password = d.variableFor(f.found.Name, "Password with which subscription "+f.found.Name+" connects.", f.conn["password"], true)
	}
}

// user is the role as which it connects: by default that of the OS user's name.
func (f *flow) user() string {
	if f.conn["user"] == "" {
		return f.subscriber.primary().Facts.Host.OSUser
	}
	return f.conn["user"]
}

// password is the one with which it logs in, where it stands in its connection string or in
// repltool's own file.
func (f *flow) password() (string, bool) {
	if p := f.conn["password"]; p != "" {
		return p, true
	}
	file := f.subscriber.primary().Facts.Host.SubscriptionPassfile
	if file.Path == "" || file.Path != f.conn["passfile"] {
		return "", false
	}
	return conninfo.Passfile(file.Text.Reveal(), f.conn["host"], strconv.Itoa(pg.PortOf(f.conn)), f.conn["dbname"], f.conn["user"])
}

// said are the options that are not the defaults of the version.
func said(o topology.SubscriptionOptions, major int) topology.SubscriptionOptions {
	off := func(b *bool, normal bool) *bool {
		if b == nil || *b == normal {
			return nil
		}
		return b
	}
	unless := func(value, normal string) string {
		if value == normal {
			return ""
		}
		return value
	}
	streaming := topology.StreamingOff
	if major >= 18 {
		streaming = topology.StreamingParallel
	}
	return topology.SubscriptionOptions{
		Enabled: o.Enabled, SlotName: o.SlotName, Binary: off(o.Binary, false), Streaming: unless(o.Streaming, streaming), TwoPhase: off(o.TwoPhase, false),
		DisableOnError: off(o.DisableOnError, false), Origin: unless(o.Origin, topology.OriginAny), PasswordRequired: off(o.PasswordRequired, true),
		RunAsOwner: off(o.RunAsOwner, false), Failover: off(o.Failover, false), SynchronousCommit: unless(o.SynchronousCommit, "off"),
	}
}
