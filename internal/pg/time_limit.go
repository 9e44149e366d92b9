package pg

import "strings"

// A table's initial copy is one statement in one transaction of a WAL sender, and the session
// waits between its parts: each of the time limits that a site sets for its clients ends it,
// and PostgreSQL begins it again without end. What a connection string says goes before
// ALTER ROLE, ALTER DATABASE and postgresql.conf (PostgreSQL docs, 20.11.1 "Statement
// Behavior").

// TimeLimits are the parameters of a version that end what a session does, or the session; of an
// unknown one, 0, those that every version has.
func TimeLimits(major int) []string {
	all := []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"}
	if major >= 14 {
		all = append(all, "idle_session_timeout")
	}
	if major >= 17 {
		all = append(all, "transaction_timeout")
	}
	return all
}

// AddOption returns options, as a connection string has them, with a parameter that they do not
// speak of.
func AddOption(options, name, value string) string {
	if OptionSaid(options, name) {
		return options
	}
	return strings.TrimSpace(options + " -c" + name + "=" + value)
}

// OptionSaid reports whether options speak of a parameter: -cNAME=…, -c NAME=… or --NAME=…, where
// a hyphen may stand for an underscore.
func OptionSaid(options, name string) bool {
	for _, word := range strings.Fields(strings.ReplaceAll(options, "-c", " ")) {
		word, _, _ = strings.Cut(strings.TrimPrefix(word, "--"), "=")
		if strings.EqualFold(strings.ReplaceAll(word, "-", "_"), name) {
			return true
		}
	}
	return false
}

// NoTimeLimit reports whether a value of such a parameter is no limit.
func NoTimeLimit(value string) bool {
	x, _, ok := SplitNumber(value, true)
	return value == "" || ok && x == 0
}
