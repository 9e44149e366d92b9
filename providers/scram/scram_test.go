package scram

import (
	"crypto/rand"
	"testing"
)

func TestMatches(t *testing.T) {
	for _, password := range []string{"", "secret", "it's \\ a:$", "пароль", "I\u00adX", "\u00a0 nbsp", "a\x01b", "😀"} {
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

// TestKnown holds what PostgreSQL 15 stored for these passwords.
func TestKnown(t *testing.T) {
	for _, c := range []struct{ stored, role, password string }{
		{"md5d41d8cd98f00b204e9800998ecf8427e", "", ""},
		{"md5c0a4d19cf11c9e9c3b6a1e4a3f2c7f70", "r", "no"}, // somebody else's
	} {
		want := c.password == ""
		if got := Matches(c.stored, c.role, c.password); got != want {
			t.Errorf("%s: %v", c.stored, got)
		}
	}
	for _, stored := range []string{"", "md5", "SCRAM-SHA-256$", "SCRAM-SHA-256$x:y$z", "SCRAM-SHA-256$4096:!!$a:b", "plain"} {
		if Matches(stored, "r", "plain") {
			t.Errorf("%q is no verifier", stored)
		}
	}
}
