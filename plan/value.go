package plan

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
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
	// Boolean spellings of an enum such as synchronous_commit are hidden values, whole words.
	if slices.Contains([]string{"true", "false", "yes", "no", "1", "0"}, v) {
		b, _ := normaliseBool(v)
		if slices.Contains(s.Enum, b) {
			return b, nil
		}
	}
	return "", fmt.Errorf("%q is not one of %s", value, strings.Join(s.Enum, ", "))
}

func normaliseNumber(s facts.Setting, value string) (string, error) {
	x, err := inBase(s, value)
	if err != nil {
		return "", err
	}
	for _, bound := range []struct {
		text  string
		wrong func(float64) bool
	}{{s.Min, func(b float64) bool { return x < b }}, {s.Max, func(b float64) bool { return x > b }}} {
		if b, err := strconv.ParseFloat(bound.text, 64); err == nil && bound.wrong(b) {
			return "", fmt.Errorf("%q is outside the range %s to %s%s", value, s.Min, s.Max, inUnit(s.Unit))
		}
	}
	if s.VarType == "real" { // pg_settings shows six digits
		x, _ = strconv.ParseFloat(strconv.FormatFloat(x, 'g', 6, 64), 64)
	}
	return strconv.FormatFloat(x, 'f', -1, 64), nil
}

// inBase answers a number in the setting's base unit.
func inBase(s facts.Setting, value string) (float64, error) {
	x, unit, ok := splitNumber(value, s.VarType == "integer")
	if !ok {
		return 0, fmt.Errorf("%q is not a number", value)
	}
	if unit != "" {
		if x, ok = convert(x, unit, s.Unit); !ok {
			return 0, fmt.Errorf("%q: %s", value, unitsOf(s.Unit))
		}
	}
	if s.VarType == "integer" {
		x = math.RoundToEven(x) + 0 // not -0
	}
	return x, nil
}

// The numbers that strtol and strtod read at the beginning of a text.
var (
	wholeNumber = regexp.MustCompile(`^[+-]?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)`)
	hexNumber   = regexp.MustCompile(`^[+-]?0[xX]([0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)([pP][+-]?[0-9]+)?`)
	realNumber  = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?`)
)

// splitNumber parts "1.5 GB" into 1.5 and "GB", as the server's parse_int and parse_real do:
// a whole number may be octal or hexadecimal, and is a real one if a point or an exponent
// follows.
func splitNumber(value string, whole bool) (x float64, unit string, ok bool) {
	const spaces = " \t\n\v\f\r"
	v := strings.TrimLeft(value, spaces)
	text := wholeNumber.FindString(v)
	n, err := strconv.ParseInt(strings.TrimPrefix(text, "+"), 0, 64)
	next := v[len(text):] // where strtol stops
	if text == "" {
		next = value
	}
	fraction := next != "" && strings.Contains(".eE", next[:1])
	switch {
	case !whole || fraction || errors.Is(err, strconv.ErrRange):
		text, x, ok = realPrefix(v)
	default:
		x, ok = float64(n), err == nil
	}
	unit = strings.Trim(v[len(text):], spaces)
	return x, unit, ok && !strings.ContainsAny(unit, spaces)
}

// realPrefix answers the number that a text begins with.
func realPrefix(v string) (text string, x float64, ok bool) {
	exponent, digits := "eE", ""
	if text = hexNumber.FindString(v); text != "" {
		exponent = "pP"
		if digits = text; !strings.ContainsAny(text, exponent) {
			digits += "p0" // Go asks for an exponent
		}
	} else {
		text = realNumber.FindString(v)
		digits = text
	}
	x, err := strconv.ParseFloat(digits, 64)
	mantissa := text
	if i := strings.IndexAny(text, exponent); i >= 0 {
		mantissa = text[:i]
	}
	tiny := math.Abs(x) < 0x1p-1022 && strings.Trim(mantissa, "+-0xX.") != "" // strtod: out of range
	return text, x, err == nil && !tiny
}

// parseNumber reads a number of pg_settings.
func parseNumber(text string) (float64, error) {
	x, unit, ok := splitNumber(text, false)
	if !ok || unit != "" {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return x, nil
}

// unit is one of PostgreSQL's, in bytes or microseconds.
type unit struct {
	name string
	size float64
}

// unitTables are the units of memory and of time, each from the largest to the smallest.
func unitTables() [][]unit {
	return [][]unit{
		{{"TB", 1 << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"kB", 1 << 10}, {"B", 1}},
		{{"d", 86400e6}, {"h", 3600e6}, {"min", 60e6}, {"s", 1e6}, {"ms", 1e3}, {"us", 1}},
	}
}

// convert answers x of a unit in the base unit. A fraction is rounded to the next smaller
// unit, as the server does: 30.1GB is 30822MB.
func convert(x float64, name, base string) (float64, bool) {
	n, baseName := splitBase(base)
	for _, units := range unitTables() {
		i := slices.IndexFunc(units, func(u unit) bool { return u.name == name })
		b := slices.IndexFunc(units, func(u unit) bool { return u.name == baseName })
		if i < 0 || b < 0 {
			continue
		}
		x *= units[i].size / (n * units[b].size)
		if i+1 < len(units) {
			smaller := units[i+1].size / (n * units[b].size)
			x = math.RoundToEven(x/smaller) * smaller
		}
		return x, true
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
