package postgres

import (
	"fmt"
	"net"
	"strings"

	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// hbaRow is a row of pg_hba_file_rules: the file on disk, not what is in force.
type hbaRow struct {
	Line     int      `json:"line_number"`
	File     string   `json:"file_name"` // from PostgreSQL 16
	Type     string   `json:"type"`
	Database []string `json:"database"`
	User     []string `json:"user_name"`
	Address  string   `json:"address"`
	Netmask  string   `json:"netmask"`
	Method   string   `json:"auth_method"`
	Options  []string `json:"options"`
	Error    string   `json:"error"`
}

const hbaSQL = `SELECT json_agg(to_jsonb(h)) FROM pg_hba_file_rules h`

func (r hbaRow) facts() facts.HBARule {
	rule := topology.HBARule{Type: r.Type, Database: r.Database, User: r.User, Address: cidr(r.Address, r.Netmask), Method: r.Method}
	for _, o := range r.Options {
		name, value, _ := strings.Cut(o, "=")
		rule.Options = append(rule.Options, topology.HBAOption{Name: name, Value: value})
	}
	return facts.HBARule{HBARule: rule, File: r.File, Line: r.Line, Error: r.Error}
}

// cidr joins an address and its mask: 10.0.0.0 and 255.0.0.0 are 10.0.0.0/8.
func cidr(address, netmask string) string {
	ip := net.ParseIP(netmask)
	if ip == nil {
		return address
	}
	if v4 := ip.To4(); v4 != nil {
		ip = v4
	}
	ones, bits := net.IPMask(ip).Size()
	if bits == 0 {
		return address + " " + netmask
	}
	return fmt.Sprintf("%s/%d", address, ones)
}
