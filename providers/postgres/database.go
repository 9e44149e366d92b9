package postgres

import (
	"encoding/json"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Databases, the templates among them, and the tablespaces outside the data
// directory. A size costs the server a look at each file: it is reported because a
// clone copies them.
const databasesSQL = `SELECT json_agg(json_build_object(
    'oid', d.oid, 'name', d.datname, 'owner', pg_get_userbyid(d.datdba), 'encoding', pg_encoding_to_char(d.encoding),
    'collate', d.datcollate, 'ctype', d.datctype, 'bytes', pg_database_size(d.oid), 'config', c.setconfig,
    'no_connections', NOT d.datallowconn, 'invalid', d.datconnlimit = -2,
    'connection_limit', CASE WHEN d.datconnlimit >= 0 THEN d.datconnlimit END) ORDER BY d.datname)
  FROM pg_database d LEFT JOIN pg_db_role_setting c ON c.setdatabase = d.oid AND c.setrole = 0`

// A tablespace that was made in place has no path that begins at the root.
const tablespacesSQL = `SELECT json_agg(json_build_object('name', spcname, 'location', pg_tablespace_location(oid),
    'bytes', pg_tablespace_size(oid)) ORDER BY spcname)
  FROM pg_tablespace WHERE pg_tablespace_location(oid) LIKE '/%'`

type databaseRow struct {
	OID      int64 `json:",string"`
	Name     string
	Owner    string
	Encoding string
	Collate  string
	CType    string
	Bytes    int64
	Config   []string
	Closed   bool `json:"no_connections"`
	Limit    *int `json:"connection_limit"`
	Invalid  bool // datconnlimit says that DROP DATABASE was interrupted
}

func databases() section {
	return section{"databases", databasesSQL, func(answer json.RawMessage, s *facts.Server) error {
		return each(answer, func(r databaseRow) {
			s.DataBytes += r.Bytes
			s.Databases = append(s.Databases, facts.Database{OID: r.OID, Bytes: r.Bytes, NoConnections: r.Closed, Invalid: r.Invalid, ConnectionLimit: r.Limit, Database: topology.Database{
				Name: r.Name, Owner: r.Owner, Encoding: r.Encoding, Locale: r.locale(), Parameters: parameters(r.Config),
			}})
		})
	}}
}

// locale is one name where collation and character types have the same, as
// CREATE DATABASE … LOCALE makes them.
func (r databaseRow) locale() string {
	if r.Collate == r.CType {
		return r.Collate
	}
	return r.Collate + "/" + r.CType
}

func tablespaces() section {
	return section{"tablespaces", tablespacesSQL, func(answer json.RawMessage, s *facts.Server) error {
		return each(answer, func(t facts.Tablespace) { s.Tablespaces = append(s.Tablespaces, t) })
	}}
}
