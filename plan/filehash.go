package plan

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/repltool/repltool/internal/pg/conftext"
)

// Absent in File.Replaces: there must be no file.
const Absent = "absent"

// HashFile is the digest of a whole file, for File.Replaces.
func HashFile(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// HashRest is the digest of a file without our block, for File.Replaces: what a user
// wrote around it. A block that is not whole, or there twice, is an error.
func HashRest(content []byte, block Block) (string, error) {
	rest, err := conftext.RenameBlock(conftext.DropLines(string(content), block.Drop), block.Earlier, block.Name, "", conftext.Last)
	if err != nil {
		return "", err
	}
	return HashFile([]byte(rest)), nil
}
