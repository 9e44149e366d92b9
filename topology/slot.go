package topology

import "github.com/hashicorp/hcl/v2"

// The types of a slot.
const (
	SlotPhysical = "physical"
	SlotLogical  = "logical"
)

// Slot is a replication slot, wanted or found.
type Slot struct {
	Name     string
	Type     string // SlotPhysical or SlotLogical
	Plugin   string // logical only
	Database string // logical only
	TwoPhase bool
	Failover bool

	Lifecycle Lifecycle
	Range     hcl.Range
}
