package plan

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/topology"
)

// confBlock is the marked block of a file as found. A cluster that was renamed may have
// several: those under its earlier names count as its own, and go with the next write.
type confBlock struct {
	text    string
	cluster *topology.Cluster
	parts   []namedBlock // the oldest name first
	// settings are the lines of its body, of postgresql.conf.
	settings []conftext.Setting
}

type namedBlock struct {
	name string
	conftext.Block
}

func blockOf(text string, c *topology.Cluster) confBlock {
	b := confBlock{text: text, cluster: c}
	for _, name := range slices.Backward(append([]string{c.Name}, c.Earlier...)) {
		if part, _ := conftext.FindBlock(text, name); part.Found { // a broken block is an error of the preflight
			b.parts = append(b.parts, namedBlock{name, part})
		}
	}
	return b
}

func (b confBlock) found() bool { return len(b.parts) > 0 }

// renamed tells whether a part of it stands under an earlier name of the cluster.
func (b confBlock) renamed() bool {
	return slices.ContainsFunc(b.parts, func(part namedBlock) bool { return part.name != b.cluster.Name })
}

// is tells whether the block has that body and stands in its place, under its name.
func (b confBlock) is(body string, place conftext.Place) bool {
	after, err := conftext.RenameBlock(b.text, b.cluster.Earlier, b.cluster.Name, body, place)
	return err == nil && after == b.text
}

// has tells whether a line of the file is in the block.
func (b confBlock) has(line int) bool {
	return slices.ContainsFunc(b.parts, func(part namedBlock) bool { return part.FirstLine < line && line < part.LastLine })
}

// body is what is in force of it: of two values the later one.
func (b confBlock) body() string {
	var text strings.Builder
	for _, part := range b.parts {
		text.WriteString(part.Body)
	}
	return text.String()
}

// firstLine is where it begins; 0 for none.
func (b confBlock) firstLine() int {
	first := 0
	for _, part := range b.parts {
		if first == 0 || part.FirstLine < first {
			first = part.FirstLine
		}
	}
	return first
}

func (b confBlock) value(name string) (string, bool) {
	value, ok := "", false
	for _, s := range b.settings {
		if conftext.SameName(s.Name, name) {
			value, ok = s.Value, true
		}
	}
	return value, ok
}

func (b confBlock) names() []string {
	var names []string
	for _, s := range b.settings {
		if name := strings.ToLower(s.Name); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// sensitiveMark ends the line of a value that must not be shown, so that a later
// plan knows it even when the topology no longer names it.
const sensitiveMark = "# sensitive"

// confText is the body of the block in postgresql.conf.
func confText(lines []line) Text {
	var b textBuilder
	for _, l := range lines {
		if l.secret.IsSet() {
			b.write(l.name, " = ").secret(l.secret, FormConfig).write(" ", sensitiveMark)
		} else {
			b.write(conftext.FormatSetting(l.name, l.value))
		}
		b.write("\n")
	}
	return b.done()
}

// confRevealed is the same with its secrets, to compare with what a file holds.
func confRevealed(lines []line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(conftext.FormatSetting(l.name, l.reveal()))
		if l.secret.IsSet() {
			b.WriteString(" " + sensitiveMark)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// confFile is the write of the block; was is the file as found, "" where it is
// made earlier in the plan.
func (s *scope) confFile(n *topology.Node, lines []line, was string) File {
	return s.blockFile(n, File{Path: s.found(n).Host.Conf.Path, Block: &Block{}, Content: confText(lines), Mode: 0o644, Check: confErrors}, was)
}

// blockFile completes the write of a block: its name, the diff, what it replaces, and
// the check, where there is a server to ask.
func (s *scope) blockFile(n *topology.Node, op File, was string) File {
	op.Block.Name, op.Block.Earlier, op.Database = s.cluster.Name, s.cluster.Earlier, maintenance
	op.Diff = blockDiff(s.cluster.Name, blockOf(was, s.cluster), op.Content)
	if was != "" && !s.recloned(n) {
		op.Replaces, _ = HashRest([]byte(was), *op.Block) // a broken block fails the preflight
	}
	if !s.running(n) || s.recloned(n) {
		op.Check, op.Database = "", ""
	}
	return op
}

// confErrors is the query for what the server finds wrong with its files. A value
// that waits for a restart, or for one to be gone, has an error there too, and is none.
const confErrors = `SELECT sourcefile, sourceline, name, setting, error FROM pg_file_settings
WHERE error IS NOT NULL AND error NOT LIKE 'parameter "%" cannot be changed without restarting the server'
  AND NOT (error = 'setting could not be applied'
    AND name IN (SELECT name FROM pg_settings WHERE context = 'postmaster'))`

// waitsForRestart tells whether what pg_file_settings calls an error is none, as confErrors has it.
func waitsForRestart(f *facts.Server, fs facts.FileSetting) bool {
	return fs.Error == "setting could not be applied" && f.Settings[fs.Name].Context == "postmaster" ||
		strings.HasPrefix(fs.Error, `parameter "`) && strings.HasSuffix(fs.Error, `" cannot be changed without restarting the server`)
}

// blockDiff shows what becomes of a block, markers included.
func blockDiff(name string, was confBlock, wanted Text) string {
	before := ""
	for _, part := range was.parts {
		before += marked(part.name, hideSensitive(part.Body))
	}
	return linesDiff(before, marked(name, wanted.Text))
}

// marked answers a body between its markers; no body is no block.
func marked(name, body string) string {
	if body == "" {
		return ""
	}
	m := conftext.MarkersOf(name)
	return m.Begin + "\n" + body + m.End + "\n"
}

// hideSensitive strikes out the marked values of a block as found.
func hideSensitive(body string) string {
	var b strings.Builder
	for l := range strings.Lines(body) {
		if strings.HasSuffix(strings.TrimRight(l, "\n"), sensitiveMark) {
			name, _, _ := strings.Cut(l, "=")
			l = name + "= " + topology.Redacted + " " + sensitiveMark + "\n"
		}
		b.WriteString(l)
	}
	return b.String()
}

// linesDiff shows two texts line by line: those that stay begin with a blank. A
// block that only moves has no line that differs.
func linesDiff(before, after string) string {
	a, b := splitLines(before), splitLines(after)
	// The longest common subsequence; blocks are short.
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out strings.Builder
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out.WriteString(" " + a[i] + "\n")
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || common[i+1][j] >= common[i][j+1]):
			out.WriteString("-" + a[i] + "\n")
			i++
		default:
			out.WriteString("+" + b[j] + "\n")
			j++
		}
	}
	return out.String()
}

func splitLines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}
