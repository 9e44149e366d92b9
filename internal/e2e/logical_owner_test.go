package e2e

import (
	"strings"
	"testing"
)

// TestLogicalOwner rotates the password of a subscription whose owner is no superuser.
func TestLogicalOwner(t *testing.T) {
	t.Parallel()
	for _, suite := range suites() {
		t.Run(suite, func(t *testing.T) {
			p := newPair(t, suite)
			p.declare("")
			p.must(0, "apply", "-auto-approve")
			p.in(1, "shop", shopTables)
			p.in(2, "dw", shopTables)
			p.declare(strings.Replace(publishCustomers, `["customers"]`, `["customers", "items"]`, 1))
			p.must(0, "apply", "-auto-approve")
			if p.host(2).Version >= 16 {
				p.ownerPassword()
			}
			if p.host(1).Version >= 18 {
			}
			p.noSecrets()
		})
	}
}

// ownerPassword: PostgreSQL takes the password of an owner who is no superuser only from
// CONNECTION, and refuses a password file after the role's password has changed.
func (p *pair) ownerPassword() {
	p.t.Helper()
	p.in(2, "dw", "CREATE ROLE subowner LOGIN; GRANT subowner TO postgres; GRANT CREATE ON DATABASE dw TO subowner; ALTER SUBSCRIPTION orders SET (password_required = false)")
	p.in(2, "dw", "ALTER SUBSCRIPTION orders OWNER TO subowner")
	p.in(2, "dw", "ALTER SUBSCRIPTION orders SET (password_required = true)")
	p.says(p.must(2, "drift"), "cannot SET ROLE to postgres", "run_as_owner = true") // its tables are another's
	for _, table := range []string{"customers", "items"} {
		p.in(2, "dw", "ALTER TABLE "+table+" OWNER TO subowner")
	}
	p.must(0, "apply", "-auto-approve") // the password moves into CONNECTION
	p.in(1, "shop", "INSERT INTO customers VALUES (401, 'by another owner')")
	p.alike("customers", "true")
	p.settled()

	flows := strings.SplitAfterN(p.read("main.hcl"), "database \"dw\" {}\n}\n", 2)[1]
	p.password = newCanary
	p.declare(flows)
	p.must(0, "apply", "-auto-approve")
	p.in(1, "shop", "INSERT INTO customers VALUES (402, 'by a new password')")
	p.alike("customers", "true")
	p.settled()
}
