package postgres

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Settings: all rows of pg_settings, some 350, as arrays without names. The one
// that may hold a password has a place of its own. Names are folded to lower case
// (DateStyle), as the topology has them.
const settingsSQL = `SELECT json_agg(json_build_array(name, setting, unit, context, vartype, min_val, max_val,
    enumvals, boot_val, source, sourcefile, sourceline, pending_restart)) FROM pg_settings`

const connInfo = "primary_conninfo"

func settings() section {
	return section{"settings", settingsSQL, func(answer json.RawMessage, s *facts.Server) error {
		s.Settings = map[string]facts.Setting{}
		var rows []settingRow
		if err := json.Unmarshal(answer, &rows); err != nil {
			return err
		}
		for _, r := range rows {
			if r.name == connInfo {
				s.ConnInfo = topology.NewSecret(connInfo, r.Value)
				continue
			}
			s.Settings[r.name] = r.Setting
		}
		return nil
	}}
}

type settingRow struct {
	name string
	facts.Setting
}

// UnmarshalJSON reads the columns in the order of the query.
func (r *settingRow) UnmarshalJSON(data []byte) error {
	columns := []any{
		&r.name, &r.Value, &r.Unit, &r.Context, &r.VarType, &r.Min, &r.Max,
		&r.Enum, &r.Boot, &r.Source, &r.SourceFile, &r.SourceLine, &r.PendingRestart,
	}
	want := len(columns)
	if err := json.Unmarshal(data, &columns); err != nil {
		return err
	}
	if len(columns) != want {
		return fmt.Errorf("%d columns instead of %d", len(columns), want)
	}
	r.name = strings.ToLower(r.name)
	return nil
}
