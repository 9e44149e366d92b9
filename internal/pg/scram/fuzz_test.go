package scram

import "testing"

// FuzzVerifier: a stored verifier of any text is read, or refused; what is read is written
// again as it was meant, and nobody's password fits it by chance.
func FuzzVerifier(f *testing.F) {
	for _, v := range []string{
		"", "md5", "md5d41d8cd98f00b204e9800998ecf8427e", "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy", "SCRAM-SHA-256$0:$:", "SCRAM-SHA-256$-1:c2FsdA==$c3RvcmVk:c2VydmVy",
		"SCRAM-SHA-256$10000001:c2FsdA==$a:b", "SCRAM-SHA-256$1:c2FsdA==$:", "SCRAM-SHA-256$1:=$=:=", "SCRAM-SHA-256$1:c2Fs\ndA==$c3RvcmVk:c2VydmVy",
	} {
		f.Add(v, "role", "password")
	}
	f.Fuzz(func(t *testing.T, verifier, role, password string) {
		s, err := parse(verifier)
		if err != nil {
			return
		}
		if s.iterations < 100 && Matches(verifier, role, password) {
			t.Errorf("%q fits %q", verifier, password)
		}
		if back, err := parse(s.String()); err != nil || back.String() != s.String() {
			t.Errorf("%q is written as %q, and read as %v, %v", verifier, s, back, err)
		}
	})
}
