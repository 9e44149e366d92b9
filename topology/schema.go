package topology

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"
)

// schema is what one type of block may hold. HCL itself refuses everything
// else and names the nearest attribute or block.
type schema struct {
	labels   []string // what each label stands for
	required []string
	optional []string
	blocks   []nested
	reserved map[string]string // words for what is not there yet, with what to say of each
}

type nested struct {
	name   string
	schema *schema
}

func (s *schema) body() *hcl.BodySchema {
	out := &hcl.BodySchema{}
	for _, name := range s.required {
		out.Attributes = append(out.Attributes, hcl.AttributeSchema{Name: name, Required: true})
	}
	for _, name := range s.optional {
		out.Attributes = append(out.Attributes, hcl.AttributeSchema{Name: name})
	}
	for _, b := range s.blocks {
		out.Blocks = append(out.Blocks, hcl.BlockHeaderSchema{Type: b.name, LabelNames: b.schema.labels})
	}
	return out
}

func (s *schema) block(name string) *schema {
	for _, b := range s.blocks {
		if b.name == name {
			return b.schema
		}
	}
	return &schema{}
}

// references returns every reference in a body and in the blocks within it,
// those of dynamic blocks included.
func (s *schema) references(body hcl.Body) []hcl.Traversal {
	return s.walk(dynblock.WalkVariables(body))
}

func (s *schema) walk(node dynblock.WalkVariablesNode) []hcl.Traversal {
	refs, children := node.Visit(s.body())
	for _, child := range children {
		refs = append(refs, s.block(child.BlockTypeName).walk(child.Node)...)
	}
	return refs
}

// content checks a body against the schema.
func (s *schema) content(body hcl.Body, sources map[string]*hcl.File) (*hcl.BodyContent, hcl.Diagnostics) {
	content, diags := body.Content(s.body())
	var out hcl.Diagnostics
	misspelled := map[string]bool{} // arguments that are there under a name that is a slip away
	for _, d := range diags {
		// Labels of what an unknown for_each would make; its error is reported.
		if d.Summary == "Invalid dynamic block label" && strings.Contains(d.Detail, "not yet known") {
			continue
		}
		better, near := s.withHint(d, sources)
		misspelled[near] = true
		out = append(out, better)
	}
	return content, slices.DeleteFunc(out, func(d *hcl.Diagnostic) bool {
		_, rest, _ := strings.Cut(d.Detail, `"`)
		name, _, _ := strings.Cut(rest, `"`)
		return d.Summary == "Missing required argument" && misspelled[name]
	})
}

// withHint gives a diagnostic about a name the nearest one there is, and returns
// that: HCL's own hint is the first that is near. A missing label is shown.
func (s *schema) withHint(d *hcl.Diagnostic, sources map[string]*hcl.File) (better *hcl.Diagnostic, near string) {
	if kind, missing := strings.CutPrefix(d.Summary, "Missing name for "); missing {
		labeled := *d
		labeled.Summary = "Missing block label"
		labeled.Detail = fmt.Sprintf("This block needs a name: %s \"NAME\" {", kind)
		return &labeled, ""
	}
	switch d.Summary {
	case "Unsupported argument", "Unsupported block type", "Extraneous JSON object property":
	default:
		return d, ""
	}
	file := sources[d.Subject.Filename]
	if file == nil || !d.Subject.CanSliceBytes(file.Bytes) || strings.Contains(d.Detail, "Did you mean to define") {
		return d, ""
	}
	name := strings.Trim(string(d.Subject.SliceBytes(file.Bytes)), "\"")
	if why := s.reserved[name]; why != "" {
		return unsupported(*d.Subject, "The word %q is reserved. %s", name, why), ""
	}
	names := append(slices.Clone(s.required), s.optional...)
	for _, b := range s.blocks {
		names = append(names, b.name)
	}
	hinted := *d
	hinted.Detail, _, _ = strings.Cut(d.Detail, " Did you mean ")
	if ours, ok := otherTools()[name]; ok && slices.Contains(names, ours) {
		hinted.Detail += fmt.Sprintf(" The name here is %q.", ours)
		return &hinted, ours
	}
	hinted.Detail += didYouMean(name, names)
	return &hinted, Nearest(name, names)
}

// otherTools are words of other tools and of other times for ours.
func otherTools() map[string]string {
	return map[string]string{
		"hostname": "host", "ip": "host", "server": "node", "master": "primary", "leader": "primary",
		"replicas": "standbys", "replica": "standby", "slaves": "standbys", "slave": "standby", "secondaries": "standbys",
		"settings": "parameters", "conf": "parameters", "config": "parameters", "pg_hba": "hba", "user": "role",
		"users": "role", "replication_slot": "slot", "postgres_version": "version", "pgdata": "data_dir",
		"data_directory": "data_dir", "zone": "location", "region": "location", "slot_name": "slot",
		"recovery_min_apply_delay": "apply_delay", "synchronous_standby_names": "synchronous",
	}
}

func labeled(required, optional []string, blocks ...nested) *schema {
	return &schema{labels: []string{"name"}, required: required, optional: optional, blocks: blocks}
}

func plain(optional ...string) *schema { return &schema{optional: optional} }

func rootSchema() *schema {
	return &schema{blocks: []nested{
		{"variable", variableSchema()},
		{"locals", &schema{}},
		{"defaults", defaultsSchema()},
		{"node", nodeSchema()},
		{"cluster", clusterSchema()},
		{"publication", publicationSchema()},
		{"subscription", subscriptionSchema()},
		{"moved", movedSchema()},
	}, reserved: reservedAtTop()}
}

func variableSchema() *schema {
	return labeled(nil,
		[]string{"type", "default", "description", "sensitive", "nullable"},
		nested{"validation", &schema{required: []string{"condition", "error_message"}}})
}

// nodeAttributes are those that defaults can give as well.
func nodeAttributes() []string {
	return []string{
		"port", "location", "access", "data_dir", "config_dir", "bin_dir",
		"socket_dir", "service", "os_user", "parameters",
	}
}

func defaultsSchema() *schema {
	return &schema{optional: nodeAttributes(), blocks: []nested{{"ssh", sshSchema()}, {"sql", sqlSchema()}}}
}

func nodeSchema() *schema {
	return labeled([]string{"host"}, append(nodeAttributes(), "address", "for_each"),
		nested{"ssh", sshSchema()}, nested{"sql", sqlSchema()})
}

func sshSchema() *schema {
	return plain("user", "port", "identity_file", "proxy_jump", "known_hosts",
		"host_key_checking", "become", "connect_timeout")
}

func sqlSchema() *schema {
	return plain("host", "port", "user", "password", "sslmode", "sslrootcert", "service", "passfile")
}

func clusterSchema() *schema {
	s := labeled([]string{"primary"},
		[]string{"for_each", "version", "standbys", "slots", "parameters"},
		nested{"standby", &schema{
			required: []string{"node"},
			optional: []string{"upstream", "apply_delay", "slot", "parameters"},
			reserved: reservedInStandby(),
		}},
		nested{"replication", plain("role", "sslmode", "method", "sslrootcert", "sslcert", "sslkey")},
		nested{"synchronous", plain("method", "number", "standbys")},
		nested{"basebackup", plain("max_rate", "checkpoint", "verify", "wal_dir", "tablespace_mapping")},
		nested{"initdb", plain("locale", "encoding", "data_checksums", "auth")},
		nested{"hba", &schema{
			required: []string{"type", "database", "user", "method"},
			optional: []string{"address", "options"},
		}},
		nested{"role", roleSchema()},
		nested{"database", labeled(nil, databaseAttributes(), lifecycleBlock())},
		nested{"slot", labeled(nil, slotAttributes(), lifecycleBlock())},
		nested{"thresholds", plain("lag_bytes", "lag_time", "slot_retained")},
		lifecycleBlock(),
	)
	s.reserved = reservedInCluster()
	return s
}

func roleSchema() *schema { return labeled(nil, roleAttributes(), lifecycleBlock()) }

func roleAttributes() []string {
	return []string{
		"login", "replication", "superuser", "createdb", "createrole", "inherit", "bypassrls",
		"password", "connection_limit", "valid_until", "member_of", "parameters",
	}
}

func databaseAttributes() []string {
	return []string{"owner", "encoding", "locale", "template", "parameters"}
}

func slotAttributes() []string {
	return []string{"type", "plugin", "database", "two_phase", "failover"}
}

func lifecycleBlock() nested {
	return nested{"lifecycle", plain("prevent_destroy", "ignore_changes")}
}

func publicationSchema() *schema {
	return labeled([]string{"cluster", "database"},
		[]string{
			"for_each", "name", "tables", "schemas", "all_tables", "publish",
			"via_partition_root", "publish_generated_columns", "owner",
		},
		nested{"table", labeled(nil, []string{"columns", "where"})},
		lifecycleBlock())
}

func subscriptionSchema() *schema {
	return labeled([]string{"cluster", "database"},
		[]string{
			"for_each", "name", "publications", "publication_names", "role", "enabled", "copy_data",
			"create_slot", "slot_name", "binary", "streaming", "two_phase", "disable_on_error", "origin",
			"password_required", "run_as_owner", "failover", "synchronous_commit", "copy_schema", "on_destroy",
		},
		nested{"connection", plain("host", "port", "database", "user", "password", "sslmode",
			"sslrootcert", "sslcert", "sslkey", "service", "passfile", "connect_timeout")},
		lifecycleBlock())
}
