package view

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// printer writes lines and remembers the first error, so that a view need not
// look at each.
type printer struct {
	Style
	w   io.Writer
	err error
}

func (p *printer) line(parts ...string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, strings.Join(parts, "")+"\n")
	}
}

func (p *printer) linef(format string, args ...any) { p.line(fmt.Sprintf(format, args...)) }

// block writes a text of several lines, each indented.
func (p *printer) block(indent, text string) {
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		p.line(strings.TrimRight(indent+line, " "))
	}
}

// hang is how much further in the second line of a text stands than its first.
const hang = "  "

// flow writes a text, each line of it indented. On a terminal what is too long for it is
// broken between words; elsewhere a line stays whole, so that it can be searched for. A
// line that is indented itself is a command or a statement, and is never broken.
func (p *printer) flow(indent, text string) {
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		width := max(p.Width, leastWidth) - len(indent)
		plain := ansi.Strip(line)
		if p.Width == 0 || lipgloss.Width(line) <= width || strings.HasPrefix(plain, " ") || strings.HasPrefix(plain, "\t") {
			p.line(strings.TrimRight(indent+line, " "))
			continue
		}
		parts := Wrap(line, width)
		p.line(strings.TrimRight(indent+parts[0], " "))
		if len(parts) > 1 {
			for _, part := range Wrap(strings.Join(parts[1:], " "), width-len(hang)) {
				p.line(indent, hang, part)
			}
		}
	}
}

// right writes a line with a word at the right edge; a line that leaves no room
// for it gets it two spaces on. Lengths are those without color.
func (p *printer) right(left, plainLeft, word, plainWord string) {
	gap := p.width() - lipgloss.Width(plainLeft) - lipgloss.Width(plainWord)
	p.line(left, strings.Repeat(" ", max(gap, 2)), word)
}

// Clean escapes control characters other than line breaks and tabs, so that a
// hostile name cannot drive the terminal.
func Clean(text string) string {
	unsafe := func(r rune) bool {
		return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
	}
	if strings.IndexFunc(text, unsafe) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case !unsafe(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// oneLine is Clean without line breaks.
func oneLine(text string) string { return strings.Join(strings.Fields(Clean(text)), " ") }

// Bytes writes a size as PostgreSQL does, in powers of 1024.
func Bytes(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	x, u := float64(n), 0
	for x >= 1024 && u < len(units)-1 {
		x, u = x/1024, u+1
	}
	if u == 0 || x >= 9.95 {
		return fmt.Sprintf("%.0f %s", x, units[u])
	}
	return fmt.Sprintf("%.1f %s", x, units[u])
}

// Duration writes 850ms, 4.2s, 3m20s, 2h5m.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Duration(-d)
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Truncate(100*time.Millisecond).Seconds()), ".0") + "s"
	case d < time.Hour:
		return trimZero(d.Truncate(time.Second).String())
	default:
		return trimZero(d.Truncate(time.Minute).String())
	}
}

func trimZero(text string) string {
	for _, zero := range []string{"m0s", "h0m"} {
		if n := len(text) - len(zero); n > 0 && text[n:] == zero {
			text = text[:n+1]
		}
	}
	return text
}

// count writes "1 node" and "2 nodes".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Shell writes an argument as a POSIX shell reads it.
func Shell(arg string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@%_+=:,./-", r)
	}
	if arg != "" && strings.IndexFunc(arg, func(r rune) bool { return !plain(r) }) < 0 {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}

// shellLine writes an argument vector for a shell, broken before options where it
// is longer than width.
func shellLine(argv []string, width int) string {
	words := make([]string, len(argv))
	for i, arg := range argv {
		words[i] = Shell(arg)
	}
	if whole := strings.Join(words, " "); lipgloss.Width(whole) <= width {
		return whole
	}
	var b strings.Builder
	used := 0
	for i, word := range groupOptions(words) {
		if i > 0 && used+1+lipgloss.Width(word) > width-2 {
			b.WriteString(" \\\n    ")
			used = 4
		} else if i > 0 {
			b.WriteString(" ")
			used++
		}
		b.WriteString(word)
		used += lipgloss.Width(word)
	}
	return b.String()
}

// groupOptions keeps an option and its value together.
func groupOptions(words []string) []string {
	var groups []string
	for i, word := range words {
		previous := i > 1 && strings.HasPrefix(words[i-1], "--") && words[i-1] != "--" && !strings.Contains(words[i-1], "=")
		if previous && !strings.HasPrefix(word, "-") {
			groups[len(groups)-1] += " " + word
			continue
		}
		groups = append(groups, word)
	}
	return groups
}
