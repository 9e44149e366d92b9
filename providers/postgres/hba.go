package postgres

import (
	"cmp"
	"encoding/json"
	"net"
	"strconv"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// HBA rules: the file on disk as the server parses it, in its order. PostgreSQL 16
// tells the file, too. That a name was quoted in the file is not told. What the
// server says of a rule that it read all the same (hostssl without SSL) is no error:
// the file counts.
const hbaSQL = `SELECT json_agg(to_json(r)) FROM pg_hba_file_rules r`

type hbaRow struct {
	File     string `json:"file_name"`
	Line     int    `json:"line_number"`
	Type     string
	Database []string
	User     []string `json:"user_name"`
	Address  string
	Netmask  string
	Method   string `json:"auth_method"`
	Options  []string
	Error    string
}

func hba() section {
	return section{"hba", hbaSQL, func(answer json.RawMessage, s *facts.Server) error {
		return each(answer, func(r hbaRow) { s.HBA = append(s.HBA, r.rule()) })
	}}
}

func (r hbaRow) rule() facts.HBARule {
	rule := facts.HBARule{File: r.File, Line: r.Line}
	if r.Type == "" { // for some errors the server gives no text
		rule.Error = cmp.Or(r.Error, "the server does not accept this line; its log has the reason")
	}
	rule.Type, rule.Database, rule.User, rule.Method = r.Type, r.Database, r.User, r.Method
	rule.Address = cidr(r.Address, r.Netmask)
	for _, o := range r.Options {
		name, value, _ := strings.Cut(o, "=")
		if name == "ldapbindpasswd" || name == "radiussecrets" {
			value = topology.Redacted
		}
		rule.Options = append(rule.Options, topology.HBAOption{Name: name, Value: value})
	}
	return rule
}

// cidr joins an address and its mask; a mask with holes stays beside it, as
// pg_hba.conf has it.
func cidr(address, netmask string) string {
	mask := net.ParseIP(netmask)
	if mask == nil {
		return address
	}
	if four := mask.To4(); four != nil && strings.Contains(netmask, ".") {
		mask = four
	}
	ones, bits := net.IPMask(mask).Size()
	if bits == 0 {
		return address + " " + netmask
	}
	return address + "/" + strconv.Itoa(ones)
}
