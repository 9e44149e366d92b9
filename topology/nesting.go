package topology

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// The parser of HCL and the evaluation of what it parsed call themselves once for each level
// of an expression, and Go cannot recover from a stack overflow. So how deep a text nests is
// counted on its tokens, before it is parsed. What nests without a bracket (!!x, a + b + c,
// a ? b : c ? …, %{ if }) counts one for each operator, up to the end of the expression.

const (
	// mostLevels is how deep a text nests at most.
	mostLevels = 1000
	// LargestSource is the size of a file of HCL, or of a template, at most.
	LargestSource = 2 << 20
)

// level is an open bracket, quote or template sequence.
type level struct {
	operators int
	// lines: a line break ends an expression here.
	lines bool
}

// nesting counts the levels that are open at a token.
type nesting struct {
	open  []level
	depth int // of all open levels, with their operators
}

// tooDeep returns the first token that is nested too deeply. lines: the text is a body, in
// which a line break ends an expression.
func tooDeep(tokens hclsyntax.Tokens, lines bool) *hcl.Range {
	n := nesting{open: []level{{lines: lines}}, depth: 1}
	for i, t := range tokens {
		if n.see(tokens, i); n.depth > mostLevels {
			return &t.Range
		}
	}
	return nil
}

func (n *nesting) see(tokens hclsyntax.Tokens, i int) {
	switch tokens[i].Type {
	case hclsyntax.TokenOBrack:
		n.operator(1) // it may be an index, as in a[x][y]
		n.push(level{})
	case hclsyntax.TokenOBrace:
		n.push(level{lines: !begins(tokens, i+1, "for")})
	case hclsyntax.TokenOParen, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp:
		n.push(level{})
	case hclsyntax.TokenTemplateControl:
		n.control(tokens, i+1)
		n.push(level{})
	case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote,
		hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
		n.pop()
	case hclsyntax.TokenNewline:
		if n.open[len(n.open)-1].lines {
			n.endExpression()
		}
	case hclsyntax.TokenComma:
		n.endExpression()
	case hclsyntax.TokenIdent, hclsyntax.TokenNumberLit, hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit,
		hclsyntax.TokenComment, hclsyntax.TokenEOF:
	default:
		n.operator(1)
	}
}

func (n *nesting) push(l level) {
	n.open = append(n.open, l)
	n.depth++
}

func (n *nesting) pop() {
	if last := len(n.open) - 1; last > 0 {
		n.depth -= 1 + n.open[last].operators
		n.open = n.open[:last]
	}
}

func (n *nesting) operator(by int) {
	last := &n.open[len(n.open)-1]
	by = max(by, -last.operators)
	last.operators += by
	n.depth += by
}

func (n *nesting) endExpression() { n.operator(-n.open[len(n.open)-1].operators) }

// control counts %{ if } and %{ for } as open until their end.
func (n *nesting) control(tokens hclsyntax.Tokens, i int) {
	switch {
	case begins(tokens, i, "if"), begins(tokens, i, "for"):
		n.operator(1)
	case begins(tokens, i, "endif"), begins(tokens, i, "endfor"):
		n.operator(-1)
	}
}

// begins reports whether the next word is that one.
func begins(tokens hclsyntax.Tokens, i int, word string) bool {
	for i < len(tokens) && (tokens[i].Type == hclsyntax.TokenNewline || tokens[i].Type == hclsyntax.TokenComment) {
		i++
	}
	return i < len(tokens) && tokens[i].Type == hclsyntax.TokenIdent && string(tokens[i].Bytes) == word
}

// checkNesting returns an error for a file that cannot be parsed safely.
func checkNesting(text []byte, path string) *hcl.Diagnostic {
	if len(text) < mostLevels {
		return nil
	}
	if strings.HasSuffix(path, ".json") {
		if err := jsonNesting(text, stringNesting); err != nil {
			return failure("Expression too deeply nested", "%s: %s.", path, err)
		}
		return nil
	}
	tokens, _ := hclsyntax.LexConfig(text, path, hcl.InitialPos)
	if at := tooDeep(tokens, true); at != nil {
		return problem(*at, "Expression too deeply nested",
			"Brackets, operators and templates are nested more than %d levels deep. Split the expression into local "+
				"values.", mostLevels)
	}
	return nil
}

// templateNesting does the same for the text of a template.
func templateNesting(text string) error {
	if len(text) > LargestSource {
		return fmt.Errorf("the template is larger than %d MB", LargestSource>>20)
	}
	tokens, _ := hclsyntax.LexTemplate([]byte(text), "", hcl.InitialPos)
	if tooDeep(tokens, false) != nil {
		return fmt.Errorf("a template is nested more than %d levels deep", mostLevels)
	}
	return nil
}

// expressionNesting does the same for the text of an expression.
func expressionNesting(text string) error {
	tokens, _ := hclsyntax.LexExpression([]byte(text), "", hcl.InitialPos)
	if tooDeep(tokens, false) != nil {
		return fmt.Errorf("it is nested more than %d levels deep", mostLevels)
	}
	return nil
}

// jsonNesting counts the brackets of JSON, and looks at each of its strings.
func jsonNesting(text []byte, look func(quoted []byte) error) error {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '[', '{':
			if depth++; depth > mostLevels {
				return fmt.Errorf("arrays and objects are nested more than %d levels deep", mostLevels)
			}
		case ']', '}':
			depth = max(depth-1, 0)
		case '"':
			end := stringEnd(text, i)
			if err := look(text[i:end]); err != nil {
				return err
			}
			i = end - 1
		}
	}
	return nil
}

// stringEnd returns where the string that begins at i is over.
func stringEnd(text []byte, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// stringNesting looks at a string of the JSON syntax, which is a template.
func stringNesting(quoted []byte) error {
	if len(quoted) < mostLevels {
		return nil
	}
	var template string
	if json.Unmarshal(quoted, &template) != nil {
		return nil // no string of JSON, and so no template
	}
	return templateNesting(template)
}
