package draft

import (
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// ConnDiffers notes the parameters in which the connection is not as wanted. Options that it
// lacks are a reason to reconnect only where a time limit would end a copy that is to come.
func ConnDiffers(v *cluster.Subscription, d *Draft) bool {
	now, wanted := v.ConnNow(), v.Conn()
	differs := limited(v, d, now["options"], wanted["options"])
	delete(now, "options")
	delete(wanted, "options")
	keys := pg.ConnKeys()
	keys = append(keys, list.Without(list.SortedKeys(now), keys)...)
	for _, key := range pg.ConnDiff(now, wanted, keys) {
		switch {
		case (key == "passfile" || key == "password") && v.RightPassword(now["password"]), key == "password" && v.KeepsPassword():
			continue
		case key == "password":
			d.Differ("connection.password", plan.Ptr(topology.Redacted), nil, "")
		default:
			d.Differ("connection."+key, pg.Optional(now, key), pg.Optional(wanted, key), "")
		}
		differs = true
	}
	if v.KeepsPassword() && v.Password().IsSet() && !v.RightPassword(now["password"]) {
		d.Differ("connection.password", cluster.RedactedIf(now["password"]), plan.Ptr(topology.Redacted), "its owner "+pg.Ident(v.Owner())+" is not a superuser: the password must be in CONNECTION")
		differs = true
	}
	return differs
}

// limited notes that a time limit of its sessions would end the copies of tables.
func limited(v *cluster.Subscription, d *Draft, now, wanted string) bool {
	limits := v.CopyLimits()
	if len(limits) == 0 {
		return false
	}
	d.Differ("connection.options", pg.Optional(map[string]string{"": now}, ""), &wanted,
		"role "+pg.Ident(v.Role.Name)+" has "+strings.Join(limits, ", ")+" in database "+pg.Ident(v.SourceDatabase())+": table copies would be canceled")
	return true
}

// Astray reports whether the publisher was not read, and that the topology has another address
// or port of it than the subscription: where it listens is unknown.
func Astray(v *cluster.Subscription, out *Findings) bool {
	if v.Source == nil || v.Source.Running(v.Source.Goal.Primary) {
		return false
	}
	now, wanted := v.ConnNow(), v.Conn()
	if pg.SameHost(now["host"], wanted["host"]) && pg.PortOf(now) == pg.PortOf(wanted) {
		return false
	}
	out.ReportDrift("connection_not_compared", v.Address(), v.Scope.Goal.Primary.Name, "connection not compared: %s, its publisher, could not be read, and whether it listens on port %s is unknown",
		v.Source.Goal.Primary.Name, wanted["port"])
	return true
}
