package pg

import (
	"strconv"
	"strings"
)

// CopySlot reads the name that PostgreSQL gives to the slot of a table's copy:
// pg_SUBSCRIPTION_sync_TABLE_SYSTEM.
func CopySlot(name string) (subscription int64, system string, ok bool) {
	parts := strings.Split(name, "_")
	if len(parts) != 5 || parts[0] != "pg" || parts[2] != "sync" || !isDigits(parts[3]) || !isDigits(parts[4]) {
		return 0, "", false
	}
	subscription, err := strconv.ParseInt(parts[1], 10, 64)
	return subscription, parts[4], err == nil
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
