package cluster

import (
	"path"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// A password file is named after the node or the cluster, in a directory that all
// PostgreSQL servers of an OS user share: another topology with the same names on the same
// host has the same file. Each instance therefore has a marked block in it, named after
// its data directory, and what is outside stays. Lines without a block are of an earlier
// version of repltool: those that lead where this instance's do are its own, the others
// are kept.

// PassfileBlock is the block of n's instance in a password file.
func (s *Cluster) PassfileBlock(n *topology.Node, file facts.SecretFile, wanted plan.Text) plan.Block {
	var drop []string
	for _, name := range append([]string{s.Cluster.Name}, s.Cluster.Earlier...) {
		drop = append(drop, "# repltool "+name+": how ")
	}
	for _, l := range append(conninfo.PassLines(wanted.Text), s.connectedBy(file)...) {
		if where := l.Where + ":"; !slices.Contains(drop, where) {
			drop = append(drop, where)
		}
	}
	return plan.Block{Name: s.Found(n).Host.DataDir, First: true, Drop: drop}
}

// connectedBy returns the lines without a block of a password file by which the cluster's
// subscriptions log in.
func (s *Cluster) connectedBy(file facts.SecretFile) []conninfo.PassLine {
	var all []conninfo.PassLine
	for _, database := range s.ReadDatabases() {
		for _, sub := range s.Live().Logical[database].Subscriptions {
			conn := conninfo.Map(sub.ConnInfo.Reveal())
			if conn["passfile"] != file.Path || s.remains(&sub, database) {
				continue
			}
			for _, port := range []string{"*", conninfo.PassField(conn["port"])} {
				fields := []string{conninfo.PassField(conn["host"]), port, conninfo.PassField(conn["dbname"]), conninfo.PassField(conn["user"]), ""}
				all = append(all, conninfo.PassLines(strings.Join(fields, ":"))...)
			}
		}
	}
	return all
}

// Rest is what a password file has beside the instance's own lines; a block that is not
// whole fails the preflight.
func Rest(b plan.Block, file facts.SecretFile) string {
	rest, _ := conftext.ReplaceBlock(conftext.DropLines(file.Text.Reveal(), b.Drop), b.Name, "", conftext.First)
	return rest
}

// OwnsPart reports whether a password file has lines of n's instance.
func (s *Cluster) OwnsPart(n *topology.Node, file facts.SecretFile) bool {
	if !file.Exists {
		return false
	}
	b := s.PassfileBlock(n, file, plan.Text{})
	own, err := conftext.FindBlock(file.Text.Reveal(), b.Name)
	b.Drop = slices.DeleteFunc(b.Drop, func(p string) bool { return strings.HasPrefix(p, "#") })
	return err == nil && (own.Found || conftext.DropLines(file.Text.Reveal(), b.Drop) != file.Text.Reveal())
}

// RemoveEmpty removes a password file that has nothing in it: another apply may have
// written to it since the plan was made.
const RemoveEmpty = `[ -s "$1" ] || rm -f -- "$1"`

// PassfileBefore is the instance's part of a password file without passwords. A line whose
// password changes is left out: it is written again.
func (s *Cluster) PassfileBefore(b plan.Block, file facts.SecretFile, wanted plan.Text) string {
	text := file.Text.Reveal()
	own, _ := conftext.FindBlock(text, b.Name)
	if !own.Found {
		for line := range strings.Lines(text) {
			if conftext.DropLines(line, b.Drop) == "" {
				own.Body += line
			}
		}
	}
	filled, _ := s.FilledPassfile(wanted)
	var before strings.Builder
	for line := range strings.Lines(own.Body) {
		lines := conninfo.PassLines(line)
		switch {
		case len(lines) == 0:
			before.WriteString(line)
		case strings.Contains(wanted.Text, lines[0].Where+":") && !strings.Contains(filled, line):
		default:
			before.WriteString(lines[0].Where + ":" + topology.Redacted + "\n")
		}
	}
	if own.Found {
		return Marked(b.Name, before.String())
	}
	return before.String()
}

// PreviousPassfile is the file of an earlier name of the node by which its standby still
// logs in and in which it has no block, or nil: the moved block is what tells whose it is.
func (s *Cluster) PreviousPassfile(n *topology.Node) *facts.SecretFile {
	file := s.Found(n).Host.StandbyPassfile
	if file == nil || path.Dir(file.Path) != path.Dir(s.Found(n).Host.Passfile.Path) || path.Ext(file.Path) != ".pass" {
		return nil
	}
	own, err := conftext.FindBlock(file.Text.Reveal(), s.Found(n).Host.DataDir)
	name := strings.TrimSuffix(path.Base(file.Path), ".pass")
	if err != nil || own.Found || !slices.Contains(n.Earlier, name) || s.Topology.Node(name) != nil {
		return nil
	}
	return file
}

// FilledPassfile is a text with its passwords.
func (s *Cluster) FilledPassfile(wanted plan.Text) (string, error) {
	return wanted.Fill(func(u plan.SecretUse) (string, error) {
		return conninfo.PassField(s.Topology.Secrets[u.Ref].Reveal()), nil
	})
}

// PassfileFits reports whether the instance's lines in a password file are as wanted, and
// after them those that begin with one of keep.
func (s *Cluster) PassfileFits(n *topology.Node, file facts.SecretFile, wanted plan.Text, keep []string) bool {
	text, err := s.FilledPassfile(wanted)
	if err != nil || !file.Exists || file.Mode != 0o600 {
		return false
	}
	b := s.PassfileBlock(n, file, wanted)
	own, err := conftext.FindBlock(file.Text.Reveal(), b.Name)
	return err == nil && own.Body == text+own.KeptLines(keep) && conftext.DropLines(file.Text.Reveal(), b.Drop) == file.Text.Reveal()
}
