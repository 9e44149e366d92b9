package host

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/repltool/repltool/facts"
)

// parseDirs reads what put_dir writes: the path, a line of marks, why it is pinned, and
// df's lines. What df does not tell is left 0.
func (f *fields) parseDirs() []facts.Dir {
	row := regexp.MustCompile(`\s(\d+)\s+\d+\s+(-?\d+)\s+\S+\s+(/.*)$`)
	var dirs []facts.Dir
	for _, text := range f.dirs {
		lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
		if len(lines) < 3 {
			continue
		}
		marks := strings.SplitN(lines[1], " ", 4)
		if len(marks) != 4 {
			continue
		}
		d := facts.Dir{
			Path: lines[0], State: facts.DataState(marks[0]), Locked: marks[1] == "1", Aside: marks[2] == "1",
			Link: marks[3], Pinned: lines[2],
		}
		if m := row.FindStringSubmatch(lines[len(lines)-1]); m != nil {
			total, _ := strconv.ParseInt(m[1], 10, 64)
			free, _ := strconv.ParseInt(m[2], 10, 64)
			d.Disk = facts.Disk{Mount: m[3], Free: max(free, 0) * 1024, Total: total * 1024}
		}
		dirs = append(dirs, d)
	}
	return dirs
}

// linked reads the directories of a list of links.
func linked(text string) []string {
	var dirs []string
	for line := range strings.Lines(text) {
		if _, dir, ok := strings.Cut(strings.TrimRight(line, "\n"), "\t"); ok {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// parseSources reads lines of an address and a local address of /proc/net/udp: its
// four-byte words in the machine's order, and the port.
func parseSources(text string) map[string]string {
	sources := map[string]string{}
	for line := range strings.Lines(text) {
		to, ours, _ := strings.Cut(strings.TrimSpace(line), " ")
		words, _, _ := strings.Cut(ours, ":")
		bytes, err := hex.DecodeString(words)
		if err != nil || len(bytes)%4 != 0 {
			continue
		}
		for i := 0; i < len(bytes); i += 4 {
			word := binary.BigEndian.Uint32(bytes[i:])
			binary.NativeEndian.PutUint32(bytes[i:], word)
		}
		address, ok := netip.AddrFromSlice(bytes)
		if dest, err := netip.ParseAddr(to); ok && err == nil {
			sources[dest.Unmap().String()] = address.Unmap().String()
		}
	}
	if len(sources) == 0 {
		return nil
	}
	return sources
}

// created returns when the data directory and its slots were created: lines of seconds and
// a name, 0 or a mark where the file system does not tell.
func (f *fields) created() (data int64, slots map[string]int64) {
	for line := range strings.Lines(f.text["created"]) {
		seconds, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		at, err := strconv.ParseInt(seconds, 10, 64)
		slot, isSlot := strings.CutPrefix(strings.TrimSuffix(name, "/"), "pg_replslot/")
		switch {
		case err != nil || at <= 0:
		case isSlot:
			if slots == nil {
				slots = map[string]int64{}
			}
			slots[slot] = at
		case name == "PG_VERSION":
			data = at
		}
	}
	return data, slots
}
