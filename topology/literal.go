package topology

import (
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// literals finds the literal texts that attributes of certain names have for a
// value. It goes by tokens, not by the syntax tree, so that it works on a file
// whose syntax is broken just there.
func literals(src []byte, filename string, secret func(attribute string) bool) []span {
	if strings.HasSuffix(filename, ".json") {
		return jsonLiterals(src, secret)
	}
	tokens, _ := hclsyntax.LexConfig(src, filename, hcl.InitialPos)
	var spans []span
	for i := 0; i < len(tokens); i++ {
		name, next := assignment(tokens, i)
		if name != "" && secret(name) {
			var found []span
			found, i = valueLiterals(tokens, next)
			spans = append(spans, found...)
		}
	}
	return spans
}

// assignment returns the name at i when = or : follows it, and where its value
// begins. The name may stand in quotes, as a key.
func assignment(tokens hclsyntax.Tokens, i int) (string, int) {
	name, next := "", i+1
	switch {
	case tokens[i].Type == hclsyntax.TokenIdent:
		name = string(tokens[i].Bytes)
	case tokens[i].Type == hclsyntax.TokenQuotedLit && i+1 < len(tokens) && tokens[i+1].Type == hclsyntax.TokenCQuote && beginsItem(tokens, i-1):
		name, next = string(tokens[i].Bytes), i+2
	}
	if next >= len(tokens) || tokens[next].Type != hclsyntax.TokenEqual && tokens[next].Type != hclsyntax.TokenColon {
		return "", 0
	}
	return name, next + 1
}

// beginsItem tells a quoted key from a text within an expression.
func beginsItem(tokens hclsyntax.Tokens, quote int) bool {
	if quote < 1 {
		return false
	}
	switch tokens[quote-1].Type {
	case hclsyntax.TokenOBrace, hclsyntax.TokenComma, hclsyntax.TokenNewline:
		return true
	}
	return false
}

// valueLiterals returns the literals of the value that begins at i, and the
// last token of it. What names a variable of the environment, a file or an
// index is no secret.
func valueLiterals(tokens hclsyntax.Tokens, i int) ([]span, int) {
	if bareWord(tokens, i) {
		return []span{spanOf(tokens[i])}, i
	}
	var spans []span
	var open []bool // of each bracket: does it hold names
	for ; i < len(tokens); i++ {
		switch tokens[i].Type {
		case hclsyntax.TokenOParen, hclsyntax.TokenOBrack, hclsyntax.TokenOBrace,
			hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			open = append(open, holdsNames(tokens, i))
		case hclsyntax.TokenCParen, hclsyntax.TokenCBrack, hclsyntax.TokenCBrace, hclsyntax.TokenTemplateSeqEnd:
			if len(open) == 0 {
				return spans, i
			}
			open = open[:len(open)-1]
		case hclsyntax.TokenNewline, hclsyntax.TokenComma, hclsyntax.TokenEOF:
			if len(open) == 0 {
				return spans, i
			}
		case hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit, hclsyntax.TokenNumberLit:
			if !slices.Contains(open, true) {
				spans = append(spans, spanOf(tokens[i]))
			}
		}
	}
	return spans, i
}

// bareWord reports whether the value is one word whose quotes were forgotten.
func bareWord(tokens hclsyntax.Tokens, i int) bool {
	if i+1 >= len(tokens) || tokens[i].Type != hclsyntax.TokenIdent {
		return false
	}
	switch tokens[i+1].Type {
	case hclsyntax.TokenDot, hclsyntax.TokenOBrack, hclsyntax.TokenOParen:
		return false
	}
	return !slices.Contains([]string{"true", "false", "null"}, string(tokens[i].Bytes))
}

func holdsNames(tokens hclsyntax.Tokens, i int) bool {
	before := tokens[i-1]
	switch tokens[i].Type {
	case hclsyntax.TokenOParen:
		return before.Type == hclsyntax.TokenIdent && readsOutside(string(before.Bytes))
	case hclsyntax.TokenOBrack:
		return before.Type == hclsyntax.TokenIdent || before.Type == hclsyntax.TokenCBrack
	}
	return false
}

func spanOf(t hclsyntax.Token) span { return span{t.Range.Start.Byte, t.Range.End.Byte} }

// jsonLiterals does the same for the JSON syntax. A text that holds a reference
// or a call is left to the evaluation.
func jsonLiterals(src []byte, secret func(string) bool) []span {
	property := regexp.MustCompile(`"([^"\\\n]*)"\s*:\s*(?:"((?:[^"\\\n]|\\.)*)|([^\s",{}\[\]]+))`)
	var spans []span
	for _, m := range property.FindAllSubmatchIndex(src, -1) {
		if !secret(string(src[m[2]:m[3]])) {
			continue
		}
		value := span{m[4], m[5]}
		if value.start < 0 {
			value = span{m[6], m[7]}
		}
		text := string(src[value.start:value.end])
		if strings.Contains(text, "${") || slices.Contains([]string{"true", "false", "null"}, text) {
			continue
		}
		spans = append(spans, value)
	}
	return spans
}
