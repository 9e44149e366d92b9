package plan

import (
	"path"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// A password file is named after the node or the cluster, in a directory that all
// PostgreSQL servers of an OS user share: another topology with the same names on the same
// host has the same file. Each instance therefore has a marked block in it, named after
// its data directory, and what is outside stays. Lines without a block are of an earlier
// version of repltool: those that lead where this instance's do are its own, the others
// are kept.

// passfileBlock is the block of n's instance in a password file.
func (s *scope) passfileBlock(n *topology.Node, file facts.SecretFile, wanted Text) Block {
	var drop []string
	for _, name := range append([]string{s.cluster.Name}, s.cluster.Earlier...) {
		drop = append(drop, "# repltool "+name+": how ")
	}
	for _, l := range append(conninfo.PassLines(wanted.Text), s.connectedBy(file)...) {
		if where := l.Where + ":"; !slices.Contains(drop, where) {
			drop = append(drop, where)
		}
	}
	return Block{Name: s.found(n).Host.DataDir, First: true, Drop: drop}
}

// connectedBy answers the lines without a block of a password file by which the cluster's
// subscriptions log in.
func (s *scope) connectedBy(file facts.SecretFile) []conninfo.PassLine {
	var all []conninfo.PassLine
	for _, database := range s.readDatabases() {
		for _, sub := range s.live().Logical[database].Subscriptions {
			conn := conninfo.Map(sub.ConnInfo.Reveal())
			declared := slices.ContainsFunc(s.subscriptions(), func(d *topology.Subscription) bool { return d.Database == database && d.Name == sub.Name })
			if conn["passfile"] != file.Path || !declared && !s.isOurs(object{"subscription", sub.Name, database}) {
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

// rest is what a password file has beside the instance's own lines; a block that is not
// whole fails the preflight.
func (b Block) rest(file facts.SecretFile) string {
	rest, _ := conftext.ReplaceBlock(conftext.DropLines(file.Text.Reveal(), b.Drop), b.Name, "", conftext.First)
	return rest
}

// ownsPart tells whether a password file has lines of n's instance.
func (s *scope) ownsPart(n *topology.Node, file facts.SecretFile) bool {
	if !file.Exists {
		return false
	}
	b := s.passfileBlock(n, file, Text{})
	own, err := conftext.FindBlock(file.Text.Reveal(), b.Name)
	b.Drop = slices.DeleteFunc(b.Drop, func(p string) bool { return strings.HasPrefix(p, "#") })
	return err == nil && (own.Found || conftext.DropLines(file.Text.Reveal(), b.Drop) != file.Text.Reveal())
}

// writePassfile adds the write of the instance's block in a password file.
func (s *scope) writePassfile(d *draft, n *topology.Node, file facts.SecretFile, wanted Text) {
	b := s.passfileBlock(n, file, wanted)
	d.step(n, "write the passfile", File{
		Path: file.Path, Block: &b, Content: wanted, Mode: 0o600, Diff: linesDiff(s.passfileBefore(b, file, wanted), marked(b.Name, wanted.Text)),
	})
}

// removeEmpty removes a password file that has nothing in it: another apply may have
// written to it since the plan was made.
const removeEmpty = `[ -s "$1" ] || rm -f -- "$1"`

// removePassfile adds the removal of the instance's lines, its block and those without one, and of the file where it has no
// others.
func (s *scope) removePassfile(d *draft, n *topology.Node, file facts.SecretFile, lines Text) {
	b := s.passfileBlock(n, file, lines)
	d.step(n, "remove its lines from the passfile", File{Path: file.Path, Block: &b, Mode: 0o600, Diff: linesDiff(s.passfileBefore(b, file, Text{}), "")})
	if strings.TrimSpace(b.rest(file)) == "" {
		d.command(n, "remove the passfile if nothing else is in it", "sh", "-c", removeEmpty, "sh", file.Path)
	}
}

// passfileBefore is the instance's part of a password file without passwords. A line whose
// password changes is left out: it is written anew.
func (s *scope) passfileBefore(b Block, file facts.SecretFile, wanted Text) string {
	text := file.Text.Reveal()
	own, _ := conftext.FindBlock(text, b.Name)
	if !own.Found {
		for line := range strings.Lines(text) {
			if conftext.DropLines(line, b.Drop) == "" {
				own.Body += line
			}
		}
	}
	filled, _ := s.filledPassfile(wanted)
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
		return marked(b.Name, before.String())
	}
	return before.String()
}

// previousPassfile is the file of an earlier name of the node by which its standby still
// logs in and in which it has no block, or nil: the moved block is what tells whose it is.
func (s *scope) previousPassfile(n *topology.Node) *facts.SecretFile {
	file := s.found(n).Host.StandbyPassfile
	if file == nil || path.Dir(file.Path) != path.Dir(s.found(n).Host.Passfile.Path) || path.Ext(file.Path) != ".pass" {
		return nil
	}
	own, err := conftext.FindBlock(file.Text.Reveal(), s.found(n).Host.DataDir)
	name := strings.TrimSuffix(path.Base(file.Path), ".pass")
	if err != nil || own.Found || !slices.Contains(n.Earlier, name) || s.topology.Node(name) != nil {
		return nil
	}
	return file
}

// filledPassfile is a text with its passwords.
func (s *scope) filledPassfile(wanted Text) (string, error) {
	return wanted.Fill(func(u SecretUse) (string, error) { return conninfo.PassField(s.topology.Secrets[u.Ref].Reveal()), nil })
}

// passfileFits tells whether the instance's lines in a password file are as wanted.
func (s *scope) passfileFits(n *topology.Node, file facts.SecretFile, wanted Text) bool {
	text, err := s.filledPassfile(wanted)
	if err != nil || !file.Exists || file.Mode != 0o600 {
		return false
	}
	b := s.passfileBlock(n, file, wanted)
	own, err := conftext.FindBlock(file.Text.Reveal(), b.Name)
	return err == nil && own.Body == text && conftext.DropLines(file.Text.Reveal(), b.Drop) == file.Text.Reveal()
}
