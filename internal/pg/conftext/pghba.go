package conftext

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// HBAToken is a word of pg_hba.conf. A word that began with a quote is a name even
// where it would be a keyword.
type HBAToken struct {
	Text   string
	Quoted bool
}

// HBALine is one logical line of pg_hba.conf: fields of words.
type HBALine struct {
	Line   int // the first of its lines in the file, from 1
	Fields [][]HBAToken
}

// HBARule is a rule in the words of the file. In Database and User a keyword is
// itself; the name of an object that is called like a keyword is in double quotes
// (LiteralDatabase and LiteralUser make it).
type HBARule struct {
	Type     string // local, host, hostssl, hostnossl, hostgssenc, hostnogssenc
	Database []string
	User     []string
	Address  string // "" for local
	Method   string
	Options  []HBAOption
}

// HBAOption is one name=value after the method.
type HBAOption struct{ Name, Value string }

// ParseHBA reads pg_hba.conf's lines as the server cuts them into words; comments
// and empty lines are left out. Files that it includes (@file) are named, not read.
func ParseHBA(text string) []HBALine {
	var all []HBALine
	number := 0
	lines := strings.SplitAfter(text, "\n")
	for i := 0; i < len(lines) && lines[i] != ""; i++ {
		number = i + 1
		logical := strings.TrimRight(lines[i], "\r\n")
		// A backslash joins the next line, unless it stands where the last one
		// was taken away.
		joined := -1
		for len(logical) > max(joined, 0) && strings.HasSuffix(logical, `\`) {
			logical = logical[:len(logical)-1]
			joined = len(logical)
			if i+1 >= len(lines) || lines[i+1] == "" {
				break
			}
			i++
			logical = strings.TrimRight(logical+lines[i], "\r\n")
		}
		if fields := hbaFields(logical); len(fields) > 0 {
			all = append(all, HBALine{Line: number, Fields: fields})
		}
	}
	return all
}

// hbaFields cuts a line into fields, and those at commas into words.
func hbaFields(line string) [][]HBAToken {
	var fields [][]HBAToken
	for rest := line; rest != ""; {
		var field []HBAToken
		for more := true; more; {
			var t HBAToken
			var ok bool
			t, rest, more, ok = hbaWord(rest)
			if !ok {
				break
			}
			field = append(field, t)
		}
		if len(field) > 0 {
			fields = append(fields, field)
		}
	}
	return fields
}

func isHBABlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

// hbaWord reads one word as next_token of hba.c does. more reports that a comma
// ended it, so that the field continues.
func hbaWord(s string) (t HBAToken, rest string, more, ok bool) {
	i := run(s, 0, func(c byte) bool { return isHBABlank(c) || c == ',' })
	if end := strings.IndexAny(s[i:], "\",# \t\r"); end > 0 && isHBABlank(s[i+end]) { // a plain word
		return HBAToken{Text: s[i : i+end]}, s[i+end:], false, true
	}
	var b strings.Builder
	inQuote, wasQuote, sawQuote := false, false, false
	for ; i < len(s) && (inQuote || !isHBABlank(s[i])); i++ {
		c := s[i]
		if !inQuote && c == '#' {
			i = len(s)
			break
		}
		if !inQuote && c == ',' {
			more = true
			i++
			break
		}
		if c != '"' || wasQuote {
			b.WriteByte(c)
		}
		wasQuote = inQuote && c == '"' && !wasQuote
		if c == '"' {
			inQuote, sawQuote = !inQuote, true
			t.Quoted = t.Quoted || b.Len() == 0
		}
	}
	t.Text = b.String()
	return t, s[i:], more, sawQuote || t.Text != ""
}

// Rule returns the rule that the line is, where it has the form of one. Whether its
// words mean anything is the server's to say.
func (l HBALine) Rule() (HBARule, error) {
	if len(l.Fields) < 4 {
		return HBARule{}, fmt.Errorf("line %d: a rule needs at least four fields", l.Line)
	}
	r := HBARule{Type: l.Fields[0][0].Text, Database: texts(l.Fields[1], databaseWords), User: texts(l.Fields[2], userWords)}
	rest := l.Fields[3:]
	if r.Type != "local" {
		var err error
		if r.Address, rest, err = address(rest); err != nil {
			return HBARule{}, fmt.Errorf("line %d: %w", l.Line, err)
		}
	}
	if len(rest) == 0 {
		return HBARule{}, fmt.Errorf("line %d: the method is missing", l.Line)
	}
	r.Method = rest[0][0].Text
	for _, field := range rest[1:] {
		for _, t := range field {
			name, value, _ := strings.Cut(t.Text, "=")
			r.Options = append(r.Options, HBAOption{name, value})
		}
	}
	return r, nil
}

// texts puts words back into the form that HBARule holds.
func texts(field []HBAToken, isKeyword func(string) bool) []string {
	all := make([]string, len(field))
	for i, t := range field {
		all[i] = t.Text
		if t.Quoted && isKeyword(t.Text) || isQuotedHBA(t.Text) {
			all[i] = quoteHBA(t.Text)
		}
	}
	return all
}

// address reads an address, and the mask that may follow it as a field.
func address(fields [][]HBAToken) (string, [][]HBAToken, error) {
	a := fields[0][0].Text
	ip, err := netip.ParseAddr(a)
	_, notPrefix := netip.ParsePrefix(a)
	if err != nil && notPrefix != nil && isOldAddress(a) {
		return "", nil, fmt.Errorf("the address %s does not have four parts", a)
	}
	if err != nil || len(fields) < 2 {
		return a, fields[1:], nil
	}
	mask, err := netip.ParseAddr(fields[1][0].Text)
	if err != nil && isOldAddress(fields[1][0].Text) { // no method is a number
		return "", nil, fmt.Errorf("the mask %s does not have four parts", fields[1][0].Text)
	}
	if err != nil || mask.BitLen() != ip.BitLen() {
		return a, fields[1:], nil
	}
	bits, ok := prefixLength(mask)
	if !ok {
		return "", nil, fmt.Errorf("the mask %s is not contiguous", mask)
	}
	return fmt.Sprintf("%s/%d", a, bits), fields[2:], nil
}

// isOldAddress recognizes numbers that the server's resolver takes for addresses, such
// as 0 and 127.1.
func isOldAddress(a string) bool {
	a, _, _ = strings.Cut(a, "/")
	for part := range strings.SplitSeq(a, ".") {
		if _, err := strconv.ParseUint(part, 0, 32); err != nil {
			return false
		}
	}
	return true
}

// prefixLength counts a mask's ones, where no zero is before one of them.
func prefixLength(mask netip.Addr) (int, bool) {
	n, ended := 0, false
	for _, b := range mask.AsSlice() {
		for i := 7; i >= 0; i-- {
			one := b>>i&1 == 1
			if one && ended {
				return 0, false
			}
			ended = !one
			if one {
				n++
			}
		}
	}
	return n, true
}

func databaseWords(s string) bool {
	return slices.Contains([]string{"all", "sameuser", "samegroup", "samerole", "replication"}, s) || special(s)
}

func userWords(s string) bool { return s == "all" || strings.HasPrefix(s, "+") || special(s) }

// special recognizes words whose first letter says what they are: a file, a regular
// expression.
func special(s string) bool { return strings.HasPrefix(s, "@") || strings.HasPrefix(s, "/") }

// LiteralDatabase returns the form of a database's own name in a rule: never a
// keyword or a file. From PostgreSQL 16 on a name that begins with a slash is a
// regular expression in quotes, too.
func LiteralDatabase(name string) string { return literal(name, databaseWords) }

// LiteralUser does the same for a role's own name, which is no group either.
func LiteralUser(name string) string { return literal(name, userWords) }

func literal(name string, isKeyword func(string) bool) string {
	if isKeyword(name) || isQuotedHBA(name) {
		return quoteHBA(name)
	}
	return name
}

// String returns the rule's line without its end. Check it first.
func (r HBARule) String() string {
	fields := []string{r.Type, hbaField(r.Database), hbaField(r.User)}
	if r.Type != "local" {
		fields = append(fields, hbaWordText(r.Address))
	}
	fields = append(fields, hbaWordText(r.Method))
	for _, o := range r.Options {
		fields = append(fields, hbaWordText(o.Name+"="+o.Value))
	}
	return strings.Join(fields, "  ")
}

// Check says what no line of the file can hold.
func (r HBARule) Check() error {
	words := slices.Concat([]string{r.Type, r.Address, r.Method}, r.Database, r.User)
	for _, o := range r.Options {
		words = append(words, o.Name, o.Value)
	}
	for _, w := range words {
		if strings.ContainsAny(w, "\n\r\x00") {
			return fmt.Errorf("%q contains a line break or a zero byte, which pg_hba.conf cannot hold", w)
		}
		// PostgreSQL before 16 reads no longer words.
		if len(w) > 255 {
			return fmt.Errorf("%.20q… is longer than 255 bytes", w)
		}
	}
	if len(r.Database) == 0 || len(r.User) == 0 || r.Type == "" || r.Method == "" {
		return errors.New("a rule needs a type, a database, a user and a method")
	}
	return nil
}

func hbaField(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = hbaWordText(w)
	}
	return strings.Join(quoted, ",")
}

// hbaWordText quotes a word where it must be; what is in quotes already stays.
func hbaWordText(w string) string {
	if isQuotedHBA(w) {
		return w
	}
	if w != "" && !strings.ContainsAny(w, " \t\r,#\"\\") {
		return w
	}
	if len(w) > 1 && strings.IndexByte("+@/", w[0]) >= 0 {
		// Quoted whole, it would be a name that begins with that letter.
		return w[:1] + quoteHBA(w[1:])
	}
	return quoteHBA(w)
}

func quoteHBA(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// isQuotedHBA recognizes a word that is one whole quoted name.
func isQuotedHBA(w string) bool {
	return len(w) >= 2 && w[0] == '"' && w[len(w)-1] == '"' &&
		!strings.Contains(strings.ReplaceAll(w[1:len(w)-1], `""`, ""), `"`)
}
