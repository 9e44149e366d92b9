package topology

import "github.com/hashicorp/hcl/v2"

// HBARule is one line of pg_hba.conf, wanted or found. A block that lists
// several addresses is one rule for each.
type HBARule struct {
	Type     string // local, host, hostssl, hostnossl, hostgssenc, hostnogssenc
	Database []string
	User     []string
	Address  string // "" for local; CIDR, host name, .suffix, all, samehost, samenet
	Method   string
	Options  []HBAOption

	Range hcl.Range
}

// HBAOption is one name=value after the method.
type HBAOption struct{ Name, Value string }
