package apply

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// outputs are what commands have printed for the waits of their change: where a server's WAL
// ends is known once it is stopped, and not when the plan is made.
type outputs struct {
	mu     sync.Mutex
	values map[string]string // by address and name
}

// word is what may be printed: it stands in a query between quotes.
var word = regexp.MustCompile(`^[A-Za-z0-9_./:-]+$`)

// keep takes in what a command printed.
func (p *outputs) keep(address, name, output string) error {
	value := strings.TrimSpace(output)
	if !word.MatchString(value) {
		return fmt.Errorf("it printed %q where one word was expected, the %s", value, strings.ReplaceAll(name, "_", " "))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.values == nil {
		p.values = map[string]string{}
	}
	p.values[address+" "+name] = value
	return nil
}

// fill puts what was printed into a query of the same change.
func (p *outputs) fill(address, query string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, value := range p.values {
		if name, ours := strings.CutPrefix(key, address+" "); ours {
			query = strings.ReplaceAll(query, ":'"+name+"'", "'"+value+"'")
		}
	}
	return query
}
