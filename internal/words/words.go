// Package words writes numbers and lists for people.
package words

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/repltool/repltool/topology"
)

func Plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// Few lists some names and counts the rest.
func Few(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// Near returns " Did you mean …?" for a name that is close to one of known.
func Near(name string, known []string) string {
	if n := topology.Nearest(strings.ToLower(name), known); n != "" {
		return fmt.Sprintf(" Did you mean %q?", n)
	}
	return ""
}

func Counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

func FewTables(tables []topology.TableName) string {
	var names []string
	for _, t := range tables {
		names = append(names, t.String())
	}
	return Few(names)
}

// BytesText writes a size for people: 412 GB.
func BytesText(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	x, u := float64(n), 0
	for x >= 1024 && u < len(units)-1 {
		x, u = x/1024, u+1
	}
	if u == 0 || x >= 10 {
		return fmt.Sprintf("%.0f %s", x, units[u])
	}
	return fmt.Sprintf("%.1f %s", x, units[u])
}
