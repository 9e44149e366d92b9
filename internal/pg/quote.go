// Package pg has PostgreSQL's texts: quoting, units, names of standbys, connection strings.
// It is pure.
package pg

import (
	"strings"
	"unicode"
)

// Ident quotes an SQL identifier where PostgreSQL needs it, as quote_ident does.
func Ident(name string) string {
	if plainName(name) && !strings.Contains(keywords, " "+name+" ") {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// plainName reports whether a name has only small letters, digits and _, and does
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

// Literal quotes an SQL string, for standard_conforming_strings = on, which
// every session of ours sets.
func Literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// Commas lists what write makes of each.
func Commas[T any](list []T, write func(T) string) string {
	all := make([]string, len(list))
	for i, x := range list {
		all[i] = write(x)
	}
	return strings.Join(all, ", ")
}

// Literals lists strings for IN (…).
func Literals(list []string) string { return Commas(list, Literal) }

func Idents(names []string) string { return Commas(names, Ident) }

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

// Words returns the identifiers of an SQL expression, as the server folds them.
func Words(expression string) []string {
	var all []string
	text := []rune(expression)
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '\'' || c == '"':
			word, after := quotedWord(text, i)
			if c == '"' {
				all = append(all, word)
			}
			i = after
		case unicode.IsLetter(c) || c == '_':
			j := i
			for j < len(text) && (unicode.IsLetter(text[j]) || unicode.IsDigit(text[j]) || text[j] == '_' || text[j] == '$') {
				j++
			}
			all = append(all, strings.ToLower(string(text[i:j])))
			i = j
		default:
			i++
		}
	}
	return all
}

// quotedWord returns what stands in the quotes that begin at i, and where it ends.
func quotedWord(text []rune, i int) (string, int) {
	quote := text[i]
	var word []rune
	for i++; i < len(text); i++ {
		if text[i] == quote {
			if i+1 >= len(text) || text[i+1] != quote {
				return string(word), i + 1
			}
			i++
		}
		word = append(word, text[i])
	}
	return string(word), i
}
