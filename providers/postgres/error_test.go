package postgres_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/repltool/repltool/providers/postgres"
)

// What waiting cannot fix: a wait that meets one of these ends with it.
func TestPermanent(t *testing.T) {
	for name, c := range map[string]struct {
		err  pgconn.PgError
		want bool
	}{
		"starting up":    {pgconn.PgError{Code: "57P03", Message: "the database system is starting up"}, false},
		"not yet":        {pgconn.PgError{Code: "57P03", Detail: "Consistent recovery state has not been yet reached."}, false},
		"no hot standby": {pgconn.PgError{Code: "57P03", Detail: "Hot standby mode is disabled."}, true},
		"locale": {pgconn.PgError{
			Code: "XX000", Message: "Datenbank-Locale ist inkompatibel mit Betriebssystem",
			Detail: "Die Datenbank wurde mit LC_COLLATE »de_DE.UTF-8« initialisiert, was von setlocale() nicht erkannt wird.",
		}, true},
		"internal": {pgconn.PgError{Code: "XX000", Message: "cache lookup failed"}, false},
		"syntax":   {pgconn.PgError{Code: "42601"}, true},
	} {
		if got := (&postgres.Error{Op: "query", Err: &c.err}).Permanent(); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
