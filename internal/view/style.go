// Package view turns values into text for people and programs.
//
// Rules:
//   - values and streams in, text out: nothing here reads a host, a file or the
//     environment, and nothing is decided that package plan has not decided;
//   - the sixteen colors of the terminal, and every meaning is in a word or a
//     symbol too: a view without color says the same;
//   - SQL is never wrapped and never changed;
//   - control characters of what was read stay harmless: they are escaped;
//   - what may hold a secret goes through the Redactor (redact.go), which is the
//     only one.
package view

import (
	"strings"

	"charm.land/lipgloss/v2"
)

// Style is how text is set: in color or not, and for which width.
type Style struct {
	Color bool
	Width int // of rules and right-aligned words; 0: 84
}

// The widths between which rules and right-aligned words move.
const (
	defaultWidth = 84
	leastWidth   = 60
	mostWidth    = 100
)

func (s Style) width() int {
	if s.Width == 0 {
		return defaultWidth
	}
	return min(max(s.Width, leastWidth), mostWidth)
}

// paint renders each line by itself: lipgloss would pad them to one width.
func (s Style) paint(text string, style lipgloss.Style) string {
	if !s.Color || text == "" {
		return text
	}
	style = style.TabWidth(lipgloss.NoTabConversion)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = style.Render(line)
		}
	}
	return strings.Join(lines, "\n")
}

func (s Style) bold(text string) string { return s.paint(text, lipgloss.NewStyle().Bold(true)) }
func (s Style) dim(text string) string  { return s.paint(text, lipgloss.NewStyle().Faint(true)) }

func (s Style) green(text string) string { return s.foreground(text, "2") }
func (s Style) red(text string) string   { return s.foreground(text, "1") }
func (s Style) yellow(text string) string {
	return s.foreground(text, "3")
}
func (s Style) cyan(text string) string { return s.foreground(text, "6") }

func (s Style) foreground(text, color string) string {
	return s.paint(text, lipgloss.NewStyle().Foreground(lipgloss.Color(color)))
}
