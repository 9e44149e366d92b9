package topology

import (
	"encoding/json"
	"fmt"
	"sort"
)

// Redacted is what every sink shows in place of a secret.
const Redacted = "(sensitive value)"

// Secret is a text that must not be shown. Its formatting methods answer
// Redacted, so that it can stand in a struct that is printed or encoded.
type Secret struct {
	// Ref names the secret without telling it, for example
	// "cluster.main.role.replicator.password". Plans hold references.
	Ref  string
	text string
	set  bool
}

// NewSecret makes a secret that is set, be it to the empty text.
func NewSecret(ref, text string) Secret { return Secret{Ref: ref, text: text, set: true} }

// IsSet reports whether a value was given at all.
func (s Secret) IsSet() bool { return s.set }

// Reveal returns the text. Call it only where the text is about to be used.
func (s Secret) Reveal() string { return s.text }

// String returns Redacted.
func (s Secret) String() string { return Redacted }

// GoString returns Redacted.
func (s Secret) GoString() string { return Redacted }

// Format prints Redacted whatever the verb is.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, Redacted) }

// MarshalJSON encodes Redacted, or null when no value was given.
func (s Secret) MarshalJSON() ([]byte, error) {
	if !s.set {
		return []byte("null"), nil
	}
	return json.Marshal(Redacted)
}

// Secrets are secrets by reference.
type Secrets map[string]Secret

// Texts returns every distinct text that a sink must strike out, longest first,
// so that a secret that contains another one is struck out whole.
func (s Secrets) Texts() []string {
	seen := map[string]bool{"": true}
	var texts []string
	for _, secret := range s {
		if !seen[secret.text] {
			seen[secret.text] = true
			texts = append(texts, secret.text)
		}
	}
	sort.Slice(texts, func(i, j int) bool {
		if len(texts[i]) != len(texts[j]) {
			return len(texts[i]) > len(texts[j])
		}
		return texts[i] < texts[j]
	})
	return texts
}

// UnmarshalJSON reads a secret from a plain string: golden cases write facts so.
func (s *Secret) UnmarshalJSON(data []byte) error {
	var text *string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	if text != nil {
		*s = NewSecret(s.Ref, *text)
	}
	return nil
}
