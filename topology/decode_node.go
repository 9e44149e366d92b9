package topology

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// nodeDefaults is what the defaults block says: each node reads the attributes
// over a copy.
type nodeDefaults struct {
	node Node
	sql  *SQL
}

func (e *evaluator) decodeDefaults(decl *declaration) {
	b := e.read(decl.block, decl.block.Body, defaultsSchema(), "defaults", nil)
	n := &e.defaults.node
	b.nodeAttributes(n)
	if inner := b.block("ssh"); inner != nil {
		inner.ssh(&n.SSH)
	}
	if inner := b.block("sql"); inner != nil {
		e.defaults.sql = &SQL{}
		inner.sql(e.defaults.sql, "defaults.sql.password")
	}
}

// decodeNodes returns the value of node.NAME: an object, or with for_each a map
// of objects.
func (e *evaluator) decodeNodes(decl *declaration) cty.Value {
	e.value("defaults")
	keys, ok := e.forEach(decl, nodeSchema())
	if !ok {
		return cty.DynamicVal
	}
	if keys == nil {
		n := e.decodeNode(decl, decl.address, decl.name, nil)
		return nodeValue(n)
	}
	instances := map[string]cty.Value{}
	for _, k := range keys {
		id := fmt.Sprintf("%s[%q]", decl.address, k.key)
		instances[k.key] = nodeValue(e.decodeNode(decl, id, k.key, k.scope()))
	}
	if len(instances) == 0 {
		return cty.MapValEmpty(nodeType())
	}
	return cty.MapVal(instances)
}

func nodeValue(n *Node) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"id": cty.StringVal(n.ID), "name": cty.StringVal(n.Name), "host": orUnknown(n.Host),
		"address": orUnknown(n.Address), "port": cty.NumberIntVal(int64(n.Port)), "location": cty.StringVal(n.Location),
	})
}

func (e *evaluator) decodeNode(decl *declaration, id, name string, scope map[string]cty.Value) *Node {
	b := e.read(decl.block, decl.block.Body, nodeSchema(), id, scope)
	n := &Node{Port: 5432, Access: AccessSSH}
	e.defaults.applyTo(n)
	n.ID, n.Name, n.Range = id, name, decl.at
	b.about(n)
	if why := memberName(name); why != "" {
		e.add(problem(decl.at, "Invalid name", "Node %s: %s", id, why))
	}
	b.text("host", &n.Host, hostName)
	n.Address = n.Host
	b.text("address", &n.Address, hostName)
	n.Address = canonicalAddress(n.Address)
	b.nodeAttributes(n)
	if inner := b.block("ssh"); inner != nil {
		inner.ssh(&n.SSH)
	}
	b.nodeSQL(n)
	if n.OSUser == "" && n.Access != AccessLocal {
		n.OSUser = "postgres"
	}
	e.top.Nodes = append(e.top.Nodes, n)
	e.nodes[id] = n
	return n
}

// canonicalAddress writes an IP address in its one canonical form, so that another
// spelling is no change; a name stays as it is.
func canonicalAddress(text string) string {
	if a, err := netip.ParseAddr(text); err == nil {
		return a.String()
	}
	return text
}

// applyTo fills in what the defaults block gives. Maps are copied: each node
// continues to write into its own.
func (d *nodeDefaults) applyTo(n *Node) {
	port, access := n.Port, n.Access
	*n = d.node
	if n.Port == 0 {
		n.Port = port
	}
	if n.Access == "" {
		n.Access = access
	}
	n.Parameters = maps.Clone(d.node.Parameters)
	if d.sql != nil {
		sql := *d.sql
		n.SQL = &sql
	}
}

// nodeAttributes reads what stands in node and in defaults alike.
func (b *block) nodeAttributes(n *Node) {
	b.port(&n.Port)
	b.text("location", &n.Location)
	access := string(n.Access)
	b.text("access", &access, oneOf(string(AccessSSH), string(AccessLocal), string(AccessSQL)))
	n.Access = Access(access)
	if b.has("access") && n.Access == AccessSQL {
		b.e.add(unsupported(b.rangeOf("access"), "access = \"sql\" (a server without SSH) is not supported yet. Use \"ssh\" or \"local\"."))
	}
	b.text("data_dir", &n.DataDir, absolutePath)
	b.text("config_dir", &n.ConfigDir, absolutePath)
	b.text("bin_dir", &n.BinDir, absolutePath)
	b.text("socket_dir", &n.SocketDir, absolutePath)
	b.text("service", &n.Service, notDashed)
	b.text("os_user", &n.OSUser, notDashed)
	own := b.parameters("parameters", true)
	if n.Parameters == nil {
		n.Parameters = own
		return
	}
	maps.Copy(n.Parameters, own)
}

func (b *block) ssh(s *SSH) {
	b.text("user", &s.User, notDashed)
	b.port(&s.Port)
	b.text("identity_file", &s.IdentityFile, notDashed)
	b.text("proxy_jump", &s.ProxyJump, notDashed)
	b.text("known_hosts", &s.KnownHosts, notDashed)
	b.text("host_key_checking", &s.HostKeyChecking, oneOf("yes", "accept-new"))
	b.text("become", &s.Become, oneOf("sudo", "none"))
	b.duration("connect_timeout", &s.ConnectTimeout)
}

// nodeSQL reads the sql block over what defaults gave. A service of libpq's
// brings its own host and port.
func (b *block) nodeSQL(n *Node) {
	ref := n.ID + ".sql.password"
	if inner := b.block("sql"); inner != nil {
		if n.SQL == nil {
			n.SQL = &SQL{}
		}
		inner.sql(n.SQL, ref)
	}
	if n.SQL == nil {
		return
	}
	if n.SQL.Service == "" {
		n.SQL.Host = cmp.Or(n.SQL.Host, n.Address)
		n.SQL.Port = cmp.Or(n.SQL.Port, n.Port)
		n.SQL.SSLMode = cmp.Or(n.SQL.SSLMode, "prefer")
	}
}

func (b *block) sql(s *SQL, ref string) {
	b.text("host", &s.Host, serverName)
	b.port(&s.Port)
	b.text("user", &s.User, notEmpty)
	if password, ok := b.password(ref); ok {
		s.Password = password
	}
	b.text("sslmode", &s.SSLMode, oneOf(sslModes()...))
	b.text("sslrootcert", &s.SSLRootCert, notEmpty)
	b.text("service", &s.Service, notEmpty)
	b.text("passfile", &s.Passfile, notEmpty)
}

// password reads the attribute of that name as a secret.
func (b *block) password(ref string) (Secret, bool) {
	before := len(b.e.diags)
	v, ok := b.evaluate("password")
	b.e.hidePasswordErrors(before)
	if !ok {
		return Secret{}, false
	}
	v, marks := v.UnmarkDeep()
	if !v.IsKnown() || v.IsNull() {
		return Secret{}, false
	}
	text, err := convert.Convert(v, cty.String)
	if err != nil {
		b.wrongType("password", "a string", v.Type())
		return Secret{}, false
	}
	secret := NewSecret(ref, text.AsString())
	b.e.top.Secrets[ref] = secret
	if why := passwordText(text.AsString()); why != "" {
		b.invalid("password", why)
		return Secret{}, false
	}
	if len(marks) == 0 && isLiteral(b.content.Attributes["password"].Expr) {
		b.e.add(caution(b.rangeOf("password"), "Password in plain text",
			"A password written here is stored in version control and in every copy of the topology. Use a variable with "+
				"sensitive = true, or env(\"NAME\")."))
	}
	return secret, true
}

// passwordText refuses what a server or a passfile cannot hold. It never says
// what the text is.
func passwordText(text string) string {
	switch {
	case text == "":
		return "the password is empty, and PostgreSQL rejects every login with an empty password. Omit the attribute to set " +
			"no password."
	case slices.ContainsFunc([]byte(text), func(c byte) bool { return c == 0 || c == '\n' || c == '\r' }):
		return "a password cannot contain line breaks or NUL bytes. To read a file that ends with a line break, use " +
			"trimspace(file(…))."
	}
	return ""
}

// isLiteral reports whether an expression's value stands in the text itself. The
// scope is empty and not nil: without one, JSON does not look into its strings.
func isLiteral(expr hcl.Expression) bool {
	_, diags := expr.Value(&hcl.EvalContext{})
	return !diags.HasErrors()
}
