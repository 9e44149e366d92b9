package host

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/repltool/repltool/facts"
)

// File systems that belong on a machine and are not there: /etc/fstab or a mount unit
// names their mount point, and nothing is mounted on it. A directory below such a mount
// point looks empty, and its contents are elsewhere (fstab(5), systemd.mount(5)).

// unmounted returns those on the way to the directories that were asked about.
func (f *fields) unmounted() []facts.Mount {
	mounted := secondFields(f.text["mounts"])
	if len(mounted) == 0 {
		return nil // the machine does not say
	}
	declared := map[string]string{}
	for line := range strings.Lines(f.text["mount_units"]) {
		declared[path.Clean(strings.TrimSpace(line))] = "a mount unit of systemd"
	}
	for _, point := range secondFields(f.text["fstab"]) {
		declared[path.Clean(point)] = "/etc/fstab"
	}
	var all []facts.Mount
	places := words(f.text["places"])
	for i := 0; i+1 < len(places); i += 2 {
		for point, source := range declared {
			if (above(point, places[i]) || above(point, places[i+1])) && !slices.Contains(mounted, point) {
				all = append(all, facts.Mount{Point: point, Source: source, Dir: places[i]})
			}
		}
	}
	slices.SortFunc(all, func(a, b facts.Mount) int { return strings.Compare(a.Dir+"\x00"+a.Point, b.Dir+"\x00"+b.Point) })
	return slices.Compact(all)
}

// above reports whether the directory is the mount point or lies below it. The root is
// always mounted.
func above(point, dir string) bool {
	return path.IsAbs(point) && point != "/" && (dir == point || strings.HasPrefix(dir, point+"/"))
}

// secondFields returns the mount points of lines in the form of fstab.
func secondFields(text string) []string {
	var points []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) > 1 && !strings.HasPrefix(fields[0], "#") {
			points = append(points, unescape(fields[1]))
		}
	}
	return points
}

// unescape reads the octal escapes of fstab: \040 is a space.
func unescape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+3 < len(text) {
			if n, err := strconv.ParseUint(text[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}
