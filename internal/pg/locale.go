package pg

import (
	"strings"
)

// SameLocale compares locales as they are spelled: C.UTF-8, C.utf8.
func SameLocale(a, b string) bool {
	fold := func(s string) string {
		return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(s))
	}
	return fold(a) == fold(b)
}
