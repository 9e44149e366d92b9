package topology

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"
)

// parseDuration reads PostgreSQL's units (us, ms, s, min, h, d) and m for
// minutes, several after one another: 1h, 500ms, 1h30m. The second answer says
// what is wrong.
func parseDuration(text string) (time.Duration, string) {
	if text == "0" {
		return 0, ""
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return 0, fmt.Sprintf("%q has no unit: write, for example, \"%ss\", \"%smin\" or \"%sh\".", text, text, text, text)
	}
	part := regexp.MustCompile(`^\s*([0-9]+(?:\.[0-9]+)?)\s*(us|ms|s|min|m|h|d)`)
	rest, total := text, 0.0
	for rest != "" {
		m := part.FindStringSubmatch(rest)
		if m == nil {
			return 0, fmt.Sprintf("%q is not a valid duration: write a number followed by us, ms, s, min, h or d, for example \"10min\".", text)
		}
		n, _ := strconv.ParseFloat(m[1], 64) // the pattern allows nothing else
		total += n * float64(durationUnit(m[2]))
		rest = rest[len(m[0]):]
	}
	// PostgreSQL counts delays in milliseconds of 32 bits.
	if total > math.MaxInt32*float64(time.Millisecond) {
		return 0, fmt.Sprintf("%q is too long: the maximum is 24 days.", text)
	}
	return time.Duration(total), ""
}

func durationUnit(unit string) time.Duration {
	switch unit {
	case "us":
		return time.Microsecond
	case "ms":
		return time.Millisecond
	case "s":
		return time.Second
	case "m", "min":
		return time.Minute
	case "h":
		return time.Hour
	default:
		return 24 * time.Hour
	}
}

// parseSize reads bytes with PostgreSQL's units, which are powers of 1024. The
// second answer says what is wrong.
func parseSize(text string) (int64, string) {
	m := regexp.MustCompile(`^\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*$`).FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Sprintf("%q is not a valid size: write a number of bytes, or a number followed by kB, MB, GB or TB, for example "+
			"\"16MB\".", text)
	}
	units := []string{"B", "kB", "MB", "GB", "TB"}
	factor := 1.0
	if m[2] != "" && m[2] != "B" {
		factor = 0
		for i, unit := range units {
			if unit == m[2] {
				factor = math.Pow(1024, float64(i))
			}
		}
	}
	if factor == 0 {
		return 0, fmt.Sprintf("%q is not a valid unit: it must be %s, in exactly this case.", m[2], oneOfList(units))
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil || n*factor >= math.MaxInt64 {
		return 0, fmt.Sprintf("%q is too large.", text)
	}
	return int64(n * factor), ""
}
