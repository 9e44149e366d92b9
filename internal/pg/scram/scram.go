// Package scram makes and checks the verifiers that PostgreSQL stores in place of
// passwords.
//
// Rules:
//   - a password leaves this package only as a verifier;
//   - what is computed here is what the server computes from the same password:
//     SASLprep, and the raw bytes of a password that SASLprep refuses;
//   - the package is pure: its randomness is handed in.
//
// PostgreSQL docs, 21.5 "Password Authentication" and 55.3 "SASL Authentication".
package scram

import (
	"crypto/hmac"
	"crypto/md5" // of verifiers that PostgreSQL made long ago; none is made here
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	mechanism  = "SCRAM-SHA-256"
	iterations = 4096 // PostgreSQL's own
	saltLength = 16
	// maxIterations keeps a strange stored verifier from taking minutes.
	maxIterations = 10_000_000
)

// secret is a verifier in parts.
type secret struct {
	iterations           int
	salt                 []byte
	storedKey, serverKey []byte
}

// Verifier makes a verifier of a password, with a salt of 16 bytes from random:
// SCRAM-SHA-256$4096:salt$StoredKey:ServerKey.
func Verifier(password string, random io.Reader) (string, error) {
	if err := usable(password); err != nil {
		return "", fmt.Errorf("make a SCRAM verifier: %w", err)
	}
	salt := make([]byte, saltLength)
	if _, err := io.ReadFull(random, salt); err != nil {
		return "", fmt.Errorf("make a SCRAM verifier: salt: %w", err)
	}
	s, err := compute(password, salt, iterations)
	if err != nil {
		return "", fmt.Errorf("make a SCRAM verifier: %w", err)
	}
	return s.String(), nil
}

// usable refuses what nobody could log in with.
func usable(password string) error {
	prepared, _ := saslprep(password)
	switch {
	case password == "":
		return errors.New("the password is empty")
	case strings.ContainsRune(password, 0):
		return errors.New("the password contains a NUL byte")
	case strings.ContainsRune(prepared, graphemeJoiner):
		return errors.New("the password has more than 30 combining characters in a row")
	}
	return nil
}

// Matches reports whether a stored verifier, SCRAM or md5, is that of the password.
// A verifier of md5 hangs on the role's name, too.
func Matches(verifier, role, password string) bool {
	if password == "" {
		return false
	}
	if digest, ok := strings.CutPrefix(verifier, "md5"); ok {
		sum := md5.Sum([]byte(password + role))
		return subtle.ConstantTimeCompare([]byte(digest), []byte(hex.EncodeToString(sum[:]))) == 1
	}
	stored, err := parse(verifier)
	if err != nil {
		return false
	}
	s, err := compute(password, stored.salt, stored.iterations)
	return err == nil && subtle.ConstantTimeCompare(s.storedKey, stored.storedKey) == 1 &&
		subtle.ConstantTimeCompare(s.serverKey, stored.serverKey) == 1
}

// compute derives the keys (RFC 5802, section 3).
func compute(password string, salt []byte, iterations int) (secret, error) {
	if prepared, ok := saslprep(password); ok {
		password = prepared
	}
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return secret{}, fmt.Errorf("derive the key: %w", err)
	}
	stored := sha256.Sum256(sign(salted, "Client Key"))
	return secret{iterations: iterations, salt: salt, storedKey: stored[:], serverKey: sign(salted, "Server Key")}, nil
}

func sign(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// String writes the secret as pg_authid holds it.
func (s secret) String() string {
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%s$%d:%s$%s:%s", mechanism, s.iterations, encode(s.salt), encode(s.storedKey), encode(s.serverKey))
}

// parse reads a SCRAM verifier.
func parse(verifier string) (secret, error) {
	malformed := errors.New("not a SCRAM verifier")
	rest, ok := strings.CutPrefix(verifier, mechanism+"$")
	head, keys, ok2 := strings.Cut(rest, "$")
	count, salt, ok3 := strings.Cut(head, ":")
	stored, server, ok4 := strings.Cut(keys, ":")
	if !ok || !ok2 || !ok3 || !ok4 {
		return secret{}, malformed
	}
	var s secret
	var errs [4]error
	s.iterations, errs[0] = strconv.Atoi(count)
	s.salt, errs[1] = base64.StdEncoding.DecodeString(salt)
	s.storedKey, errs[2] = base64.StdEncoding.DecodeString(stored)
	s.serverKey, errs[3] = base64.StdEncoding.DecodeString(server)
	if errors.Join(errs[:]...) != nil || s.iterations < 1 || s.iterations > maxIterations {
		return secret{}, malformed
	}
	return s, nil
}
