package lab

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// A lab's directory is made under the lock, together with its bridge and its
// record; so who holds the lock sees no lab half made.

func labsDir() string { return filepath.Join(varDir(), "labs") }

// goneDir has the files of labs that are down, until they are removed.
func goneDir() string { return filepath.Join(varDir(), "gone") }

func lockLabs(ctx context.Context) (func(), error) {
	return lock(ctx, filepath.Join(varDir(), "labs.lock"))
}

// claim takes a number that nothing uses and makes the lab's directory.
func claim(ctx context.Context, keep bool, hosts []*Host) (*Lab, error) {
	unlock, err := lockLabs(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := directory(labsDir()); err != nil {
		return nil, err
	}
	if err := stackable(labsDir()); err != nil {
		return nil, err
	}
	for number := 1; number < 255; number++ {
		if used, err := inUse(number); err != nil {
			return nil, err
		} else if used || exists(filepath.Join(labsDir(), labName(number))) || exists("/sys/class/net/"+bridge(number)) {
			continue
		}
		l := newLab(number, hosts)
		l.id, l.owner, l.Kept = rand.Text(), self(), keep
		if err := l.found(ctx); err == nil {
			return l, nil
		} else if !exists("/sys/class/net/" + bridge(number)) { // else a lab of another directory was quicker
			return nil, fmt.Errorf("claim %s: %w", l.Name(), err)
		}
	}
	return nil, errors.New("every subnet of 10.77.0.0/16 is in use")
}

// found makes the lab's directory, record and bridge, or nothing.
func (l *Lab) found(ctx context.Context) error {
	if err := os.Mkdir(l.Dir, 0o755); err != nil {
		return err
	}
	err := l.save()
	if err == nil {
		err = addBridge(ctx, l.number)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(l.Dir))
	}
	return nil
}

// stackable refuses a directory on an overlay, as a container's root is: the
// kernel takes no second one on top, and mount would only say "wrong fs type".
func stackable(dir string) error {
	const overlay = 0x794c7630
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("file system of %s: %w", dir, err)
	}
	if fs.Type == overlay {
		return fmt.Errorf("%s is on an overlay file system: let REPLTOOL_LAB_DIR name a directory on a disk", varDir())
	}
	return nil
}

func labName(number int) string { return fmt.Sprintf("lab%d", number) }

// newLab is a lab's value: its paths and its hosts' addresses follow from the number.
func newLab(number int, hosts []*Host) *Lab {
	dir := filepath.Join(labsDir(), labName(number))
	l := &Lab{
		Dir: dir, SSHConfig: filepath.Join(dir, "ssh_config"), KnownHosts: filepath.Join(dir, "known_hosts"),
		Key: filepath.Join(dir, "id_ed25519"), Hosts: hosts, number: number,
	}
	for i, h := range hosts {
		h.lab, h.index, h.Addr = l, i+1, address(number, i+1)
	}
	return l
}

// List returns the labs of this machine, those of other processes too.
func List() ([]*Lab, error) {
	dirs, err := os.ReadDir(labsDir())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list labs: %w", err)
	}
	var labs []*Lab
	for _, d := range dirs {
		l, err := open(d.Name())
		if errors.Is(err, os.ErrNotExist) {
			continue // it went down meanwhile, or is just being made
		}
		if err != nil {
			return nil, fmt.Errorf("list labs: %w", err)
		}
		labs = append(labs, l)
	}
	slices.SortFunc(labs, func(a, b *Lab) int { return a.number - b.number })
	return labs, nil
}

// open reads a lab's record.
func open(name string) (*Lab, error) {
	var number int
	if _, err := fmt.Sscanf(name, "lab%d", &number); err != nil || labName(number) != name {
		return nil, fmt.Errorf("%s: no lab's directory", filepath.Join(labsDir(), name))
	}
	text, err := os.ReadFile(filepath.Join(labsDir(), name, "lab.json"))
	if err != nil {
		return nil, err
	}
	var r record
	if json.Unmarshal(text, &r) != nil {
		r = record{} // the machine itself lost its power: nobody owns the lab, nothing runs
	}
	l := newLab(number, r.Hosts)
	l.id, l.owner, l.Kept = r.ID, r.Owner, r.Kept
	return l, nil
}

// Orphan reports whether nothing asks for the lab any more: it is not kept, and the
// process that made it is gone.
func (l *Lab) Orphan() bool { return !l.Kept && !l.owner.alive() }

// Sweep removes the labs that killed tests left. Labs of living processes and
// kept ones are not touched.
func Sweep(ctx context.Context) error {
	if err := usable(); err != nil {
		return err
	}
	unlock, err := lockLabs(ctx)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	defer unlock()
	labs, err := List()
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for _, l := range labs {
		if l.Orphan() {
			if err := l.Down(ctx); err != nil {
				return fmt.Errorf("sweep: %w", err)
			}
		}
	}
	return sweepFiles(ctx)
}

// sweepFiles removes what is nobody's: the directories of labs whose making was
// killed before the record, which comes before all else, and of those whose
// removing was.
func sweepFiles(ctx context.Context) error {
	made, err := filepath.Glob(filepath.Join(labsDir(), "lab*"))
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	made = slices.DeleteFunc(made, func(dir string) bool { return exists(filepath.Join(dir, "lab.json")) })
	gone, err := filepath.Glob(filepath.Join(goneDir(), "lab*"))
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for _, dir := range append(made, gone...) {
		if err := removeAll(ctx, dir); err != nil { // its own Down may be at it too
			return fmt.Errorf("sweep: %w", err)
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// fields are the words of a file of the kernel's.
func fields(text []byte) []string { return strings.Fields(string(text)) }
