package check

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/repltool/repltool/doctor"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// Locales come from the operating system of each machine. A server lets nobody into a
// database whose LC_COLLATE or LC_CTYPE it does not have, and does not start with such an
// lc_messages, lc_monetary, lc_numeric or lc_time (PostgreSQL docs, 24.1 "Locale Support").

// checkLocales refuses clones and databases in locales that a machine lacks. Where a
// server runs without them already, it is a finding.
func checkLocales(s *cluster.Cluster, out *draft.Findings) {
	if s.Live() == nil {
		return
	}
	for _, n := range s.Cluster.Members() {
		h := s.Found(n).Host
		if h == nil || len(h.Locales) == 0 {
			continue
		}
		now, come := lacked(s, h, localesOfDatabases(s)), lacked(s, h, localesToCome(s))
		if s.Recloned(n) {
			come, now = lacked(s, h, slices.Concat(localesOfDatabases(s), localesToCome(s), localesOfFiles(s, n))), nil
		}
		if len(come) > 0 {
			out.Fail(s.RangeOf(n), "Missing locale", "%s does not have the locale %s, which %s requires: nobody could connect to a database there that uses it. "+
				"Install it on that host: the package locales or a language pack, or as root\n%s",
				n.Name, strings.Join(come, ", "), s.Cluster.ID, localedef(come))
		}
		if len(now) > 0 && s.Running(n) {
			out.Report(doctor.Finding{
				Code: "locale_not_installed", Severity: doctor.Error, Address: s.NodeAddress(n), Node: n.Name,
				Evidence: "locale -a on " + n.Name + ", and pg_database on " + s.Leading().Name,
				Fix:      "Install it on that host (the package locales or a language pack, or as root\n" + localedef(now) + "\n), and restart the server by hand.",
			}, "%s does not have the locale %s of databases of %s: nobody can connect to them there", n.Name, strings.Join(now, ", "), s.Cluster.ID)
		}
	}
}

// localesOfDatabases are those of the primary's databases, of which also those of other
// providers have an LC_COLLATE and an LC_CTYPE of the operating system.
func localesOfDatabases(s *cluster.Cluster) []string {
	var all []string
	for _, db := range s.Live().Databases {
		all = append(all, strings.Split(db.Locale, "/")...)
	}
	return all
}

// localesToCome are those of databases that this plan makes.
func localesToCome(s *cluster.Cluster) []string {
	var all []string
	for _, db := range s.Cluster.Databases {
		if db.Locale != "" && s.Live().Database(db.Name) == nil {
			all = append(all, db.Locale)
		}
	}
	return all
}

// localesOfFiles are those of the configuration files of a clone: of those that initdb
// makes for it, or of its primary's where they come with the data.
func localesOfFiles(s *cluster.Cluster, n *topology.Node) []string {
	h := s.Found(n).Host
	switch {
	case s.NeedsConfig(n):
		return []string{s.Cluster.InitDB.Locale}
	case path.Dir(h.Conf.Path) != h.DataDir:
		return nil
	}
	var all []string
	for _, name := range []string{"lc_messages", "lc_monetary", "lc_numeric", "lc_time"} {
		if _, given := s.ParametersOf(n)[name]; !given {
			all = append(all, s.Live().InForce(name))
		}
	}
	return all
}

// lacked returns those of the locales that the machine does not have, each once.
func lacked(s *cluster.Cluster, h *facts.Host, locales []string) []string {
	var all []string
	for _, l := range locales {
		builtIn := l == "" || slices.Contains([]string{"C", "POSIX"}, strings.ToUpper(l))
		if !builtIn && !slices.ContainsFunc(h.Locales, func(has string) bool { return pg.SameLocale(has, l) }) {
			all = append(all, l)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// localedef are the commands that make locales.
func localedef(locales []string) string {
	var lines []string
	for _, l := range locales {
		name, modifier, _ := strings.Cut(l, "@")
		language, codeset, _ := strings.Cut(name, ".")
		if modifier != "" {
			language += "@" + modifier
		}
		if codeset == "" {
			codeset = "ISO-8859-1"
		}
		lines = append(lines, fmt.Sprintf("  localedef -i %s -f %s %s", language, codeset, l))
	}
	return strings.Join(lines, "\n")
}
