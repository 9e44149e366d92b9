package build

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A model is servers as facts, on which a plan's steps are done: what a statement, an edited
// file or a restart changes of what the next reading finds. It knows what PostgreSQL does, and
// nothing of what the plan is for.
type model struct {
	*interpreter
	top   *topology.Topology
	f     facts.Facts
	clock float64
	oid   int64
	t     testing.TB
	// stopped are the servers that a step stopped.
	stopped map[string]*facts.Server
}

// unknown is a step that the model does not know.
type unknown struct{ step string }

func (u unknown) Error() string { return "not interpreted: " + u.step }

// An interpreter is the shapes of statements and conditions that models know.
type interpreter struct {
	statements []shape[func(c call) error]
	conditions []shape[func(n *facts.Node, found []string, query string) bool]
	verifiers  map[string]string
}

// A shape is a pattern and what a text of that form does.
type shape[T any] struct {
	pattern *regexp.Regexp
	does    T
}

func compiled[T any](table map[string]T) []shape[T] {
	var all []shape[T]
	for _, pattern := range slices.Sorted(maps.Keys(table)) {
		all = append(all, shape[T]{regexp.MustCompile(`(?s)` + pattern), table[pattern]})
	}
	return all
}

func newInterpreter() *interpreter {
	return &interpreter{statements: compiled(statementTable()), conditions: compiled(conditions()), verifiers: map[string]string{}}
}

// verifier makes the verifier of a password once: it costs a millisecond.
func (i *interpreter) verifier(t testing.TB, password string) string {
	if i.verifiers[password] == "" {
		i.verifiers[password] = testVerifier(t, password)
	}
	return i.verifiers[password]
}

func (i *interpreter) model(t testing.TB, top *topology.Topology, f facts.Facts) *model {
	m := &model{interpreter: i, t: t, top: top, f: cloned(f), clock: 5000, oid: 50000, stopped: map[string]*facts.Server{}}
	for _, n := range m.f.Nodes {
		if n.Server != nil && n.Host != nil {
			m.clock = max(m.clock, n.Server.ConfLoaded+1, n.Host.HBA.Modified+1, n.Host.Conf.Modified+1)
		}
		if n.Server == nil && n.Host != nil {
			m.gone(n)
		}
	}
	return m
}

func (m *model) tick() float64 { m.clock++; return m.clock }

// do does one step. The error is an unknown, or what the server would say.
func (m *model) do(s plan.Step) error {
	n := m.f.Nodes[s.Node]
	switch op := s.Op.(type) {
	case plan.SQL:
		text, err := op.SQL.Fill(m.reveal)
		if err != nil {
			return err
		}
		if n.Server == nil {
			return fmt.Errorf("%s does not run: %s", s.Node, s.ID)
		}
		for _, statement := range split(text) {
			if err := m.sql(n, op.Database, statement); err != nil {
				return err
			}
		}
		m.replicate(n)
	case plan.File:
		return m.write(n, op)
	case plan.Command:
		return m.command(n, op)
	case plan.Wait:
		m.settle()
		return m.await(n, op)
	}
	return nil
}

// reveal writes a secret as apply does.
func (m *model) reveal(use plan.SecretUse) (string, error) {
	text := m.top.Secrets[use.Ref].Reveal()
	switch use.Form {
	case plan.FormSCRAM:
		return pg.Literal(m.verifier(m.t, text)), nil
	case plan.FormPassfile:
		return conninfo.PassField(text), nil
	case plan.FormConfig, plan.FormLiteral:
		return pg.Literal(text), nil
	case plan.FormConnInfo: // in a literal
		return strings.ReplaceAll(pg.Literal(text), "'", "''"), nil
	}
	return "", fmt.Errorf("form %s", use.Form)
}

// replicate gives standbys what their primary has.
func (m *model) replicate(n *facts.Node) {
	if n.Server == nil || n.Server.InRecovery {
		return
	}
	for _, other := range m.f.Nodes {
		if s := other.Server; s != nil && s.InRecovery && s.SystemIdentifier == n.Server.SystemIdentifier {
			from := copied(n.Server)
			s.Roles, s.Databases, s.Ledger = from.Roles, from.Databases, from.Ledger
		}
	}
}

// settle lets the standbys connect whose upstream is there.
func (m *model) settle() {
	for _, n := range m.nodes() {
		if n.Server != nil && draft.Outdated(n.Server) != "" && !n.Server.Receiver.ReplayPaused {
			m.disconnect(n) // it has replayed what it had, and takes what its settings say
		}
		m.connect(n)
	}
	m.follow()
}

func (m *model) nodes() []*facts.Node {
	var all []*facts.Node
	for _, n := range m.f.Nodes {
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b *facts.Node) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// connect starts the WAL receiver of a standby that has none.
func (m *model) connect(n *facts.Node) {
	s := n.Server
	if s == nil || !s.InRecovery || s.Receiver != nil && s.Receiver.Status == "streaming" {
		return
	}
	conn := conninfo.Map(s.ConnInfo.Reveal())
	up := m.at(conn)
	if up == nil || up.Server == nil || !m.admitted(n, conn) {
		return
	}
	name := s.InForce("primary_slot_name")
	if name != "" {
		slot := up.Server.Slot(name)
		if slot == nil || slot.WALStatus == "lost" {
			return
		}
		slot.Active = true
	}
	app := conn["application_name"]
	if app == "" {
		app = s.InForce("cluster_name")
	}
	if app == "" {
		app = "walreceiver"
	}
	s.Receiver = &facts.Receiver{PID: 300, Status: "streaming", SlotName: name, ConnInfo: shownConn(conn), ReplayPaused: s.Receiver != nil && s.Receiver.ReplayPaused}
	from := ""
	if node := m.top.Node(n.Name); node != nil {
		from = node.Address
	}
	up.Server.Senders = append(up.Server.Senders, facts.Sender{PID: int(m.tick()), User: conn["user"], ClientAddr: from, ApplicationName: app, State: "streaming", SlotName: name})
}

// admitted reports whether the standby has the password of its role.
func (m *model) admitted(n *facts.Node, conn map[string]string) bool {
	file, database := conn["passfile"], "replication"
	if conn["replication"] == "database" {
		database = conn["dbname"]
	}
	for _, p := range []facts.SecretFile{n.Host.Passfile, n.Host.SubscriptionPassfile} {
		if p.Path == file && p.Exists {
			_, found := conninfo.Passfile(p.Text.Reveal(), conn["host"], conn["port"], database, conn["user"])
			return found
		}
	}
	return conn["password"] != "" || n.Host.StandbyPassfile != nil
}

func shownConn(conn map[string]string) string {
	var words []string
	for _, key := range []string{"user", "passfile", "host", "port", "application_name", "sslmode", "sslrootcert", "sslcert", "sslkey"} {
		if conn[key] != "" {
			words = append(words, key+"="+conn[key])
		}
	}
	return strings.Join(words, " ")
}

// at returns the node to which a connection string leads.
func (m *model) at(conn map[string]string) *facts.Node {
	for _, n := range m.top.Nodes {
		f := m.f.Nodes[n.Name]
		if f == nil || f.Host == nil || f.Server == nil {
			continue
		}
		if (conn["host"] == n.Address || conn["hostaddr"] == n.Address) && fmt.Sprint(pg.PortOf(conn)) == f.Server.InForce("port") {
			return f
		}
	}
	return nil
}

// disconnect ends a standby's WAL receiver and its sender.
func (m *model) disconnect(n *facts.Node) {
	s := n.Server
	if s == nil || s.Receiver == nil {
		return
	}
	conn, slot := conninfo.Map(s.ConnInfo.Reveal()), s.Receiver.SlotName
	if s.Receiver.ConnInfo != "" {
		conn = conninfo.Map(s.Receiver.ConnInfo)
	}
	app := conn["application_name"]
	for _, up := range m.nodes() {
		if up.Server == nil || up == n {
			continue
		}
		up.Server.Senders = remove(up.Server.Senders, func(w facts.Sender) bool {
			return w.State == "streaming" && (slot != "" && w.SlotName == slot || app != "" && w.ApplicationName == app || app == "" && w.ApplicationName == n.Name)
		})
		if found := up.Server.Slot(slot); slot != "" && found != nil {
			found.Active = slices.ContainsFunc(up.Server.Senders, func(w facts.Sender) bool { return w.SlotName == slot })
		}
	}
	s.Receiver = nil
}

// cloned copies facts whole. What they point to of a topology stays shared.
func cloned(f facts.Facts) facts.Facts {
	return copyValue(reflect.ValueOf(f)).Interface().(facts.Facts)
}

func copied[T any](v *T) *T { return copyValue(reflect.ValueOf(v)).Interface().(*T) }

func copyValue(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || v.Type() == reflect.TypeFor[*topology.Cluster]() || v.Type() == reflect.TypeFor[*topology.Node]() {
			return v
		}
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(copyValue(v.Elem()))
		return out
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		out.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(copyValue(v.Field(i)))
			}
		}
		return out
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(copyValue(v.Index(i)))
		}
		return out
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeMapWithSize(v.Type(), v.Len())
		for it := v.MapRange(); it.Next(); {
			out.SetMapIndex(it.Key(), copyValue(it.Value()))
		}
		return out
	}
	return v
}
