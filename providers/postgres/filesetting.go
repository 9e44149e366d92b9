package postgres

import (
	"encoding/json"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// File settings: what the files on disk say now, in the order in which the server
// reads them: the last one of a name counts.
const fileSettingsSQL = `SELECT json_agg(json_build_object(
    'file', sourcefile, 'line', sourceline, 'name', lower(name), 'applied', applied, 'error', error,
    'value', CASE WHEN lower(name) = 'primary_conninfo' THEN '' ELSE setting END) ORDER BY seqno)
  FROM pg_file_settings`

func fileSettings() section {
	return section{"file_settings", fileSettingsSQL, func(answer json.RawMessage, s *facts.Server) error {
		return each(answer, func(f facts.FileSetting) { s.FileSettings = append(s.FileSettings, f) })
	}}
}

// parameters reads what ALTER ROLE or DATABASE … SET stored: name=value.
func parameters(config []string) topology.Parameters {
	all := topology.Parameters{}
	for _, line := range config {
		name, value, _ := strings.Cut(line, "=")
		all[strings.ToLower(name)] = topology.Parameter{Value: value}
	}
	return all
}
