package plan

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/repltool/repltool/facts"
)

// normalise answers a value of postgresql.conf as pg_settings shows it: in the
// setting's base unit, so that 1GB and 1024MB are one. The rules are those of
// the server's parse_int, parse_real, parse_bool and config_enum_lookup
// (PostgreSQL docs, 20.1.1 "Parameter Names and Values").
func normalise(s facts.Setting, value string) (string, error) {
	switch s.VarType {
	case "bool":
		return normaliseBool(value)
	case "integer", "real":
		return normaliseNumber(s, value)
	case "enum":
		return normaliseEnum(s, value)
	default:
		return value, nil
	}
}

// same tells whether two values of one setting mean the same.
func same(s facts.Setting, a, b string) bool {
	if a == b {
		return true
	}
	x, errX := normalise(s, a)
	y, errY := normalise(s, b)
	return errX == nil && errY == nil && x == y
}

func normaliseBool(value string) (string, error) {
	v := strings.ToLower(value)
	isPrefix := func(word string, shortest int) bool { return len(v) >= shortest && strings.HasPrefix(word, v) }
	switch {
	case isPrefix("true", 1), isPrefix("yes", 1), v == "on", v == "1":
		return "on", nil
	case isPrefix("false", 1), isPrefix("no", 1), isPrefix("off", 2), v == "0":
		return "off", nil
	default:
		return "", fmt.Errorf("%q is not a boolean: on or off", value)
	}
}

func normaliseEnum(s facts.Setting, value string) (string, error) {
	v := strings.ToLower(value)
	for _, e := range s.Enum {
		if strings.ToLower(e) == v {
			return e, nil
		}
	}
	// Boolean spellings of an enum such as synchronous_commit are hidden values.
	if b, err := normaliseBool(v); err == nil {
		for _, e := range s.Enum {
			if e == b {
				return e, nil
			}
		}
	}
	return "", fmt.Errorf("%q is not one of %s", value, strings.Join(s.Enum, ", "))
}

func normaliseNumber(s facts.Setting, value string) (string, error) {
	number, unit := splitUnit(value)
	x, err := parseNumber(number)
	if err != nil {
		return "", fmt.Errorf("%q is not a number", value)
	}
	if unit != "" {
		factor, ok := convert(unit, s.Unit)
		if !ok {
			return "", fmt.Errorf("%q: %s", value, unitsOf(s.Unit))
		}
		x *= factor
	}
	if s.VarType == "integer" {
		x = math.RoundToEven(x)
	}
	for _, bound := range []struct {
		text  string
		wrong func(float64) bool
	}{{s.Min, func(b float64) bool { return x < b }}, {s.Max, func(b float64) bool { return x > b }}} {
		if b, err := strconv.ParseFloat(bound.text, 64); err == nil && bound.wrong(b) {
			return "", fmt.Errorf("%q is outside the range %s to %s%s", value, s.Min, s.Max, inUnit(s.Unit))
		}
	}
	return strconv.FormatFloat(x, 'f', -1, 64), nil
}

func parseNumber(text string) (float64, error) {
	if n, err := strconv.ParseInt(text, 0, 64); err == nil && !strings.ContainsAny(text, "_oObB") {
		return float64(n), nil
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return x, nil
}

// splitUnit parts "1.5 GB" into "1.5" and "GB".
func splitUnit(value string) (number, unit string) {
	v := strings.TrimSpace(value)
	i := len(v)
	for i > 0 && (v[i-1] >= 'a' && v[i-1] <= 'z' || v[i-1] >= 'A' && v[i-1] <= 'Z') {
		i--
	}
	if i == 0 || strings.HasPrefix(strings.ToLower(v), "0x") {
		return v, ""
	}
	return strings.TrimSpace(v[:i]), v[i:]
}

// convert answers how many of the setting's unit one unit is.
func convert(unit, base string) (float64, bool) {
	memory := map[string]float64{"B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
	span := map[string]float64{"us": 1, "ms": 1e3, "s": 1e6, "min": 60e6, "h": 3600e6, "d": 86400e6}
	for _, units := range []map[string]float64{memory, span} {
		if factor, ok := units[unit]; ok {
			n, name := splitBase(base)
			if b, ok := units[name]; ok {
				return factor / (n * b), true
			}
		}
	}
	return 0, false
}

// splitBase parts pg_settings.unit: "8kB" is 8 and "kB".
func splitBase(base string) (float64, string) {
	i := 0
	for i < len(base) && base[i] >= '0' && base[i] <= '9' {
		i++
	}
	if i == 0 {
		return 1, base
	}
	n, err := strconv.ParseFloat(base[:i], 64)
	if err != nil {
		return 1, base
	}
	return n, base[i:]
}

func unitsOf(base string) string {
	switch _, name := splitBase(base); name {
	case "B", "kB", "MB", "GB":
		return "its units are B, kB, MB, GB and TB"
	case "us", "ms", "s", "min", "h", "d":
		return "its units are us, ms, s, min, h and d"
	default:
		return "it has no unit"
	}
}

func inUnit(unit string) string {
	if unit == "" {
		return ""
	}
	return " (in " + unit + ")"
}

// bytesText writes a size for people: 412 GB.
func bytesText(n int64) string {
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
