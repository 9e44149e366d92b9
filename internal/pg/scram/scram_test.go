package scram

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
)

func TestRoundTrip(t *testing.T) {
	for _, password := range passwords() {
		v, err := Verifier(password, rand.Reader)
		if err != nil {
			t.Fatalf("%q: %v", password, err)
		}
		if !Matches(v, "r", password) {
			t.Errorf("%q does not match its own verifier", password)
		}
		if Matches(v, "r", password+"x") {
			t.Errorf("%q matches with a letter more", password)
		}
	}
}

// The verifier of RFC 7677's example, as PostgreSQL would store it.
func TestKnown(t *testing.T) {
	const stored = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
	if !Matches(stored, "user", "pencil") || Matches(stored, "user", "pen") || Matches(stored, "user", "") {
		t.Error("the example of RFC 7677")
	}
	v, err := Verifier("pencil", strings.NewReader("sixteen bytes..."))
	if err != nil || !strings.HasPrefix(v, "SCRAM-SHA-256$4096:c2l4dGVlbiBieXRlcy4uLg==$") {
		t.Errorf("%s, %v", v, err)
	}
}

func TestNoVerifier(t *testing.T) {
	for _, stored := range []string{
		"", "md5", "SCRAM-SHA-256$", "SCRAM-SHA-256$x:y$z", "SCRAM-SHA-256$4096:!!$a:b", "plain", "SCRAM-SHA-256$0:AA==$AA==:AA==",
		"SCRAM-SHA-256$99999999999:AA==$AA==:AA==", "SCRAM-SHA-1$4096:AA==$AA==:AA==", "SCRAM-SHA-256$4096:AA==$:",
	} {
		if Matches(stored, "r", "plain") || Matches(stored, "r", "") {
			t.Errorf("%q is no verifier", stored)
		}
	}
}

func TestUnusablePasswords(t *testing.T) {
	for _, password := range []string{"", "a\x00b", "a" + strings.Repeat("\u0301", 40)} {
		if v, err := Verifier(password, rand.Reader); err == nil {
			t.Errorf("%q: %s", password, v)
		}
	}
	if _, err := Verifier("a", bytes.NewReader(make([]byte, 15))); err == nil {
		t.Error("the salt is too short")
	}
	if !strings.ContainsRune(norm.NFKC.String("a"+strings.Repeat("\u0301", 40)), graphemeJoiner) {
		t.Error("package norm does not put a joiner there any more: usable need not look for it")
	}
}

// passwords are those that take every way through SASLprep.
func passwords() []string {
	return []string{
		"secret", "it's \\ a:$", "md5", "SCRAM-SHA-256", "a\x01b", "a\tb", " ", // ASCII is left alone
		"пароль", "\u00a0 nbsp", "\u3000", "I\u00adX", "\u00ad", "a\u200bb", "a\u200db", "\ufeffx", // mapped
		"ﬁne", "①②", "\u212B", "A\u030A", "e\u0301", "\uFB20", "ＷＩＤＥ", "ｶﾞ", "가", "\u1112\u1161\u11ab", // normalised
		"a\u0080b", "\ue000", "\U000e0001", "a\u2028b", "\ufffd\ufffc", "\u0340", "x\u06dd", // prohibited
		"😀", "\u0221", "a\u0378", "\u20ac\u20bf", // assigned after Unicode 3.2
		"אבג", "אa", "aא", "א1", "1א", "א1ב", "\u0627\u0644\u200f", "\u0660א", // directions
		"\ufdfa", "\u0130", "ß", "\u1e9e", "\u0344", "\u0958", "\U0002F868", "\u2126",
		strings.Repeat("é", 100), "x" + strings.Repeat("\u0301", 20),
	}
}
