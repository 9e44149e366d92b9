package topology

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// hostMethods are the ways to authenticate over TCP.
func hostMethods() []string {
	return []string{
		"trust", "reject", "scram-sha-256", "md5", "password", "gss", "sspi",
		"ident", "ldap", "radius", "cert", "pam", "bsd", "oauth",
	}
}

// hba returns the rules that a block stands for: one for each address.
func (b *block) hba() []HBARule {
	rule := HBARule{Range: b.at}
	b.text("type", &rule.Type, oneOf("local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc"))
	rule.Database = b.hbaNames("database")
	rule.User = b.hbaNames("user")
	b.text("method", &rule.Method, oneOf(append(hostMethods(), "peer")...))
	rule.Options = b.hbaOptions()
	addresses := b.hbaAddresses(rule.Type)
	if why := methodFits(rule); why != "" {
		b.invalid("method", why)
	} else if why := optionsFit(rule); why != "" && !b.optionsDoubtful(rule) {
		b.invalid(b.oneThatIsThere("options", "method"), why)
	}
	var rules []HBARule
	for _, address := range addresses {
		each := rule
		each.Address = address
		rules = append(rules, each)
	}
	return rules
}

// optionsDoubtful reports whether options were given and could not be read: what is wrong
// with them is reported already.
func (b *block) optionsDoubtful(r HBARule) bool { return b.has("options") && r.Options == nil }

// oneThatIsThere returns the first of two attributes that the block has.
func (b *block) oneThatIsThere(first, second string) string {
	if b.has(first) {
		return first
	}
	return second
}

func (b *block) hbaNames(name string) []string {
	list := b.textOrTexts(name, notEmpty, hbaToken)
	if list != nil && len(list) == 0 {
		b.invalid(name, "the list is empty. Use \"all\" to match everything.")
	}
	return list
}

// hbaToken keeps to what every server reads back as written: versions before 16
// cut a token at 255 bytes.
func hbaToken(text string) string {
	if len(text) > 255 {
		return "the text is longer than 255 bytes, the limit for a field of pg_hba.conf."
	}
	return ""
}

func (b *block) hbaAddresses(typ string) []string {
	if typ == "local" {
		if b.has("address") {
			b.invalid("address", "rules of type local have no address.")
		}
		return []string{""}
	}
	if !b.has("address") {
		if typ != "" {
			b.e.add(problem(b.at, "Missing address",
				"Rules of type %s require an address: a network such as \"10.0.0.0/8\", a host name, or \"all\".", typ))
		}
		return nil
	}
	list := b.textOrTexts("address", hbaToken, hbaAddress)
	if list != nil && len(list) == 0 {
		b.invalid("address", "the list is empty. Use \"all\" to match every address.")
	}
	return list
}

func hbaAddress(text string) string {
	if text == "all" || text == "samehost" || text == "samenet" {
		return ""
	}
	if addr, err := netip.ParseAddr(text); err == nil {
		return fmt.Sprintf("%q has no prefix length: for this one address, write \"%s/%d\".", text, text, addr.BitLen())
	}
	if strings.Contains(text, "/") {
		if _, err := netip.ParsePrefix(text); err != nil {
			return fmt.Sprintf("%q is not a valid network: write it as \"10.0.0.0/8\" or \"fd00::/64\".", text)
		}
		return ""
	}
	if name := strings.TrimPrefix(text, "."); strings.Contains(name, ":") || hostName(name) != "" {
		return fmt.Sprintf("%q is neither a network nor a host name.", text)
	}
	return ""
}

// methodFits returns what the server would refuse the line for.
func methodFits(r HBARule) string {
	switch {
	case r.Type == "" || r.Method == "":
		return ""
	case r.Method == "peer" && r.Type != "local":
		return "peer authentication is available only for type local."
	case r.Method == "cert" && r.Type != "hostssl":
		return "cert authentication is available only for type hostssl."
	case r.Method == "gss" && r.Type == "local":
		return "gss authentication is not available for type local."
	case r.Type == "hostgssenc" && r.Method != "gss" && r.Method != "reject" && r.Method != "trust":
		return "type hostgssenc accepts only gss, reject or trust."
	}
	return ""
}

// hbaOptions reads a map, "name=value", or a list of those.
func (b *block) hbaOptions() []HBAOption {
	v, ok := b.value("options")
	if !ok {
		return nil
	}
	if !v.Type().IsMapType() && !v.Type().IsObjectType() {
		return b.hbaOptionTexts()
	}
	m, err := convert.Convert(v, cty.Map(cty.String))
	if err != nil {
		b.wrongType("options", "a map of strings", v.Type())
		return nil
	}
	var options []HBAOption
	for it := m.ElementIterator(); it.Next(); {
		name, value := it.Element()
		if !value.IsNull() {
			options = b.hbaOption(options, name.AsString(), value.AsString())
		}
	}
	return options
}

func (b *block) hbaOptionTexts() []HBAOption {
	var options []HBAOption
	for _, text := range b.textOrTexts("options") {
		name, value, found := strings.Cut(text, "=")
		if !found {
			b.invalid("options", "write each option as NAME=VALUE, or use a map.")
			continue
		}
		options = b.hbaOption(options, name, value)
	}
	return options
}

func (b *block) hbaOption(options []HBAOption, name, value string) []HBAOption {
	for _, c := range []check{singleLine, notEmpty, hbaToken} {
		if why := c(name + value); why != "" {
			b.invalid("options", why)
			return options
		}
	}
	if strings.ContainsAny(name, " \t\"#=,") || name == "" {
		b.invalid("options", fmt.Sprintf("%q is not a valid option name.", name))
		return options
	}
	return append(options, HBAOption{Name: name, Value: value})
}
