package topology

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
)

// A row filter is an expression of SQL that goes into WHERE (…) as it is
// (PostgreSQL docs, "Row Filters"). PostgreSQL alone can parse it; what is
// refused here is a text that would not stay within those parentheses.

// rowFilter reads where. It may have several lines.
func (b *block) rowFilter() string {
	v, ok := b.convert("where", cty.String, "a string")
	if !ok {
		return ""
	}
	filter := strings.TrimSpace(v.AsString())
	if why := filterText(filter); why != "" {
		b.invalid("where", why)
		return ""
	}
	return WithoutParentheses(filter)
}

// WithoutParentheses takes off a row filter what WHERE (…) adds anyway.
func WithoutParentheses(filter string) string {
	filter = strings.TrimSpace(filter)
	for enclosed(filter) {
		filter = strings.TrimSpace(filter[1 : len(filter)-1])
	}
	return filter
}

func filterText(filter string) string {
	switch {
	case strings.Trim(filter, "() \t\r\n") == "":
		return "the row filter is empty; omit the attribute to publish every row."
	case !utf8.ValidString(filter):
		return "the text is not valid UTF-8."
	case strings.ContainsFunc(filter, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\n\r\t", r) }):
		return "the text contains a control character."
	}
	why := ""
	rest := outside(filter, func(i, depth int) bool {
		switch after := filter[i:]; {
		case depth < 0:
			why = "a closing parenthesis has no matching opening parenthesis."
		case strings.HasPrefix(after, "--"), strings.HasPrefix(after, "/*"):
			why = "a row filter cannot contain a comment."
		case after[0] == ';':
			why = "a row filter is a single expression and cannot contain a semicolon."
		}
		return why == ""
	})
	switch {
	case why != "":
		return why
	case rest < 0:
		return "a quote is not closed."
	case rest > 0:
		return "a parenthesis is not closed."
	}
	return ""
}

// enclosed reports whether one pair of parentheses holds the whole filter.
func enclosed(filter string) bool {
	if !strings.HasPrefix(filter, "(") || !strings.HasSuffix(filter, ")") {
		return false
	}
	whole := true
	outside(filter, func(i, depth int) bool {
		whole = depth > 0 || i == len(filter)-1
		return whole
	})
	return whole
}

// outside calls see for every byte that stands outside of quotes, with how
// many parentheses are open after it, until see returns false. It returns how
// many are open at the end, or -1 when a quote is.
func outside(filter string, see func(i, depth int) bool) int {
	depth := 0
	for i := 0; i < len(filter); i++ {
		c := filter[i]
		switch c {
		case '(':
			depth++
		case ')':
			depth--
		}
		if !see(i, depth) {
			return depth
		}
		end := i
		switch {
		case c == '\'' || c == '"':
			end = quoteEnd(filter, i, c == '\'' && escapes(filter, i))
		case c == '$':
			end = dollarEnd(filter, i)
		}
		if end < 0 {
			return -1
		}
		i = end
	}
	return depth
}

// escapes reports whether a backslash escapes within the quote at i: E'…'.
func escapes(filter string, i int) bool {
	return i > 0 && (filter[i-1] == 'E' || filter[i-1] == 'e') && (i == 1 || !wordByte(filter[i-2]))
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// quoteEnd returns where the quote that opens at i closes, or -1. A doubled one
// stands for itself.
func quoteEnd(filter string, i int, escaped bool) int {
	for j := i + 1; j < len(filter); j++ {
		switch {
		case escaped && filter[j] == '\\':
			j++
		case filter[j] != filter[i]:
		case j+1 < len(filter) && filter[j+1] == filter[i]:
			j++
		default:
			return j
		}
	}
	return -1
}

// dollarEnd does the same for $tag$…$tag$; i itself when it is none.
func dollarEnd(filter string, i int) int {
	if i > 0 && wordByte(filter[i-1]) {
		return i
	}
	tag := i + 1
	for tag < len(filter) && filter[tag] != '$' && wordByte(filter[tag]) {
		tag++
	}
	if tag == len(filter) || filter[tag] != '$' || tag > i+1 && '0' <= filter[i+1] && filter[i+1] <= '9' {
		return i
	}
	delimiter := filter[i : tag+1]
	end := strings.Index(filter[tag+1:], delimiter)
	if end < 0 {
		return -1
	}
	return tag + end + len(delimiter)
}
