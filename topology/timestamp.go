package topology

import (
	"fmt"
	"time"
)

// ParseTime reads a point in time in one of the forms that mean the same to every
// server, whatever its DateStyle is; UTC where the text names no zone (PostgreSQL
// docs, 8.5.1.3 "Time Stamps"). Fractions of a second are read too.
func ParseTime(text string) (time.Time, bool) {
	for _, layout := range []string{
		time.RFC3339, time.DateOnly, time.DateTime,
		"2006-01-02 15:04", "2006-01-02 15:04:05Z07", "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05",
	} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func timestamp(text string) string {
	if text == "infinity" {
		return ""
	}
	t, ok := ParseTime(text)
	switch {
	case !ok:
		return fmt.Sprintf("%q is not a valid timestamp: write, for example, \"2030-12-31\", \"2030-12-31 23:59:59+00\" or \"infinity\".", text)
	case t.Year() < 1:
		return fmt.Sprintf("%q is before the year 1.", text)
	case t.Nanosecond()%1000 != 0:
		return fmt.Sprintf("%q has a higher resolution than microseconds, which is all that PostgreSQL stores.", text)
	}
	return ""
}
