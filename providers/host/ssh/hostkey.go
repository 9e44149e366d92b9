package ssh

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknown "golang.org/x/crypto/ssh/knownhosts"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/host"
)

// hostKeys judges the key that a server presents. Keys are looked up by name,
// never by the address of the connection: behind a jump host that is nobody's.
type hostKeys struct {
	target *target
	config string // Options.ConfigFile, for hints
	db     *knownhosts.HostKeyDB
	origin map[string]string // names of cleaned copies to those of the files
}

func loadHostKeys(t *target, config string) (*hostKeys, error) {
	h := &hostKeys{target: t, config: config, origin: map[string]string{}}
	var files []string
	for _, path := range append(slices.Clone(t.userKnown), t.globalKnown...) {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			files = append(files, path)
		}
	}
	db, err := knownhosts.NewDB(files...)
	if err != nil {
		db, err = h.loadCleaned(files)
	}
	if err != nil {
		return nil, &host.Error{Kind: facts.HostKey, Op: "ssh: read known hosts", Err: err}
	}
	h.db = db
	return h, nil
}

// loadCleaned reads copies in which lines that x/crypto cannot parse are comments:
// ssh ignores a key of a type that it does not know, and so must we.
func (h *hostKeys) loadCleaned(files []string) (*knownhosts.HostKeyDB, error) {
	dir, err := os.MkdirTemp("", "repltool-known-hosts-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var copies []string
	for i, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		name := filepath.Join(dir, strconv.Itoa(i))
		if err := os.WriteFile(name, cleanKnownHosts(text), 0o600); err != nil {
			return nil, err
		}
		h.origin[name] = path
		copies = append(copies, name)
	}
	return knownhosts.NewDB(copies...)
}

func cleanKnownHosts(text []byte) []byte {
	lines := strings.SplitAfter(string(text), "\n")
	for i, line := range lines {
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		if _, _, _, _, _, err := ssh.ParseKnownHosts([]byte(trimmed)); err != nil {
			lines[i] = "# not read\n"
		}
	}
	return []byte(strings.Join(lines, ""))
}

// name is what the key is filed under: host:port, as x/crypto wants it.
func (h *hostKeys) name() string {
	if h.target.hostKeyAlias != "" {
		return h.target.hostKeyAlias + ":22"
	}
	return h.target.addr()
}

// algorithms puts those first of which a key is known, as ssh does: a server with
// several keys then presents the one that can be checked.
func (h *hostKeys) algorithms() []string {
	all := h.db.HostKeyAlgorithms(h.name())
	for _, a := range []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
	} {
		if !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return slices.DeleteFunc(all, func(a string) bool { return a == ssh.KeyAlgoRSA || a == ssh.CertAlgoRSAv01 })
}

// check is the ssh.HostKeyCallback.
func (h *hostKeys) check(_ string, _ net.Addr, key ssh.PublicKey) error {
	nobody := &net.TCPAddr{IP: net.IPv4zero}
	err := h.db.HostKeyCallback()(h.name(), nobody, key)
	if err == nil {
		return nil
	}
	return h.judge(key, err)
}

func (h *hostKeys) judge(key ssh.PublicKey, err error) error {
	var revoked *xknown.RevokedError
	var keyErr *xknown.KeyError
	switch {
	case errors.As(err, &revoked):
		return h.refuse(fmt.Errorf("host key %s is revoked by %s", describe(key), h.where(revoked.Revoked)), "")
	case !errors.As(err, &keyErr):
		return h.refuse(fmt.Errorf("host key %s is refused: %w", describe(key), err), "")
	case len(keyErr.Want) > 0:
		return h.changed(key, keyErr.Want)
	case h.target.acceptNew:
		return h.accept(key)
	}
	return h.unknown(key)
}

func (h *hostKeys) refuse(err error, hint string) error {
	return &host.Error{Kind: facts.HostKey, Op: "ssh: " + h.target.login(), Err: err, Hint: hint}
}

func (h *hostKeys) changed(key ssh.PublicKey, want []xknown.KnownKey) error {
	var known []string
	file := ""
	for _, k := range want {
		known = append(known, fmt.Sprintf("%s (%s)", describe(k.Key), h.where(k)))
		if file == "" {
			file = h.file(k)
		}
	}
	err := fmt.Errorf("the host key has changed: expected %s, received %s", strings.Join(known, ", "), describe(key))
	hint := fmt.Sprintf("Someone may be intercepting the connection. If the host was reinstalled and its own key has this "+
		"fingerprint, remove the old key:\n  ssh-keygen -R %s -f %s\n  %s", host.Quote(knownhosts.Normalize(h.name())), host.Quote(file), h.byHand())
	return h.refuse(err, hint)
}

func (h *hostKeys) unknown(key ssh.PublicKey) error {
	files := strings.Join(append(slices.Clone(h.target.userKnown), h.target.globalKnown...), ", ")
	err := fmt.Errorf("host key %s is unknown (looked in %s)", describe(key), files)
	hint := "Compare the fingerprint with that of the host, then connect once by hand:\n  " + h.byHand()
	if len(h.target.jumps) == 0 && len(h.target.userKnown) > 0 && h.target.hostKeyAlias == "" {
		hint += fmt.Sprintf("\nor record the keys without comparing them:\n  ssh-keyscan -p %d %s >> %s", h.target.port, h.target.host, host.Quote(h.target.userKnown[0]))
	}
	return h.refuse(err, hint)
}

// byHand is the command that asks the user about the key.
func (h *hostKeys) byHand() string {
	words := []string{"ssh"}
	if h.config != "" {
		words = append(words, "-F", h.config)
	}
	words = append(words, "-o", "StrictHostKeyChecking=ask", "-p", strconv.Itoa(h.target.port))
	if len(h.target.userKnown) > 0 {
		words = append(words, "-o", "UserKnownHostsFile="+h.target.userKnown[0])
	}
	return host.QuoteAll(append(words, h.target.user+"@"+h.target.name))
}

// accept writes the key of a host that was never seen to the user's first file.
func (h *hostKeys) accept(key ssh.PublicKey) error {
	if len(h.target.userKnown) == 0 {
		return h.unknown(key)
	}
	if err := appendLine(h.target.userKnown[0], knownhosts.Line([]string{h.name()}, key)); err != nil {
		return h.refuse(fmt.Errorf("write the new host key: %w", err), "")
	}
	return nil
}

// appendLine adds one line with one write, after a line end where one is missing.
func appendLine(path, line string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		line = "\n" + line
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}

func (h *hostKeys) file(k xknown.KnownKey) string {
	if path, ok := h.origin[k.Filename]; ok {
		return path
	}
	return k.Filename
}

func (h *hostKeys) where(k xknown.KnownKey) string {
	return h.file(k) + ":" + strconv.Itoa(k.Line)
}

func describe(key ssh.PublicKey) string {
	return key.Type() + " " + ssh.FingerprintSHA256(key)
}
