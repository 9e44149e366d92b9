// Package messages holds what users read to plain English, and to codes that last.
//
//   - words_test.go: words that a native reader stumbles over are in no message, help text,
//     document or example; each comes with the better word.
//   - codes_test.go: each diagnostic has a code, listed in plan/codes.txt, and
//     docs/findings.md is made of that list (go test ./internal/messages -update).
package messages
