package plan

import (
	"fmt"
	"sort"
	"strings"

	"github.com/repltool/repltool/topology"
)

// TextBuilder makes a Text.
type TextBuilder struct {
	text strings.Builder
	uses []SecretUse
}

func (b *TextBuilder) Write(parts ...string) *TextBuilder {
	for _, p := range parts {
		b.text.WriteString(p)
	}
	return b
}

// Statement writes one of several, each on a line of its own.
func (b *TextBuilder) Statement(parts ...string) *TextBuilder {
	if b.text.Len() > 0 {
		b.text.WriteString("\n")
	}
	return b.Write(parts...)
}

func (b *TextBuilder) Secret(s topology.Secret, form SecretForm) *TextBuilder {
	b.uses = append(b.uses, SecretUse{Offset: b.text.Len(), Ref: s.Ref, Form: form})
	b.text.WriteString(topology.Redacted)
	return b
}

// Append writes another text, on a line of its own.
func (b *TextBuilder) Append(t Text) *TextBuilder {
	b.Statement()
	for _, use := range t.Secrets {
		use.Offset += b.text.Len()
		b.uses = append(b.uses, use)
	}
	return b.Write(t.Text)
}

func (b *TextBuilder) Done() Text { return Text{Text: b.text.String(), Secrets: b.uses} }

// Fill returns the text with each secret in its place, as reveal writes it. A
// place that does not hold topology.Redacted means that the plan was altered.
func (t Text) Fill(reveal func(SecretUse) (string, error)) (string, error) {
	uses := append([]SecretUse(nil), t.Secrets...)
	sort.Slice(uses, func(i, j int) bool { return uses[i].Offset < uses[j].Offset })
	var out strings.Builder
	at := 0
	for _, use := range uses {
		end := use.Offset + len(topology.Redacted)
		if use.Offset < at || end > len(t.Text) || t.Text[use.Offset:end] != topology.Redacted {
			return "", fmt.Errorf("secret %s has no place at offset %d: the plan file was modified", use.Ref, use.Offset)
		}
		written, err := reveal(use)
		if err != nil {
			return "", fmt.Errorf("secret %s: %w", use.Ref, err)
		}
		out.WriteString(t.Text[at:use.Offset])
		out.WriteString(written)
		at = end
	}
	out.WriteString(t.Text[at:])
	return out.String(), nil
}
