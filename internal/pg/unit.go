package pg

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The numbers that strtol and strtod read at the beginning of a text.
var (
	wholeNumber = regexp.MustCompile(`^[+-]?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)`)
	hexNumber   = regexp.MustCompile(`^[+-]?0[xX]([0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)([pP][+-]?[0-9]+)?`)
	realNumber  = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?`)
)

// SplitNumber parts "1.5 GB" into 1.5 and "GB", as the server's parse_int and parse_real do:
// a whole number may be octal or hexadecimal, and is a real one if a point or an exponent
// follows.
func SplitNumber(value string, whole bool) (x float64, unit string, ok bool) {
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

// realPrefix returns the number that a text begins with.
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

// ParseNumber reads a number of pg_settings.
func ParseNumber(text string) (float64, error) {
	x, unit, ok := SplitNumber(text, false)
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

// Convert returns x of a unit in the base unit. A fraction is rounded to the next smaller
// unit, as the server does: 30.1GB is 30822MB.
func Convert(x float64, name, base string) (float64, bool) {
	n, baseName := SplitBase(base)
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

// SplitBase parts pg_settings.unit: "8kB" is 8 and "kB".
func SplitBase(base string) (float64, string) {
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

func UnitsOf(base string) string {
	switch _, name := SplitBase(base); name {
	case "B", "kB", "MB", "GB":
		return "its units are B, kB, MB, GB and TB"
	case "us", "ms", "s", "min", "h", "d":
		return "its units are us, ms, s, min, h and d"
	default:
		return "it takes no unit"
	}
}

func InUnit(unit string) string {
	if unit == "" {
		return ""
	}
	return " (in " + unit + ")"
}

// HotStandby are the parameters that a standby must not have lower than its
// primary (PostgreSQL docs, 27.4.3 "Administrator's Overview").
func HotStandby() []string {
	return []string{"max_connections", "max_locks_per_transaction", "max_prepared_transactions", "max_wal_senders", "max_worker_processes"}
}

func Join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ", ")
}

// IsOn reports whether an option is on; nil is PostgreSQL's own default.
func IsOn(flag *bool) bool { return flag != nil && *flag }

// Milliseconds writes a delay in the unit of recovery_min_apply_delay.
func Milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
