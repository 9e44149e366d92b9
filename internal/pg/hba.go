package pg

import (
	"strings"
)

// EscapeRegex puts a backslash before what is more than itself in one of
// PostgreSQL's regular expressions.
func EscapeRegex(text string) string {
	var b strings.Builder
	for _, r := range text {
		if strings.ContainsRune(`\.[]{}()*+?^$|`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
