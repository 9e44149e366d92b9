package postgres

import (
	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// databaseRow is a row of pg_database.
type databaseRow struct {
	Name     string   `json:"name"`
	Owner    string   `json:"owner"`
	Encoding string   `json:"encoding"`
	Locale   string   `json:"locale"`
	Bytes    int64    `json:"bytes"`
	Config   []string `json:"config"`
}

const databasesSQL = `SELECT json_agg(d ORDER BY name) FROM (
  SELECT datname AS name, pg_get_userbyid(datdba) AS owner, pg_encoding_to_char(encoding) AS encoding, datcollate AS locale,
    pg_database_size(d.oid) AS bytes,
    (SELECT to_json(setconfig) FROM pg_db_role_setting WHERE setdatabase = d.oid AND setrole = 0) AS config
  FROM pg_database d WHERE NOT datistemplate) d`

func (r databaseRow) facts() facts.Database {
	return facts.Database{Database: topology.Database{
		Name: r.Name, Owner: r.Owner, Encoding: r.Encoding, Locale: r.Locale, Parameters: parameters(r.Config),
	}, Bytes: r.Bytes}
}

// tablespaceRow is a tablespace outside the data directory.
type tablespaceRow struct {
	Name     string `json:"name"`
	Location string `json:"location"`
	Bytes    int64  `json:"bytes"`
}

const tablespacesSQL = `SELECT json_agg(t ORDER BY name) FROM (
  SELECT spcname AS name, pg_tablespace_location(oid) AS location, pg_tablespace_size(oid) AS bytes
  FROM pg_tablespace WHERE pg_tablespace_location(oid) <> '') t`

func (r tablespaceRow) facts() facts.Tablespace {
	return facts.Tablespace{Name: r.Name, Location: r.Location, Bytes: r.Bytes}
}
