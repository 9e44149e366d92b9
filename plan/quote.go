package plan

import (
	"strings"

	"github.com/repltool/repltool/topology"
)

// ident quotes an SQL identifier where PostgreSQL needs it, as quote_ident does.
func ident(name string) string {
	if plainName(name) && !strings.Contains(keywords, " "+name+" ") {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// plainName tells whether a name has only small letters, digits and _, and does
// not begin with a digit.
func plainName(name string) bool {
	for i, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', c == '_', i > 0 && '0' <= c && c <= '9':
		default:
			return false
		}
	}
	return name != ""
}

// literal quotes an SQL string, for standard_conforming_strings = on, which
// every session of ours sets.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// commas lists what write makes of each.
func commas[T any](list []T, write func(T) string) string {
	all := make([]string, len(list))
	for i, x := range list {
		all[i] = write(x)
	}
	return strings.Join(all, ", ")
}

// literals lists strings for IN (…).
func literals(list []string) string { return commas(list, literal) }

func idents(names []string) string { return commas(names, ident) }

// tableIdent writes a table for SQL.
func tableIdent(t topology.TableName) string { return ident(t.Schema) + "." + ident(t.Name) }

func tableIdents(tables []topology.TableName) string { return commas(tables, tableIdent) }

// keywords are the words of PostgreSQL 13 to 18 that quote_ident quotes: every
// keyword that is not of the unreserved category. A blank stands around each.
const keywords = ` all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean ` +
	`both case cast char character check coalesce collate collation column concurrently constraint create ` +
	`cross current_catalog current_date current_role current_schema current_time current_timestamp ` +
	`current_user dec decimal default deferrable desc distinct do else end except exists extract false ` +
	`fetch float for foreign freeze from full grant greatest group grouping having ilike in initially ` +
	`inner inout int integer intersect interval into is isnull join json json_array json_arrayagg ` +
	`json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value ` +
	`lateral leading least left like limit localtime localtimestamp merge_action national natural nchar ` +
	`none normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay ` +
	`placing position precision primary real references returning right row select session_user setof ` +
	`similar smallint some substring symmetric system_user table tablesample then time timestamp to ` +
	`trailing treat trim true union unique user using values varchar variadic verbose when where window ` +
	`with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot ` +
	`xmlserialize xmltable `
