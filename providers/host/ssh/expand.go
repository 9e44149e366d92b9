package ssh

import (
	"os"
	"regexp"
	"strconv"
	"strings"
)

// expander fills in the tokens that ssh_config allows in file names: %h, %d, …,
// ${VARIABLE} and a leading ~.
type expander struct {
	tokens *strings.Replacer
}

func newExpander(t *target) expander {
	hostname, _ := os.Hostname()
	short, _, _ := strings.Cut(hostname, ".")
	key := t.hostKeyAlias
	if key == "" {
		key = t.name
	}
	return expander{strings.NewReplacer(
		"%%", "%", "%d", homeDir(), "%h", t.host, "%n", t.name, "%p", strconv.Itoa(t.port),
		"%r", t.user, "%u", localUser(), "%i", strconv.Itoa(os.Getuid()), "%k", key,
		"%l", hostname, "%L", short,
	)}
}

func (x expander) expand(s string) string {
	s = regexp.MustCompile(`\$\{\w+\}`).ReplaceAllStringFunc(s, func(v string) string {
		return os.Getenv(v[2 : len(v)-1])
	})
	return x.tokens.Replace(expandHome(s))
}
