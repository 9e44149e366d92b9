package scram

import (
	"crypto/rand"
	"testing"
)

func TestMatches(t *testing.T) {
	for _, password := range []string{"secret", "it's \\ a:$", "пароль", "I\u00adX", "\u00a0 nbsp", "a\x01b", "😀"} {
		v, err := Verifier(password, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if !Matches(v, "r", password) {
			t.Errorf("%q does not match its own verifier", password)
		}
		if Matches(v, "r", password+"x") {
			t.Errorf("%q matches with a letter more", password)
		}
	}
}

// TestKnown holds what PostgreSQL 15 stored for password "secret" of role "r".
func TestKnown(t *testing.T) {
	stored := "md53e19f1a342ad836c6b69133953e46b7d"
	if !Matches(stored, "r", "secret") || Matches(stored, "q", "secret") || Matches(stored, "r", "no") {
		t.Error("the md5 verifier is salted with the role's name")
	}
	for _, stored := range []string{"", "md5", "SCRAM-SHA-256$", "SCRAM-SHA-256$x:y$z", "SCRAM-SHA-256$4096:!!$a:b", "plain"} {
		if Matches(stored, "r", "plain") {
			t.Errorf("%q is no verifier", stored)
		}
	}
}
