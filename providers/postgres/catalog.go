package postgres

import (
	"encoding/json"

	"github.com/repltool/repltool/facts"
)

// Attributes that a later version brought and that nothing here reads: what is dropped
// and created again would lose them, so that their names are reported.
const unknownSQL = `SELECT json_build_object(
    'publication', (SELECT json_agg(a.attname ORDER BY a.attname) FROM pg_attribute a
      WHERE a.attrelid IN ('pg_publication'::regclass, 'pg_publication_rel'::regclass) AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attname <> ALL ('{oid,pubname,pubowner,puballtables,pubinsert,pubupdate,pubdelete,pubtruncate,pubviaroot,pubgencols,prpubid,prrelid,prqual,prattrs}')),
    'subscription', (SELECT json_agg(a.attname ORDER BY a.attname) FROM pg_attribute a
      WHERE a.attrelid = 'pg_subscription'::regclass AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attname <> ALL ('{oid,subdbid,subskiplsn,subname,subowner,subenabled,subbinary,substream,subtwophasestate,subdisableonerr,subpasswordrequired,subrunasowner,subfailover,subconninfo,subslotname,subsynccommit,subpublications,suborigin}')))`

func unknown() logicalSection {
	return logicalSection{"unknown", unknownSQL, func(answer json.RawMessage, l *facts.Logical) error {
		return json.Unmarshal(answer, &l.Unknown)
	}}
}
