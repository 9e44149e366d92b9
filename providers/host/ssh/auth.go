package ssh

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// keyring is the keys that a login may use, and why others may not.
type keyring struct {
	signers []ssh.Signer
	tried   []string // what the server was offered, for the error
	unused  []string // "KEY: reason"
	locked  []string // files that need a passphrase and are in no agent
	agent   io.Closer
}

func (k *keyring) Close() {
	if k.agent != nil {
		k.agent.Close()
	}
}

// loadKeys gathers keys in the order in which ssh offers them: configured ones
// (by the agent where it has them), the agent's others, with certificates first.
func loadKeys(t *target) *keyring {
	k := &keyring{}
	inAgent := k.openAgent(t.agent)
	used := map[string]bool{}
	for _, path := range t.identities {
		if s := k.identity(path, inAgent); s != nil {
			k.add(s, path, used)
		}
	}
	k.addCertificates(t)
	if !t.identitiesOnly {
		for _, s := range inAgent {
			k.add(s, "agent", used)
		}
	}
	return k
}

func (k *keyring) add(s ssh.Signer, from string, used map[string]bool) {
	id := string(s.PublicKey().Marshal())
	if used[id] {
		return
	}
	used[id] = true
	k.signers = append(k.signers, s)
	k.tried = append(k.tried, fmt.Sprintf("%s (%s)", from, ssh.FingerprintSHA256(s.PublicKey())))
}

// openAgent returns the agent's keys. An agent that does not answer is no error:
// key files may do.
func (k *keyring) openAgent(socket string) []ssh.Signer {
	if socket == "" {
		return nil
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		k.unused = append(k.unused, fmt.Sprintf("agent: %v", err))
		return nil
	}
	k.agent = conn
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		k.unused = append(k.unused, fmt.Sprintf("agent %s: %v", socket, err))
	}
	return signers
}

// identity returns the signer of a key file, by the agent where it holds it.
func (k *keyring) identity(path string, inAgent []ssh.Signer) ssh.Signer {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.unused = append(k.unused, err.Error())
	}
	public := publicPart(path)
	if s := find(inAgent, public); s != nil {
		return s
	}
	if err != nil {
		return nil
	}
	signer, err := ssh.ParsePrivateKey(text)
	var missing *ssh.PassphraseMissingError
	switch {
	case err == nil:
		return signer
	case errors.As(err, &missing):
		if s := find(inAgent, missing.PublicKey); s != nil {
			return s
		}
		k.locked = append(k.locked, path)
	case !isPublicKey(text):
		k.unused = append(k.unused, fmt.Sprintf("%s: %v", path, err))
	}
	return nil
}

// publicPart returns the public key beside a private one, or at path itself: an
// IdentityFile may be a public key whose private part only the agent has.
func publicPart(path string) ssh.PublicKey {
	for _, p := range []string{path + ".pub", path} {
		if text, err := os.ReadFile(p); err == nil {
			if key, _, _, _, err := ssh.ParseAuthorizedKey(text); err == nil {
				return key
			}
		}
	}
	return nil
}

func isPublicKey(text []byte) bool {
	_, _, _, _, err := ssh.ParseAuthorizedKey(text)
	return err == nil
}

func find(signers []ssh.Signer, key ssh.PublicKey) ssh.Signer {
	if key == nil {
		return nil
	}
	for _, s := range signers {
		if bytes.Equal(s.PublicKey().Marshal(), key.Marshal()) {
			return s
		}
	}
	return nil
}

// addCertificates puts a certificate before the keys where there is one for a key:
// CertificateFile, and the file beside an identity.
func (k *keyring) addCertificates(t *target) {
	files := append([]string{}, t.certificates...)
	for _, path := range t.identities {
		files = append(files, path+"-cert.pub")
	}
	var certs []ssh.Signer
	var tried []string
	for _, path := range files {
		if s := k.certificate(path); s != nil {
			certs = append(certs, s)
			tried = append(tried, path)
		}
	}
	k.signers = append(certs, k.signers...)
	k.tried = append(tried, k.tried...)
}

func (k *keyring) certificate(path string) ssh.Signer {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	cert, ok := key.(*ssh.Certificate)
	if err != nil || !ok {
		k.unused = append(k.unused, path+": not a certificate")
		return nil
	}
	signer := find(k.signers, cert.Key)
	if signer == nil {
		k.unused = append(k.unused, path+": its private key was not found")
		return nil
	}
	with, err := ssh.NewCertSigner(cert, signer)
	if err != nil {
		k.unused = append(k.unused, fmt.Sprintf("%s: %v", path, err))
		return nil
	}
	return with
}

// hint says what to do when the server took none of the keys.
func (k *keyring) hint(t *target) string {
	var lines []string
	for _, path := range k.locked {
		lines = append(lines, fmt.Sprintf("%s is encrypted and not in the agent: ssh-add %s", path, path))
	}
	for _, u := range k.unused {
		lines = append(lines, "Not used: "+u)
	}
	if len(k.tried) > 0 {
		lines = append(lines, "Offered: "+strings.Join(k.tried, ", "))
	} else {
		lines = append(lines, "No key to offer was found in: "+strings.Join(t.identities, ", "))
	}
	return strings.Join(append(lines, "The public key must be in ~/.ssh/authorized_keys of "+t.user+" on "+t.host+"."), "\n")
}
