package cluster

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
)

// Number returns a numeric setting in its base unit; 0 for what is no number.
func Number(setting facts.Setting, value string) float64 {
	x, err := inBase(setting, value)
	if err != nil {
		return 0
	}
	return x
}

// WithUnit writes a value of pg_settings as people do: 16384 of 8kB is 128MB.
func WithUnit(setting facts.Setting, value string) string {
	n, name := pg.SplitBase(setting.Unit)
	x, err := pg.ParseNumber(value)
	if setting.Unit == "" || err != nil || x <= 0 {
		return value
	}
	larger := map[string][]string{
		"B": {"TB", "GB", "MB", "kB"}, "kB": {"TB", "GB", "MB"}, "MB": {"TB", "GB"},
		"ms": {"d", "h", "min", "s"}, "s": {"d", "h", "min"}, "min": {"d", "h"},
	}
	for _, unit := range larger[name] {
		factor, ok := pg.Convert(1, unit, name)
		if y := x * n / factor; ok && y == float64(int64(y)) && y >= 1 {
			return fmt.Sprintf("%d%s", int64(y), unit)
		}
	}
	return fmt.Sprintf("%g%s", x*n, name)
}

// Normalise returns a value of postgresql.conf as pg_settings shows it: in the
// setting's base unit, so that 1GB and 1024MB are one. The rules are those of
// the server's parse_int, parse_real, parse_bool and config_enum_lookup
// (PostgreSQL docs, 20.1.1 "Parameter Names and Values").
func Normalise(s facts.Setting, value string) (string, error) {
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

// Same reports whether two values of one setting mean the same.
func Same(s facts.Setting, a, b string) bool {
	if a == b {
		return true
	}
	x, errX := Normalise(s, a)
	y, errY := Normalise(s, b)
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
			return "", fmt.Errorf("%q is outside the range %s to %s%s", value, s.Min, s.Max, pg.InUnit(s.Unit))
		}
	}
	if s.VarType == "real" { // pg_settings shows six digits
		x, _ = strconv.ParseFloat(strconv.FormatFloat(x, 'g', 6, 64), 64)
	}
	return strconv.FormatFloat(x, 'f', -1, 64), nil
}

// inBase returns a number in the setting's base unit.
func inBase(s facts.Setting, value string) (float64, error) {
	x, unit, ok := pg.SplitNumber(value, s.VarType == "integer")
	if !ok {
		return 0, fmt.Errorf("%q is not a number", value)
	}
	if unit != "" {
		if x, ok = pg.Convert(x, unit, s.Unit); !ok {
			return 0, fmt.Errorf("%q: %s", value, pg.UnitsOf(s.Unit))
		}
	}
	if s.VarType == "integer" {
		x = math.RoundToEven(x) + 0 // not -0
	}
	return x, nil
}
