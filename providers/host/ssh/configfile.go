package ssh

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kevinburke/ssh_config"
)

// parseFiles reads ~/.ssh/config and /etc/ssh/ssh_config here, for a machine
// without an ssh program. That parser knows no `Match exec` and no `Match final`:
// a file that has one is an error, never half a configuration.
func parseFiles(d destination, o Options) (settings, error) {
	files := []string{filepath.Join(homeDir(), ".ssh", "config"), "/etc/ssh/ssh_config"}
	if o.ConfigFile != "" {
		files = []string{o.ConfigFile}
	}
	s := settings{}
	for _, path := range files {
		if err := s.addFile(path, d.host, o.ConfigFile != ""); err != nil {
			return nil, configError(d, fmt.Errorf("%s: %w", path, err),
				"Only an ssh program reads every form of this file. Install one (openssh-client), or set REPLTOOL_SSH_CONFIG "+
					"to a simpler file.")
		}
	}
	s.addDefaults()
	return s, nil
}

// addFile adds what the file says of host; the first file that says a word wins.
func (s settings) addFile(path, host string, must bool) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !must {
		return nil
	}
	if err != nil {
		return err
	}
	config, err := ssh_config.DecodeBytes(text)
	if err != nil {
		return err
	}
	for _, word := range configWords() {
		values, err := config.GetAll(host, word)
		if err != nil {
			return err
		}
		s.add(strings.ToLower(word), values)
	}
	return nil
}

func (s settings) add(key string, values []string) {
	many := key == "identityfile" || key == "certificatefile"
	switch {
	case len(values) == 0:
	case many:
		s[key] = append(s[key], values...)
	case len(s[key]) == 0:
		s[key] = values[:1]
	}
}

func configWords() []string {
	return []string{
		"HostName", "User", "Port", "IdentityFile", "IdentitiesOnly", "IdentityAgent", "CertificateFile",
		"ProxyJump", "ProxyCommand", "UserKnownHostsFile", "GlobalKnownHostsFile", "HostKeyAlias",
		"StrictHostKeyChecking", "ConnectTimeout",
	}
}

// addDefaults adds ssh's own defaults of what is not said.
func (s settings) addDefaults() {
	s.add("userknownhostsfile", []string{"~/.ssh/known_hosts ~/.ssh/known_hosts2"})
	s.add("globalknownhostsfile", []string{"/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"})
	if len(s["identityfile"]) == 0 {
		s["identityfile"] = []string{"~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519"}
	}
}
