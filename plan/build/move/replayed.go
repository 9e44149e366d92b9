package move

import (
	"strconv"
	"time"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
)

// replayedVar is the WAL position up to which an old primary that runs as a standby has replayed.
const replayedVar = "replayed"

// replayed waits until the new primary has replayed all WAL of an old one that runs as a standby.
// That one has replayed all that it has once its recovery waits for more (PostgreSQL docs, 27.2.3
// "pg_stat_activity").
func (m *move) replayed(limit time.Duration) {
	n, h := m.From, m.s.Found(m.From).Host
	m.d.Wait(n, n.Name+" has replayed all WAL that it has", "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'startup'\n"+
		"  AND wait_event IN ('RecoveryWalStream', 'RecoveryRetrieveRetryInterval'))", limit)
	m.d.Step(n, "read the end of the WAL of "+n.Name, plan.Command{
		Argv:    []string{cluster.Binary(h, "psql"), "-X", "-w", "-A", "-t", "-c", "SELECT pg_last_wal_replay_lsn()", pg.FormatConnInfo(map[string]string{"host": h.SocketDir, "port": strconv.Itoa(m.s.PortInForce(n)), "dbname": pg.Maintenance})},
		Timeout: draft.SettleTimeout, Prints: replayedVar,
	})
	m.d.Wait(m.To, m.To.Name+" has replayed up to that position", waking("pg_last_wal_replay_lsn() >= :'"+replayedVar+"'"), limit)
}
