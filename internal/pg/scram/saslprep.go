package scram

import (
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// graphemeJoiner is what package norm puts into overlong runs of combining
// characters, which PostgreSQL does not. No prepared password holds one otherwise.
const graphemeJoiner = '\u034F'

// saslprep returns a password as PostgreSQL's servers and clients prepare it; false
// where they use its bytes as they are. It is RFC 4013 but for two things: ASCII
// needs no preparation, whatever characters it has, and what is prohibited is looked
// for before the normalisation, not after it.
func saslprep(password string) (string, bool) {
	if isASCII(password) {
		return password, true
	}
	if !utf8.ValidString(password) {
		return "", false
	}
	text := mapped(password)
	if len(text) == 0 || among(text, prohibited()) || among(text, unassigned()) || !bidirectional(text) {
		return "", false
	}
	return norm.NFKC.String(string(text)), true
}

// mapped maps other spaces to spaces, and some characters to nothing.
func mapped(password string) []rune {
	space, none := spaces(), nothing()
	var out []rune
	for _, r := range password {
		switch {
		case within(r, space):
			out = append(out, ' ')
		case !within(r, none):
			out = append(out, r)
		}
	}
	return out
}

// bidirectional is false for a text that mixes directions (RFC 3454, section 6).
func bidirectional(text []rune) bool {
	r := rightToLeft()
	if !among(text, r) {
		return true
	}
	return !among(text, leftToRight()) && within(text[0], r) && within(text[len(text)-1], r)
}

func isASCII(s string) bool {
	return !slices.ContainsFunc([]byte(s), func(b byte) bool { return b >= utf8.RuneSelf })
}

// among reports whether any rune of the text is in the ranges.
func among(text, ranges []rune) bool {
	return slices.ContainsFunc(text, func(r rune) bool { return within(r, ranges) })
}

// within looks a rune up in ranges, which are pairs in order.
func within(r rune, ranges []rune) bool {
	i, found := slices.BinarySearch(ranges, r)
	return found || i%2 == 1
}
