package topology

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// parameters reads a map of settings. Those of a server must not be what
// repltool sets itself.
func (b *block) parameters(name string, server bool) Parameters {
	out := Parameters{}
	v, ok := b.evaluate(name)
	if !ok {
		return out
	}
	v, marks := v.Unmark()
	if len(marks) > 0 {
		b.e.add(sensitiveHere(b.rangeOf(name), "the map "+name))
		return out
	}
	if !v.IsKnown() || v.IsNull() {
		return out
	}
	if !v.Type().IsObjectType() && !v.Type().IsMapType() {
		b.wrongType(name, "a map of names to values", v.Type())
		return out
	}
	ranges := b.keyRanges(name)
	for it := v.ElementIterator(); it.Next(); {
		key, value := it.Element()
		at, ok := ranges[key.AsString()]
		if !ok {
			at = b.rangeOf(name)
		}
		b.parameter(out, key.AsString(), value, at, server)
	}
	return out
}

// keyRanges returns where each element stands when the map is written out.
func (b *block) keyRanges(name string) map[string]hcl.Range {
	ranges := map[string]hcl.Range{}
	pairs, diags := hcl.ExprMap(b.content.Attributes[name].Expr)
	if diags.HasErrors() {
		return ranges
	}
	for _, pair := range pairs {
		key, diags := pair.Key.Value(b.ctx)
		if diags.HasErrors() || key.IsMarked() || !key.IsKnown() || key.IsNull() || key.Type() != cty.String {
			continue
		}
		at := hcl.RangeBetween(pair.Key.Range(), pair.Value.Range())
		ranges[key.AsString()] = at
	}
	return ranges
}

func (b *block) parameter(out Parameters, key string, value cty.Value, at hcl.Range, server bool) {
	name := strings.ToLower(key)
	if why := parameterName(name); why != "" {
		b.e.add(problem(at, "Invalid parameter name", "%s", why))
		return
	}
	if _, twice := out[name]; twice {
		b.e.add(problem(at, "Duplicate parameter",
			"%s is set twice. Parameter names are not case-sensitive in PostgreSQL.", name))
		return
	}
	if why, owned := ownedParameters()[name]; owned && server {
		b.e.add(problem(at, "Parameter managed by repltool", "%s cannot be set here. %s", name, why))
		return
	}
	if !strings.Contains(name, ".") && !b.e.known[name] {
		b.e.add(caution(at, "Unknown parameter",
			"No version of PostgreSQL from %d to %d has a parameter %q, and a server does not start with an unrecognized "+
				"parameter.%s",
			oldestVersion, newestVersion, name, didYouMean(name, parameterNames())))
	}
	p, why := b.parameterValue(name, value)
	if why != "" {
		b.e.add(problem(at, "Invalid value", "%s: %s", name, why))
		return
	}
	if p != nil && p.Secret.IsSet() && server && slices.Contains(comparedParameters(), name) {
		b.e.add(sensitiveHere(at, name))
		return
	}
	if p != nil {
		p.Range = at
		out[name] = *p
	}
}

// parameterValue returns the setting's text; neither answer for null and for
// what is not known.
func (b *block) parameterValue(name string, value cty.Value) (*Parameter, string) {
	value, marks := value.UnmarkDeep()
	if !value.IsWhollyKnown() || value.IsNull() {
		return nil, ""
	}
	var text string
	switch value.Type() {
	case cty.Bool:
		text = map[bool]string{true: "on", false: "off"}[value.True()]
	case cty.Number, cty.String:
		converted, err := convert.Convert(value, cty.String)
		if err != nil {
			return nil, "it cannot be converted to a string."
		}
		text = converted.AsString()
	default:
		return nil, fmt.Sprintf("must be a string, a number, true, or false, not %s. Write a list of names as one string: join(\", \", […]).",
			withArticle(value.Type().FriendlyName()))
	}
	if why := singleLine(text); why != "" {
		return nil, why
	}
	if len(marks) == 0 {
		return &Parameter{Value: text}, ""
	}
	ref := b.address + ".parameters." + name
	secret := NewSecret(ref, text)
	b.e.top.Secrets[ref] = secret
	return &Parameter{Secret: secret}, ""
}

func parameterName(name string) string {
	if !regexp.MustCompile(`^[a-z_][a-z0-9_$]*(\.[a-z_][a-z0-9_$]*)*$`).MatchString(name) || len(name) > 128 {
		return fmt.Sprintf("%q is not a valid parameter name: use letters, digits and underscores, with a dot after the name of an "+
			"extension.", name)
	}
	return ""
}

// comparedParameters are those that the order of a plan, other nodes' lines and errors
// follow from, which show them.
func comparedParameters() []string {
	return []string{
		"archive_mode", "listen_addresses", "max_active_replication_origins", "max_connections", "max_locks_per_transaction",
		"max_logical_replication_workers", "max_prepared_transactions", "max_replication_slots", "max_wal_senders",
		"max_worker_processes", "reserved_connections", "shared_preload_libraries", "ssl", "superuser_reserved_connections", "wal_level",
	}
}

// ownedParameters are those that follow from other parts of a topology, with
// the way to say them.
func ownedParameters() map[string]string {
	const discovered = "It is derived from the node's directories: set data_dir and config_dir in the node block."
	return map[string]string{
		"synchronous_standby_names": "Use the synchronous block of the cluster.",
		"primary_conninfo":          "It is derived from the standby's upstream and the cluster's replication block.",
		"primary_slot_name":         "Use slot in the standby block, or slots in the cluster block.",
		"recovery_min_apply_delay":  "Use apply_delay in the standby block.",
		"port":                      "Use port in the node block.",
		"unix_socket_directories":   "Use socket_dir in the node block.",
		"data_directory":            discovered,
		"config_file":               discovered,
		"hba_file":                  discovered,
		"ident_file":                discovered,
		"include":                   "Set the parameters directly.",
		"include_dir":               "Set the parameters directly.",
		"include_if_exists":         "Set the parameters directly.",
	}
}
