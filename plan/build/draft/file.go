package draft

import (
	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// ConfFile is the write of the block; was is the file as found, "" where it is
// made earlier in the plan.
func ConfFile(s *cluster.Cluster, n *topology.Node, lines []cluster.Line, was string) plan.File {
	return blockFile(s, n, plan.File{Path: s.Found(n).Host.Conf.Path, Block: &plan.Block{}, Content: cluster.ConfText(lines), Mode: 0o644, Check: ConfErrors}, was)
}

// blockFile completes the write of a block: its name, the diff, what it replaces, and
// the check, where there is a server to ask.
func blockFile(s *cluster.Cluster, n *topology.Node, op plan.File, was string) plan.File {
	op.Block.Name, op.Block.Earlier, op.Database = s.Cluster.Name, s.Cluster.Earlier, pg.Maintenance
	op.Diff = cluster.BlockDiff(s.Cluster.Name, cluster.BlockOf(was, s.Cluster), op.Content)
	if was != "" && !s.Recloned(n) {
		op.Replaces, _ = plan.HashRest([]byte(was), *op.Block) // a broken block fails the preflight
	}
	if !s.Running(n) || s.Recloned(n) {
		op.Check, op.Database = "", ""
	}
	return op
}

// ConfErrors is the query for what the server finds wrong with its files. A value
// that waits for a restart, or for one to be gone, has an error there too, and is none.
const ConfErrors = `SELECT sourcefile, sourceline, name, setting, error FROM pg_file_settings
WHERE error IS NOT NULL AND error NOT LIKE 'parameter "%" cannot be changed without restarting the server'
  AND NOT (error = 'setting could not be applied'
    AND name IN (SELECT name FROM pg_settings WHERE context = 'postmaster'))`

// A rule that the server understands and cannot serve yet (hostssl without SSL) has
// an error, and a type; it stops nothing. A line that it cannot read has no type, and for
// some errors (RADIUS servers) no error text either: success is a type, not the lack of
// an error. A file without any rule is refused as well.
const HBAErrors = `SELECT line_number, coalesce(error, 'the server does not accept this line; its log has the reason') AS reason FROM pg_hba_file_rules WHERE type IS NULL
UNION ALL SELECT NULL, 'the file has no rule' WHERE NOT EXISTS (SELECT FROM pg_hba_file_rules)`

// HBAFile is the write of the block; was is the file as found, "" where it is
// made earlier in the plan.
func HBAFile(s *cluster.Cluster, n *topology.Node, was string) plan.File {
	return hbaFile(s, n, s.HBATextPassing(n), was)
}

func hbaFile(s *cluster.Cluster, n *topology.Node, content plan.Text, was string) plan.File {
	return blockFile(s, n, plan.File{Path: s.Found(n).Host.HBA.Path, Block: &plan.Block{First: true}, Content: content, Mode: 0o640, Check: HBAErrors}, was)
}

// EarlierHBAFile is the later write of the block, without the rules that go in this plan.
func EarlierHBAFile(s *cluster.Cluster, n *topology.Node) plan.File {
	op := hbaFile(s, n, s.HBAText(n), s.Found(n).Host.HBA.Text)
	op.Diff = cluster.LinesDiff(cluster.Marked(s.Cluster.Name, s.HBATextPassing(n).Text), cluster.Marked(s.Cluster.Name, op.Content.Text))
	op.Check, op.Database = HBAErrors, pg.Maintenance // a server runs by then
	return op
}
