package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// The connection of a subscription. What the topology does not speak of stays as it is:
// application_name, timeouts, keepalives, several hosts. The password stands in a password
// file of the subscriber's, or in CONNECTION itself, where PostgreSQL demands that
// (docs, "CREATE SUBSCRIPTION", password_required).

// conn answers the wanted connection, without a password.
func (v *subscription) conn() map[string]string {
	passfile := ""
	if v.password().IsSet() && !v.keepsPassword() {
		passfile = v.scope.subscriptionPassfile(v.scope.cluster.Primary)
	}
	var wanted map[string]string
	said := alwaysSaid()
	if c := v.Connection; c != nil {
		wanted = map[string]string{
			"service": c.Service, "host": c.Host, "port": numberText(c.Port), "dbname": c.Database, "user": c.User,
			"passfile": cmp.Or(passfile, c.Passfile), "connect_timeout": numberText(c.ConnectTimeout),
			"sslmode": c.SSLMode, "sslrootcert": c.SSLRootCert, "sslcert": c.SSLCert, "sslkey": c.SSLKey,
		}
		said = append(said, sortedKeys(wanted)...)
	} else {
		wanted = connTo(v.publisher.cluster.Primary, v.Role.Name, v.publisher.cluster.Replication)
		wanted["dbname"], wanted["passfile"] = v.SourceDatabase(), passfile
	}
	now := v.connNow()
	wanted = keepRest(now, wanted, said)
	keepHosts(now, wanted)
	if !strings.Contains(wanted["options"], "row_security") {
		wanted["options"] = strings.TrimSpace(wanted["options"] + " " + noRowSecurity)
	}
	return wanted
}

// connNow answers the connection as it is.
func (v *subscription) connNow() map[string]string {
	if v.is == nil {
		return nil
	}
	return conninfo.Map(v.is.ConnInfo.Reveal())
}

// connText is the connection as an SQL literal.
func (v *subscription) connText(b *textBuilder) *textBuilder {
	quoted := literal(formatConnInfo(v.conn()))
	if !v.keepsPassword() || !v.password().IsSet() {
		return b.write(quoted)
	}
	return b.write(quoted[:len(quoted)-1], " password=").secret(v.password(), FormConnInfo).write("'")
}

func numberText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// connDiffers notes the parameters in which the connection is not as wanted. That row
// security is not off is no reason to reconnect.
func (v *subscription) connDiffers(d *draft) bool {
	now, wanted := v.connNow(), v.conn()
	delete(now, "options")
	delete(wanted, "options")
	keys := connKeys()
	keys = append(keys, without(sortedKeys(now), keys)...)
	differs := false
	for _, key := range connDiff(now, wanted, keys) {
		switch {
		case (key == "passfile" || key == "password") && v.rightPassword(now["password"]), key == "password" && v.keepsPassword():
			continue
		case key == "password":
			d.differ("connection.password", ptr(topology.Redacted), nil, "")
		default:
			d.differ("connection."+key, optional(now, key), optional(wanted, key), "")
		}
		differs = true
	}
	if v.keepsPassword() && v.password().IsSet() && !v.rightPassword(now["password"]) {
		d.differ("connection.password", redactedIf(now["password"]), ptr(topology.Redacted), "its owner "+ident(v.owner())+" is not a superuser: the password must be in CONNECTION")
		differs = true
	}
	return differs
}

// astray tells that the publisher was not read, and that the topology has another address
// or port of it than the subscription: where it listens is unknown.
func (v *subscription) astray(out *findings) bool {
	if v.publisher == nil || v.publisher.running(v.publisher.cluster.Primary) {
		return false
	}
	now, wanted := v.connNow(), v.conn()
	if sameHost(now["host"], wanted["host"]) && portOf(now) == portOf(wanted) {
		return false
	}
	out.tellDrift(v.Address(), v.scope.cluster.Primary.Name, "connection not compared: %s, its publisher, could not be read, and whether it listens on port %s is unknown",
		v.publisher.cluster.Primary.Name, wanted["port"])
	return true
}

func redactedIf(text string) *string {
	if text == "" {
		return nil
	}
	return ptr(topology.Redacted)
}

// rightPassword tells that a connection string holds the password itself, and the
// right one: a subscription made by hand is adopted as it is.
func (v *subscription) rightPassword(text string) bool {
	want := v.password()
	return text != "" && want.IsSet() && text == want.Reveal()
}

// password is what it logs in with.
func (v *subscription) password() topology.Secret {
	if v.Connection != nil {
		return v.Connection.Password
	}
	return v.Role.Password
}

// checkConnection refuses what PostgreSQL would refuse only after the role's password was
// changed, and what would be lost with a new connection string.
func (v *subscription) checkConnection(out *findings) {
	if v.is == nil || v.Lifecycle.Ignores("connection") && !v.remade() {
		return
	}
	if v.keepsPassword() && !v.password().IsSet() {
		out.fail(v.Range, "Password required",
			"%s: its owner %s is not a superuser and password_required is true: PostgreSQL connects only with a password in CONNECTION, and the topology has none for it. "+
				"Give the role a password, or set password_required = false in %s.", v.ID, ident(v.owner()), v.ID)
	}
	if unknown := v.local.Unknown.Subscription; v.remade() && len(unknown) > 0 {
		out.fail(v.Range, "Unknown subscription attributes",
			"%s would be dropped and created again, which loses what this version of repltool does not know: %s. Recreate it by hand.", v.ID, strings.Join(unknown, ", "))
	}
	lost := lostSecrets(v.connNow())
	if len(lost) > 0 && (v.remade() || v.connDiffers(newDraft(Update, v.Address()))) {
		out.fail(v.Range, "Connection parameter would be lost",
			"%s: its connection changes, and has %s, a secret that the topology cannot express. Change the connection by hand (ALTER SUBSCRIPTION %s CONNECTION), and set ignore_changes = [\"connection\"] in its lifecycle block.",
			v.ID, strings.Join(lost, ", "), ident(v.is.Name))
	}
}

// applicationName is the name under which the publisher sees a subscription.
func applicationName(is *facts.Subscription) string {
	return cmp.Or(conninfo.Map(is.ConnInfo.Reveal())["application_name"], is.Name)
}

// waitsFor tells whether commits on this cluster wait for a subscription of that name.
func (s *scope) waitsFor(name string) bool {
	set, _ := parseSync(s.syncCurrent())
	return slices.Contains(set.names, name)
}

// refuseSynchronousDrop refuses to drop a subscription that commits on its publisher wait
// for: nothing would end that wait.
func (s *scope) refuseSynchronousDrop(is *facts.Subscription, out *findings) {
	conn, name := conninfo.Map(is.ConnInfo.Reveal()), applicationName(is)
	for _, c := range s.topology.Clusters {
		p := s.of(c)
		if conn["host"] == c.Primary.Address && portOf(conn) == c.Primary.Port && p.waitsFor(name) {
			out.fail(c.Range, "Subscription is a synchronous standby",
				"Subscription %s leaves the topology, and synchronous_standby_names on %s has %s, its application_name: commits on %s would wait for it. Take the name out of synchronous_standby_names first.",
				ident(is.Name), c.Primary.Name, ident(name), c.Primary.Name)
		}
	}
}

// checkSynchronous tells of commits on the publisher that wait for this subscription: its
// application_name is in synchronous_standby_names there.
func (v *subscription) checkSynchronous(d *draft, out *findings) {
	if v.is == nil || v.publisher == nil || len(d.steps) == 0 {
		return
	}
	if name := applicationName(v.is); v.publisher.waitsFor(name) {
		out.warn(v.Range, "Subscription is a synchronous standby",
			"%s: synchronous_standby_names on %s has %s, the application_name of this subscription, and this plan changes it: commits on %s wait until it is connected again.",
			v.ID, v.publisher.cluster.Primary.Name, ident(name), v.publisher.cluster.Primary.Name)
	}
}
