// Package scram makes and checks the verifiers that PostgreSQL stores in place of
// passwords. It is pure: salts come from a reader that the caller gives.
package scram

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/xdg-go/stringprep"
)

// What PostgreSQL itself uses (src/include/common/scram-common.h).
const (
	iterations = 4096
	saltBytes  = 16
	prefix     = "SCRAM-SHA-256$"
)

// Verifier answers what a server stores for the password, with a fresh salt from
// random. Sent as PASSWORD it is stored as it is (PostgreSQL docs, CREATE ROLE).
func Verifier(password string, random io.Reader) (string, error) {
	salt := make([]byte, saltBytes)
	if _, err := io.ReadFull(random, salt); err != nil {
		return "", fmt.Errorf("make a salt: %w", err)
	}
	return verifier(password, salt, iterations)
}

// Matches tells whether a stored verifier is that of the password. An md5 one is
// salted with the role's name. What is neither is no match.
func Matches(stored, role, password string) bool {
	if strings.HasPrefix(stored, "md5") {
		sum := md5.Sum([]byte(password + role))
		return equal(stored, "md5"+hex.EncodeToString(sum[:]))
	}
	parameters, _, ok := strings.Cut(strings.TrimPrefix(stored, prefix), "$")
	count, salt64, both := strings.Cut(parameters, ":")
	if !strings.HasPrefix(stored, prefix) || !ok || !both {
		return false
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > 10_000_000 {
		return false
	}
	salt, err := base64.StdEncoding.DecodeString(salt64)
	if err != nil {
		return false
	}
	wanted, err := verifier(password, salt, n)
	return err == nil && equal(stored, wanted)
}

// verifier follows RFC 5802, section 3.
func verifier(password string, salt []byte, n int) (string, error) {
	salted, err := pbkdf2.Key(sha256.New, prepare(password), salt, n, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("salt the password: %w", err)
	}
	storedKey := sha256.Sum256(sign(salted, "Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%s%d:%s$%s:%s", prefix, n, encode(salt), encode(storedKey[:]), encode(sign(salted, "Server Key"))), nil
}

// prepare is SASLprep where the password allows it, else the bytes as they are,
// as the server and libpq do (pg_saslprep).
func prepare(password string) string {
	if prepared, err := stringprep.SASLprep.Prepare(password); err == nil {
		return prepared
	}
	return password
}

func sign(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
