package host

import (
	"testing"

	"github.com/repltool/repltool/facts"
)

// TestParseWALEnd reads what pg_waldump says where WAL ends, of PostgreSQL 13 to 18, and a record.
func TestParseWALEnd(t *testing.T) {
	for line, want := range map[string]facts.WALEnd{
		"pg_waldump: fatal: error in WAL record at 0/3014F08: invalid record length at 0/3014F30: wanted 24, got 0\n":            {Timeline: 2, Last: "0/3014F08", LSN: "0/3014F30"},
		"pg_waldump: error: error in WAL record at 1/3059308: invalid record length at 1/3059330: expected at least 24, got 0\n": {Timeline: 2, Last: "1/3059308", LSN: "1/3059330"},
		"pg_waldump: error: error in WAL record at 0/3FFFFA8: invalid magic number 0000 in WAL segment 000000010000000000000004": {Timeline: 2, Last: "0/3FFFFA8", LSN: "0/3FFFFA8"},
		"rmgr: Transaction len (rec/tot):     34/    34, tx:        734, lsn: 0/03059308, prev 0/030592C8, desc: COMMIT 2026":    {Timeline: 2, Last: "0/3059308", LSN: "0/3059330"},
		"not read\n": {},
		"":           {},
		"pg_waldump: error: could not find a valid record after 0/3028D18": {},
	} {
		if got := parseWALEnd(2, line); got != want {
			t.Errorf("%q: %+v, want %+v", line, got, want)
		}
	}
}
