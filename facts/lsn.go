package facts

import (
	"strconv"
	"strings"
)

// LSN reads a WAL position.
func LSN(text string) (uint64, bool) {
	high, low, _ := strings.Cut(text, "/")
	h, err := strconv.ParseUint(high, 16, 32)
	l, err2 := strconv.ParseUint(low, 16, 32)
	return h<<32 | l, err == nil && err2 == nil
}
