package topology

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// check returns what is wrong with a text, or "".
type check func(text string) string

// singleLine refuses what no configuration file can hold.
func singleLine(text string) string {
	if !utf8.ValidString(text) {
		return "the text is not valid UTF-8."
	}
	for _, r := range text {
		if unicode.IsControl(r) {
			return fmt.Sprintf("the text contains the control character %U; line breaks and control characters are not allowed here.", r)
		}
	}
	return ""
}

func notEmpty(text string) string {
	if text == "" {
		return "must not be empty; omit the attribute instead."
	}
	return ""
}

// oneOf refuses everything that is not in the list.
func oneOf(allowed ...string) check {
	return func(text string) string {
		for _, a := range allowed {
			if a == text {
				return ""
			}
		}
		return fmt.Sprintf("%q is not valid: use %s.%s", text, oneOfList(allowed), didYouMean(text, allowed))
	}
}

// hostName takes DNS names, addresses and names of ~/.ssh/config.
func hostName(text string) string {
	if why := notDashed(text); why != "" {
		return why
	}
	if before, _, found := strings.Cut(text, "@"); found {
		return fmt.Sprintf("a host name must not include a user: write ssh { user = %q }.", before)
	}
	for _, r := range text {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-:%", r) {
			return fmt.Sprintf("the character %q is not allowed in a host name or address.", r)
		}
	}
	if before, _, zoned := strings.Cut(text, "%"); zoned && !strings.Contains(before, ":") {
		return "a host name must not include %, which ssh expands: only the zone of an IPv6 address is written with it (fe80::1%eth0)."
	}
	if name, port, found := strings.Cut(text, ":"); found && !strings.Contains(port, ":") {
		return fmt.Sprintf("a host name must not include a port: write %q here, and set the port in its own attribute.", name)
	}
	if strings.Contains(text, ":") {
		if _, err := netip.ParseAddr(text); err != nil {
			return "this is not a valid IPv6 address."
		}
	}
	return ""
}

// serverName is hostName for a connection of libpq's.
func serverName(text string) string {
	if before, after, found := strings.Cut(text, "@"); found {
		return fmt.Sprintf("a host name must not include a user: write %q here, and user = %q.", after, before)
	}
	return hostName(text)
}

// notDashed refuses what a command would take for one of its options.
func notDashed(text string) string {
	if strings.HasPrefix(text, "-") {
		return "a leading dash is not allowed: commands would read the text as an option."
	}
	return notEmpty(text)
}

// memberName takes the names of nodes and clusters: they become
// application_name and cluster_name, and stand in synchronous_standby_names.
func memberName(text string) string {
	switch {
	case len(text) > 63:
		return "names are limited to 63 bytes."
	case !regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`).MatchString(text):
		return fmt.Sprintf("%q is not a valid name: use letters, digits, dots, underscores and dashes, and begin with a letter, a digit "+
			"or an underscore.", text)
	}
	return ""
}

// objectName takes the names of roles and databases.
func objectName(text string) string {
	switch {
	case text == "":
		return "a name must not be empty."
	case len(text) > 63:
		return "names are limited to 63 bytes; PostgreSQL would truncate a longer one."
	}
	return singleLine(text)
}

func roleName(text string) string {
	switch {
	case strings.HasPrefix(text, "pg_"):
		return "names that begin with pg_ are reserved by PostgreSQL."
	case text == "public" || text == "none":
		return fmt.Sprintf("%q is a reserved word and cannot name a role.", text)
	}
	return objectName(text)
}

func slotName(text string) string {
	if !regexp.MustCompile(`^[a-z0-9_]{1,63}$`).MatchString(text) {
		return fmt.Sprintf("%q is not a valid slot name: use 1 to 63 lower-case letters, digits and underscores.", text)
	}
	return ""
}

func absolutePath(text string) string {
	if !strings.HasPrefix(text, "/") {
		return fmt.Sprintf("%q is not an absolute path.", text)
	}
	if strings.ContainsAny(text, "\"'$`\\") { // pg_ctl hands paths to a shell
		return fmt.Sprintf("%q contains a quote, $, ` or \\, which PostgreSQL's own tools pass to a shell.", text)
	}
	return ""
}

// maxRate takes what pg_basebackup --max-rate does: kilobytes a second, or with
// the suffix k or M, from 32 kB to 1 GB.
func maxRate(text string) string {
	m := regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)([kM]?)$`).FindStringSubmatch(text)
	if m == nil {
		return fmt.Sprintf("%q is not a valid rate: write kilobytes per second, or a number followed by k or M, for example \"150M\".", text)
	}
	var rate float64
	if _, err := fmt.Sscanf(m[1], "%g", &rate); err != nil {
		return "the number cannot be parsed."
	}
	if m[2] == "M" {
		rate *= 1024
	}
	if rate < 32 || rate > 1048576 {
		return "the rate must be between 32k and 1024M per second."
	}
	return ""
}

func sslModes() []string {
	return []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
}
