package ssh

import (
	"os"
	"path/filepath"

	"github.com/kevinburke/ssh_config"
)

// Alias returns the name by which the user's configuration calls a machine of that address; ""
// where it has none. Files that it includes are not looked at.
func Alias(o Options, address string) string {
	path := o.ConfigFile
	if path == "" {
		path = filepath.Join(homeDir(), ".ssh", "config")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	config, err := ssh_config.DecodeBytes(text)
	if err != nil {
		return ""
	}
	for _, h := range config.Hosts {
		if len(h.Patterns) != 1 || checkHost(h.Patterns[0].String()) != nil || !h.Matches(h.Patterns[0].String()) {
			continue
		}
		name := h.Patterns[0].String()
		if host, err := config.Get(name, "HostName"); err == nil && host == address {
			return name
		}
	}
	return ""
}
