package facts

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// maxKey leaves a job's id room for what it does: a file name has 255 bytes.
const maxKey = 100

// Key names the instance among all whose files share a state directory: job records, logs,
// files in the making. It is the data directory in the letters of a file name, in systemd's
// way: / is -, and whatever is no letter, digit or dot is _ and its code. No two directories
// have the same key, and a renamed node or cluster keeps its own.
func (h *Host) Key() string {
	var key strings.Builder
	for i, c := range []byte(strings.Trim(h.DataDir, "/")) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.' && i > 0:
			key.WriteByte(c)
		case c == '/':
			key.WriteByte('-')
		default:
			fmt.Fprintf(&key, "_%02x", c)
		}
	}
	if key.Len() > maxKey {
		sum := sha256.Sum256([]byte(h.DataDir))
		return "__" + hex.EncodeToString(sum[:16])
	}
	return key.String()
}
