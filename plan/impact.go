package plan

// Impact is one word for what a change does to those who use the server, the
// worst of its steps.
type Impact string

// The impacts, from harmless to grave.
const (
	Online     Impact = "online"
	Reload     Impact = "reload"
	Restart    Impact = "RESTART"
	CopyData   Impact = "COPY"
	Drop       Impact = "DROP"
	Switchover Impact = "SWITCHOVER"
)

// Rank orders impacts by how grave they are.
func (i Impact) Rank() int {
	for n, impact := range []Impact{Online, Reload, Restart, CopyData, Drop, Switchover} {
		if i == impact {
			return n
		}
	}
	return -1
}

// Allowance is what `-allow` lists.
type Allowance string

// The allowances that a change may need.
const (
	AllowRestart    Allowance = "restart"
	AllowDrop       Allowance = "drop"
	AllowSwitchover Allowance = "switchover"
	AllowReclone    Allowance = "reclone"
	AllowRecreate   Allowance = "recreate"
	AllowDiscard    Allowance = "discard"
)

// Allowance returns the allowance that the change needs beyond -auto-approve, or "".
func (c Change) Allowance() Allowance {
	switch {
	case c.Discards:
		return AllowDiscard
	case c.Recreates:
		return AllowRecreate
	case c.Impact == Switchover:
		return AllowSwitchover
	case c.Action == Replace && c.Impact == CopyData:
		return AllowReclone
	case c.Impact == Drop:
		return AllowDrop
	case c.Impact == Restart:
		return AllowRestart
	default:
		return ""
	}
}
