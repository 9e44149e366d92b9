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

// pendingConnInfoSQL returns primary_conninfo as the files have it, where the server uses another.
const pendingConnInfoSQL = `SELECT to_json(coalesce(f.setting, ''))
  FROM pg_settings s
  LEFT JOIN (SELECT setting FROM pg_file_settings WHERE lower(name) = 'primary_conninfo' ORDER BY seqno DESC LIMIT 1) f ON true
  WHERE s.name = 'primary_conninfo' AND s.source IN ('default', 'configuration file') AND s.setting <> coalesce(f.setting, '')`

func pendingConnInfo() section {
	return section{"pending_conninfo", pendingConnInfoSQL, func(answer json.RawMessage, s *facts.Server) error {
		var text *string
		if err := json.Unmarshal(answer, &text); err != nil || text == nil {
			return err
		}
		secret := topology.NewSecret(connInfo, *text)
		s.PendingConnInfo = &secret
		return nil
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
