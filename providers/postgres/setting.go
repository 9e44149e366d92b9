package postgres

import "github.com/repltool/repltool/providers/facts"

// settingRow is a row of pg_settings. primary_conninfo is left out: it may hold a
// password, and is read on its own.
type settingRow struct {
	Name           string   `json:"name"`
	Setting        string   `json:"setting"`
	Unit           string   `json:"unit"`
	Context        string   `json:"context"`
	VarType        string   `json:"vartype"`
	Min            string   `json:"min_val"`
	Max            string   `json:"max_val"`
	Enum           []string `json:"enumvals"`
	Boot           string   `json:"boot_val"`
	Source         string   `json:"source"`
	SourceFile     string   `json:"sourcefile"`
	SourceLine     int      `json:"sourceline"`
	PendingRestart bool     `json:"pending_restart"`
}

const settingsSQL = `SELECT json_agg(s) FROM (
  SELECT name, setting, unit, context, vartype, min_val, max_val, enumvals, boot_val, source, sourcefile, sourceline, pending_restart
  FROM pg_settings WHERE name <> 'primary_conninfo') s`

func (r settingRow) facts() facts.Setting {
	return facts.Setting{
		Value: r.Setting, Unit: r.Unit, Context: r.Context, VarType: r.VarType, Min: r.Min, Max: r.Max, Enum: r.Enum, Boot: r.Boot,
		Source: r.Source, SourceFile: r.SourceFile, SourceLine: r.SourceLine, PendingRestart: r.PendingRestart,
	}
}

// fileSettingRow is a row of pg_file_settings.
type fileSettingRow struct {
	File    string `json:"sourcefile"`
	Line    int    `json:"sourceline"`
	Name    string `json:"name"`
	Value   string `json:"setting"`
	Applied bool   `json:"applied"`
	Error   string `json:"error"`
}

const fileSettingsSQL = `SELECT json_agg(f ORDER BY seqno) FROM (
  SELECT seqno, sourcefile, sourceline, name, CASE WHEN name <> 'primary_conninfo' THEN setting END AS setting, applied, error
  FROM pg_file_settings) f`

func (r fileSettingRow) facts() facts.FileSetting {
	return facts.FileSetting{File: r.File, Line: r.Line, Name: r.Name, Value: r.Value, Applied: r.Applied, Error: r.Error}
}
