package conninfo

import "strings"

// Passfile looks a password up in the text of a password file as libpq does: the first
// line whose four fields fit, each literally or by *; : and \ are escaped by \
// (PostgreSQL docs, 34.16 "The Password File").
func Passfile(text, host, port, database, user string) (password string, found bool) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := passFields(line)
		if len(fields) < 5 {
			continue
		}
		fits := true
		for i, want := range []string{host, port, database, user} {
			fits = fits && (fields[i].bare == "*" || fields[i].text == want)
		}
		if fits {
			return fields[4].text, true
		}
	}
	return "", false
}

// PassLine is a line of a password file.
type PassLine struct {
	Where    string // its first four fields as they stand
	Password string
	fields   []passField
}

// PassLines returns the lines of a password file.
func PassLines(text string) []PassLine {
	var all []PassLine
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		fields := passFields(line)
		if strings.HasPrefix(line, "#") || len(fields) < 5 {
			continue
		}
		end := 3 // colons
		for _, f := range fields[:4] {
			end += len(f.bare)
		}
		all = append(all, PassLine{line[:end], fields[4].text, fields})
	}
	return all
}

// Fits reports whether a connection logs in by the line.
func (l PassLine) Fits(host, port, database, user string) bool {
	for i, want := range []string{host, port, database, user} {
		if l.fields[i].bare != "*" && l.fields[i].text != want {
			return false
		}
	}
	return true
}

// Endpoint returns the host and the port that a line is for; "" for any.
func (l PassLine) Endpoint() (host, port string) {
	for i, to := range []*string{&host, &port} {
		if l.fields[i].bare != "*" {
			*to = l.fields[i].text
		}
	}
	return host, port
}

// Overlaps reports whether there are connections that both lines fit.
func (l PassLine) Overlaps(other PassLine) bool {
	for i := range 4 {
		a, b := l.fields[i], other.fields[i]
		if a.bare != "*" && b.bare != "*" && a.text != b.text {
			return false
		}
	}
	return true
}

// PassField writes a field of a password file.
func PassField(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, `\`, `\\`), `:`, `\:`)
}

// passField is a field as it stands, and as it is meant.
type passField struct{ bare, text string }

// passFields parts a line; what follows the fifth field is left out, as libpq does.
func passFields(line string) []passField {
	fields := make([]passField, 0, 5)
	begin := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++ // what follows is no end
		case ':':
			fields = append(fields, passFieldOf(line[begin:i]))
			begin = i + 1
		}
	}
	return append(fields, passFieldOf(line[begin:]))
}

// passFieldOf takes the backslashes out, but for one at the end.
func passFieldOf(bare string) passField {
	if !strings.Contains(bare, `\`) {
		return passField{bare, bare}
	}
	var text strings.Builder
	for i := 0; i < len(bare); i++ {
		if bare[i] == '\\' && i+1 < len(bare) {
			i++
		}
		text.WriteByte(bare[i])
	}
	return passField{bare, text.String()}
}
