package cluster

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// ConfBlock is the marked block of a file as found. A cluster that was renamed may have
// several: those under its earlier names count as its own, and go with the next write.
type ConfBlock struct {
	Text    string
	cluster *topology.Cluster
	parts   []namedBlock // the oldest name first
	// settings are the lines of its body, of postgresql.conf.
	settings []conftext.Setting
}

type namedBlock struct {
	name string
	conftext.Block
}

func BlockOf(text string, c *topology.Cluster) ConfBlock {
	b := ConfBlock{Text: text, cluster: c}
	for _, name := range slices.Backward(append([]string{c.Name}, c.Earlier...)) {
		if part, _ := conftext.FindBlock(text, name); part.Found { // a broken block is an error of the preflight
			b.parts = append(b.parts, namedBlock{name, part})
		}
	}
	return b
}

func (b ConfBlock) Found() bool { return len(b.parts) > 0 }

// Renamed reports whether a part of it stands under an earlier name of the cluster.
func (b ConfBlock) Renamed() bool {
	return slices.ContainsFunc(b.parts, func(part namedBlock) bool { return part.name != b.cluster.Name })
}

// Is reports whether the block has that body and stands in its place, under its name.
func (b ConfBlock) Is(body string, place conftext.Place) bool {
	after, err := conftext.RenameBlock(b.Text, b.cluster.Earlier, b.cluster.Name, body, place)
	return err == nil && after == b.Text
}

// Has reports whether a line of the file is in the block.
func (b ConfBlock) Has(line int) bool {
	return slices.ContainsFunc(b.parts, func(part namedBlock) bool { return part.FirstLine < line && line < part.LastLine })
}

// Body is what is in force of it: of two values the later one.
func (b ConfBlock) Body() string {
	var text strings.Builder
	for _, part := range b.parts {
		text.WriteString(part.Body)
	}
	return text.String()
}

// FirstLine is where it begins; 0 for none.
func (b ConfBlock) FirstLine() int {
	first := 0
	for _, part := range b.parts {
		if first == 0 || part.FirstLine < first {
			first = part.FirstLine
		}
	}
	return first
}

func (b ConfBlock) Value(name string) (string, bool) {
	value, ok := "", false
	for _, s := range b.settings {
		if conftext.SameName(s.Name, name) {
			value, ok = s.Value, true
		}
	}
	return value, ok
}

// Sensitive reports whether the block marks a parameter as one whose value must not be shown.
func (b ConfBlock) Sensitive(name string) bool {
	for line := range strings.Lines(b.Body()) {
		if _, is := LastValue(line, name); is && strings.HasSuffix(strings.TrimSpace(line), SensitiveMark) {
			return true
		}
	}
	return false
}

func (b ConfBlock) Names() []string {
	var names []string
	for _, s := range b.settings {
		if name := strings.ToLower(s.Name); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// SensitiveMark ends the line of a value that must not be shown, so that a later
// plan knows it even when the topology no longer names it.
const SensitiveMark = "# sensitive"

// ConfText is the body of the block in postgresql.conf.
func ConfText(lines []Line) plan.Text {
	var b plan.TextBuilder
	for _, l := range lines {
		if l.Secret.IsSet() {
			b.Write(l.Name, " = ").Secret(l.Secret, plan.FormConfig).Write(" ", SensitiveMark)
		} else {
			b.Write(conftext.FormatSetting(l.Name, l.Value))
		}
		b.Write("\n")
	}
	return b.Done()
}

// ConfRevealed is the same with its secrets, to compare with what a file holds.
func ConfRevealed(lines []Line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(conftext.FormatSetting(l.Name, l.Reveal()))
		if l.Secret.IsSet() {
			b.WriteString(" " + SensitiveMark)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// removedName returns the parameter of a row that pg_file_settings has for a line that is gone.
func removedName(fs facts.FileSetting) (string, bool) {
	const before, after = `parameter "`, `" cannot be changed without restarting the server`
	if !strings.HasPrefix(fs.Error, before) || !strings.HasSuffix(fs.Error, after) {
		return "", false
	}
	return strings.TrimSuffix(strings.TrimPrefix(fs.Error, before), after), true
}

// WaitsForRestart reports whether what pg_file_settings calls an error is none, as draft.ConfErrors has it.
func WaitsForRestart(f *facts.Server, fs facts.FileSetting) bool {
	_, removed := removedName(fs)
	return removed || fs.Error == "setting could not be applied" && f.Settings[fs.Name].Context == "postmaster"
}

// BlockDiff shows what becomes of a block, markers included.
func BlockDiff(name string, was ConfBlock, wanted plan.Text) string {
	before := ""
	for _, part := range was.parts {
		before += Marked(part.name, hideSensitive(part.Body))
	}
	return LinesDiff(before, Marked(name, wanted.Text))
}

// Marked returns a body between its markers; no body is no block.
func Marked(name, body string) string {
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
		if strings.HasSuffix(strings.TrimRight(l, "\n"), SensitiveMark) {
			name, _, _ := strings.Cut(l, "=")
			l = name + "= " + topology.Redacted + " " + SensitiveMark + "\n"
		}
		b.WriteString(l)
	}
	return b.String()
}

// LinesDiff shows two texts line by line: those that stay begin with a blank. A
// block that only moves has no line that differs.
func LinesDiff(before, after string) string {
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

// ConfBlock is repltool's block in postgresql.conf as found, HBABlock in pg_hba.conf.
func (s *Cluster) ConfBlock(h *facts.Host) ConfBlock {
	return compute(s, "conf", h, func() ConfBlock {
		b := BlockOf(h.Conf.Text, s.Cluster)
		b.settings = conftext.ParseConf(b.Body())
		return b
	})
}

func (s *Cluster) HBABlock(h *facts.Host) ConfBlock {
	return compute(s, "hba", h, func() ConfBlock { return BlockOf(h.HBA.Text, s.Cluster) })
}
