package topology

import (
	"fmt"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// decodeSubscriptions returns the value of subscription.NAME.
func (e *evaluator) decodeSubscriptions(decl *declaration) cty.Value {
	return e.eachOf(decl, subscriptionSchema(), func(id string, scope map[string]cty.Value) cty.Value {
		s := e.decodeSubscription(decl, id, scope)
		return publicationValue(s.ID, s.Name, s.Database, s.Cluster)
	})
}

func (e *evaluator) decodeSubscription(decl *declaration, id string, scope map[string]cty.Value) *Subscription {
	b := e.read(decl.block, decl.block.Body, subscriptionSchema(), id, scope)
	s := &Subscription{
		ID: id, CopyData: true, CreateSlot: true,
		CopySchema: CopySchemaNone, OnDestroy: OnDestroyDrop, Range: decl.at,
	}
	b.about(s)
	s.Cluster = b.cluster("cluster")
	b.text("database", &s.Database, objectName)
	s.Name = b.nameOr(decl.name)
	b.copyData(s)
	b.flag("create_slot", &s.CreateSlot)
	b.text("copy_schema", &s.CopySchema, oneOf(CopySchemaNone, CopySchemaMissing))
	b.text("on_destroy", &s.OnDestroy, oneOf(OnDestroyDrop, OnDestroyRetain))
	b.publisher(s)
	b.subscriptionOptions(&s.Options)
	b.subscriptionSlot(s)
	s.Lifecycle = b.lifecycle([]string{
		"publications", "connection", "enabled", "slot_name", "binary", "streaming", "two_phase", "disable_on_error",
		"origin", "password_required", "run_as_owner", "failover", "synchronous_commit",
	})
	e.top.Subscriptions = append(e.top.Subscriptions, s)
	return s
}

// copyData reads a flag that has a third value.
func (b *block) copyData(s *Subscription) {
	if v, ok := b.value("copy_data"); ok && v.Type() == cty.String && v.AsString() == CopyDataMerge {
		s.CopyMerge = true
		return
	}
	if v, ok := b.convert("copy_data", cty.Bool, "true, false, or \"merge\""); ok {
		s.CopyData = v.True()
	}
}

func (b *block) subscriptionOptions(o *SubscriptionOptions) {
	o.Enabled = true
	b.flag("enabled", &o.Enabled)
	o.Binary = b.optional("binary")
	b.word("streaming", &o.Streaming, StreamingOff, StreamingOn, StreamingParallel)
	o.TwoPhase = b.optional("two_phase")
	o.DisableOnError = b.optional("disable_on_error")
	b.text("origin", &o.Origin, oneOf(OriginAny, OriginNone))
	o.PasswordRequired = b.optional("password_required")
	o.RunAsOwner = b.optional("run_as_owner")
	o.Failover = b.optional("failover")
	b.word("synchronous_commit", &o.SynchronousCommit, "off", "local", "on", "remote_write", "remote_apply")
}

// optional reads a flag whose absence means PostgreSQL's own default.
func (b *block) optional(name string) *bool {
	v, ok := b.convert(name, cty.Bool, "true or false")
	if !ok {
		return nil
	}
	value := v.True()
	return &value
}

// word reads one of several words, of which on and off may be written as true
// and false.
func (b *block) word(name string, to *string, allowed ...string) {
	if v, ok := b.value(name); ok && v.Type() == cty.Bool {
		*to = map[bool]string{true: "on", false: "off"}[v.True()]
		return
	}
	b.text(name, to, oneOf(allowed...))
}

// subscriptionSlot: PostgreSQL refuses a subscription whose name cannot name a
// slot and that gives none.
func (b *block) subscriptionSlot(s *Subscription) {
	if b.has("slot_name") {
		s.namesSlot = true
		b.text("slot_name", &s.Options.SlotName, slotName)
		return
	}
	s.Options.SlotName = foldSlotName(s.Name)
	if s.Name != "" && s.Options.SlotName != s.Name {
		b.e.add(caution(b.rangeOf("name"), "Slot name differs from subscription name",
			"%q is not a valid slot name: use lower-case letters, digits and underscores. The slot of %s will be named "+
				"%q. To make that explicit, write\n  slot_name = %q",
			s.Name, s.ID, s.Options.SlotName, s.Options.SlotName))
	}
}

// publisher reads where the data comes from: publications of this topology, or
// a connection and names.
func (b *block) publisher(s *Subscription) {
	var ranges []hcl.Range
	s.Publications, ranges = b.publications("publications")
	for i, at := range ranges {
		b.e.places.put(s, publicationPlace(i), at)
	}
	s.PublicationNames = b.texts("publication_names", objectName)
	inner := b.block("connection")
	if inner != nil {
		s.Connection = inner.connection()
	}
	b.checkPublisher(s, inner)
	b.subscriberRole(s)
}

func (b *block) checkPublisher(s *Subscription, connection *block) {
	switch {
	case b.has("publications") && connection != nil:
		b.e.add(problem(connection.at, "Conflicting publishers",
			"publications refers to a publisher in this topology, and connection to one outside it. Remove one of the "+
				"two."))
	case b.has("publications"):
		b.notApplicable("publication_names", "publications already says what to subscribe to. publication_names is for a publisher outside the topology, "+
			"with a connection block.")
		if len(s.Publications) == 0 && b.emptyList("publications") {
			b.invalid("publications", "the list is empty; a subscription needs at least one publication.")
		}
	case connection != nil && !b.has("publication_names"):
		b.e.add(problem(connection.at, "Missing publication names",
			"%s connects to a publisher outside the topology. List the publications to subscribe to, for example\n"+
				"  publication_names = [\"orders\"]", s.ID))
	case connection != nil:
		b.notApplicable("role", "for a publisher outside the topology, set the role as user in the connection block.")
		b.refuseCopySchema(s)
		if len(s.PublicationNames) == 0 && b.emptyList("publication_names") {
			b.invalid("publication_names", "the list is empty; a subscription needs at least one publication.")
		}
	default:
		b.e.add(problem(b.at, "Missing publisher",
			"%s does not say where its data comes from. List publications of this topology, for example\n"+
				"  publications = [publication.NAME]\n"+
				"or, for a publisher outside it, add a connection block and publication_names.", s.ID))
	}
}

// emptyList tells a list that is written empty from one whose elements are
// wrong or unknown.
func (b *block) emptyList(name string) bool {
	v, diags := b.content.Attributes[name].Expr.Value(b.ctx)
	v, _ = v.Unmark()
	return !diags.HasErrors() && v.IsKnown() && !v.IsNull() && v.CanIterateElements() && v.LengthInt() == 0
}

// notApplicable reports an attribute that has no meaning here.
func (b *block) notApplicable(name, why string) {
	if b.has(name) {
		b.e.add(problem(b.rangeOf(name), "Attribute not applicable", "%s: %s", name, why))
	}
}

func (b *block) refuseCopySchema(s *Subscription) {
	if s.CopySchema == CopySchemaMissing {
		b.e.add(unsupported(b.rangeOf("copy_schema"),
			"copy_schema reads table definitions on the publisher's host, and a publisher outside the topology has none "+
				"here. Create the tables first, and remove copy_schema."))
	}
}

// connection reads the block of that name.
func (b *block) connection() *Connection {
	c := &Connection{Range: b.at}
	b.about(c)
	b.text("host", &c.Host, serverName)
	c.Host = canonicalAddress(c.Host)
	b.port(&c.Port)
	b.text("database", &c.Database, objectName)
	b.text("user", &c.User, objectName)
	c.Password, _ = b.password(b.address + ".password")
	b.text("sslmode", &c.SSLMode, oneOf(sslModes()...))
	b.text("sslrootcert", &c.SSLRootCert, notEmpty)
	b.text("sslcert", &c.SSLCert, notEmpty)
	b.text("sslkey", &c.SSLKey, notEmpty)
	b.text("service", &c.Service, notEmpty)
	b.text("passfile", &c.Passfile, notEmpty)
	b.seconds("connect_timeout", &c.ConnectTimeout)
	if !b.has("service") && (!b.has("host") || !b.has("database")) {
		b.e.add(problem(b.at, "Incomplete connection",
			"A connection needs host and database, or a libpq service that provides both."))
	}
	return c
}

// seconds reads a duration of whole seconds, which is all that libpq takes.
func (b *block) seconds(name string, to *int) {
	var d time.Duration
	switch b.duration(name, &d); {
	case d == 0:
	case d < time.Second || d%time.Second != 0:
		b.invalid(name, "must be in whole seconds, for example \"10s\".")
	default:
		*to = int(d / time.Second)
	}
}

// publicationPlace is what the place of a publication of a subscription is kept
// for.
func publicationPlace(i int) string { return fmt.Sprintf("publications[%d]", i) }

// subscriberRole finds the publisher's role that the subscription logs in as.
func (b *block) subscriberRole(s *Subscription) {
	name := ""
	b.text("role", &name, roleName)
	publisher := s.Publisher()
	if publisher == nil {
		return
	}
	if name == "" {
		s.Role = onlyReplicationRole(publisher)
		return
	}
	s.Role = b.roleOf(publisher, name)
}
