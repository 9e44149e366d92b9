// Package conftext is the text of postgresql.conf and pg_hba.conf: the block that
// repltool manages in each, and what the server reads in them.
//
// It is pure: text in, text out. Package plan uses it to show what an edit would
// do, and the bytes that it shows are the bytes that are written.
//
// Rules:
//   - what is outside the block stays byte for byte, line ends included; a last
//     line without an end keeps having none;
//   - a block that is not whole, or there twice, is an error naming the lines:
//     someone's edit is not guessed at;
//   - reading follows the server's own lexer (guc-file.l, hba.c), which the fuzz
//     tests hold it against.
package conftext

import (
	"fmt"
	"slices"
	"strings"
)

// Markers are the lines around a block.
type Markers struct{ Begin, End string }

// MarkersOf returns the markers of a cluster's block.
func MarkersOf(name string) Markers {
	return Markers{Begin: "# repltool " + name + ": begin", End: "# repltool " + name + ": end"}
}

// Place is where a block belongs.
type Place int

// The places: the last value wins in postgresql.conf, the first rule in
// pg_hba.conf.
const (
	Last Place = iota
	First
)

// Block is the managed part of a text.
type Block struct {
	Found bool
	Body  string // the lines between the markers, each ended by "\n"
	// FirstLine and LastLine are those of the markers, from 1.
	FirstLine, LastLine int

	start, end int // bytes, markers included
}

// BlockError is a block that cannot be told from the rest of the text.
type BlockError struct {
	Problem string
	Lines   []int
}

func (e *BlockError) Error() string {
	lines := make([]string, len(e.Lines))
	for i, n := range e.Lines {
		lines[i] = fmt.Sprint(n)
	}
	word := "line "
	if len(lines) > 1 {
		word = "lines "
	}
	return word + strings.Join(lines, " and ") + ": " + e.Problem
}

// FindBlock finds the block of a cluster in a text.
func FindBlock(text, name string) (Block, error) {
	m := MarkersOf(name)
	var b Block
	offset, body, number, open := 0, 0, 0, false
	for line := range strings.Lines(text) {
		number++
		switch strings.TrimSpace(line) {
		case m.Begin:
			if open || b.Found {
				return Block{}, &BlockError{fmt.Sprintf("%q appears twice", m.Begin), []int{b.FirstLine, number}}
			}
			open, b.FirstLine, b.start = true, number, offset
			body = offset + len(line)
		case m.End:
			if !open {
				return Block{}, &BlockError{fmt.Sprintf("%q has no begin line before it", m.End), []int{number}}
			}
			open, b.Found, b.LastLine, b.end = false, true, number, offset+len(line)
			b.Body = plainEnds(text[body:offset])
		}
		offset += len(line)
	}
	if open {
		return Block{}, &BlockError{fmt.Sprintf("%q has no end line", m.Begin), []int{b.FirstLine}}
	}
	return b, nil
}

// plainEnds returns whole lines, each ended by "\n".
func plainEnds(text string) string {
	if !strings.Contains(text, "\r") {
		return text
	}
	var plain strings.Builder
	for line := range strings.Lines(text) {
		plain.WriteString(strings.TrimRight(line, "\r\n"))
		plain.WriteByte('\n')
	}
	return plain.String()
}

// ReplaceBlock returns the text with the block's body in its place; an empty body
// takes the block away. Doing it twice is doing it once.
func ReplaceBlock(text, name, body string, place Place) (string, error) {
	b, err := FindBlock(text, name)
	if err != nil {
		return "", err
	}
	eol := lineEnd(text[b.start:])
	rest := b.without(text, eol)
	if body == "" {
		return rest, nil
	}
	block, err := render(name, body, eol)
	if err != nil {
		return "", err
	}
	switch {
	case place == First || rest == "":
		return block + rest, nil
	case strings.HasSuffix(rest, "\n"):
		return rest + block, nil
	}
	// The missing end of the last line goes to the end of the new last line, so
	// that taking the block away gives the old bytes back.
	return rest + eol + strings.TrimSuffix(block, eol), nil
}

// RenameBlock is ReplaceBlock for a cluster that had other names: blocks under those
// are taken away in the same edit.
func RenameBlock(text string, earlier []string, name, body string, place Place) (string, error) {
	for _, was := range earlier {
		rest, err := ReplaceBlock(text, was, "", place)
		if err != nil {
			return "", err
		}
		text = rest
	}
	return ReplaceBlock(text, name, body, place)
}

// DropLines returns the text without the lines outside any block that begin with one of
// the prefixes.
func DropLines(text string, prefixes []string) string {
	var rest strings.Builder
	inside := false
	for line := range strings.Lines(text) {
		mark := strings.TrimSpace(line)
		if strings.HasPrefix(mark, "# repltool ") {
			inside = (inside || strings.HasSuffix(mark, ": begin")) && !strings.HasSuffix(mark, ": end")
		}
		drop := !inside && slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(line, p) })
		if !drop {
			rest.WriteString(line)
		}
	}
	return rest.String()
}

// KeptLines returns the lines of a block that begin with one of the prefixes.
func (b Block) KeptLines(prefixes []string) string {
	var kept strings.Builder
	for line := range strings.Lines(b.Body) {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(line, p) }) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// BlockNames returns the names of all blocks that begin in a text, in order.
func BlockNames(text string) []string {
	var names []string
	for line := range strings.Lines(text) {
		name, marked := strings.CutPrefix(strings.TrimSpace(line), "# repltool ")
		name, begins := strings.CutSuffix(name, ": begin")
		if marked && begins && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// without cuts the block out.
func (b Block) without(text, eol string) string {
	if !b.Found {
		return text
	}
	before, after := text[:b.start], text[b.end:]
	if after == "" && !strings.HasSuffix(text, "\n") {
		before = strings.TrimSuffix(before, eol)
	}
	return before + after
}

// render makes the block's lines.
func render(name, body, eol string) (string, error) {
	m := MarkersOf(name)
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, "\r")
		switch strings.TrimSpace(line) {
		case m.Begin, m.End:
			return "", fmt.Errorf("line %d of the block is one of the block's own markers", i+1)
		}
	}
	lines = append([]string{m.Begin}, append(lines, m.End)...)
	return strings.Join(lines, eol) + eol, nil
}

// lineEnd returns how the text ends its lines; a block ends its own as it did.
func lineEnd(text string) string {
	if i := strings.IndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}
