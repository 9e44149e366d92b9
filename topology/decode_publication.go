package topology

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// decodePublications returns the value of publication.NAME.
func (e *evaluator) decodePublications(decl *declaration) cty.Value {
	return e.eachOf(decl, publicationSchema(), func(id string, scope map[string]cty.Value) cty.Value {
		p := e.decodePublication(decl, id, scope)
		return publicationValue(p.ID, p.Name, p.Database, p.Cluster)
	})
}

// eachOf decodes a block, or with for_each one block for every element.
func (e *evaluator) eachOf(decl *declaration, s *schema, decode func(id string, scope map[string]cty.Value) cty.Value) cty.Value {
	keys, ok := e.forEach(decl, s)
	if !ok {
		return cty.DynamicVal
	}
	if keys == nil {
		return decode(decl.address, nil)
	}
	instances := map[string]cty.Value{}
	for _, k := range keys {
		instances[k.key] = decode(fmt.Sprintf("%s[%q]", decl.address, k.key), k.scope())
	}
	if len(instances) == 0 {
		return cty.MapValEmpty(publicationType())
	}
	return cty.MapVal(instances)
}

func publicationValue(id, name, database string, c *Cluster) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"id": cty.StringVal(id), "name": orUnknown(name), "database": orUnknown(database), "cluster": clusterValue(c),
	})
}

func (e *evaluator) decodePublication(decl *declaration, id string, scope map[string]cty.Value) *Publication {
	b := e.read(decl.block, decl.block.Body, publicationSchema(), id, scope)
	p := &Publication{ID: id, Publish: Operations(), Range: decl.at}
	b.about(p)
	p.Cluster = b.cluster("cluster")
	b.text("database", &p.Database, objectName)
	p.Name = b.nameOr(decl.name)
	b.flag("all_tables", &p.AllTables)
	p.Schemas = b.set("schemas", publishedSchema)
	b.publishedTables(p)
	b.publish(p)
	b.flag("via_partition_root", &p.ViaPartitionRoot)
	b.text("publish_generated_columns", &p.GeneratedColumns, oneOf(GeneratedNone, GeneratedStored))
	b.text("owner", &p.Owner, objectName)
	p.Lifecycle = b.lifecycle([]string{
		"tables", "schemas", "all_tables", "publish", "via_partition_root", "publish_generated_columns", "owner",
	})
	e.top.Publications = append(e.top.Publications, p)
	e.publications[id] = p
	return p
}

// nameOr reads name, which is the label where it is not given.
func (b *block) nameOr(label string) string {
	name := ""
	if b.text("name", &name, objectName); b.has("name") {
		return name
	}
	if why := objectName(label); why != "" {
		b.e.add(problem(b.at, "Invalid name", "%s: %s", b.address, why))
	}
	return label
}

// set reads a list whose order means nothing, and returns it sorted.
func (b *block) set(name string, checks ...check) []string {
	list := b.texts(name, checks...)
	seen := map[string]bool{}
	for i, text := range list {
		if seen[text] {
			b.e.add(problem(b.elementRange(name, i, len(list)), "Duplicate name", "%s lists %q twice.", name, text))
		}
		seen[text] = true
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// publishedSchema refuses what PostgreSQL does not publish: its own schemas.
func publishedSchema(name string) string {
	if strings.HasPrefix(name, "pg_") {
		return fmt.Sprintf("%q is a system schema, which cannot be published.", name)
	}
	return objectName(name)
}

// publishedTables reads the list and the blocks.
func (b *block) publishedTables(p *Publication) {
	seen := map[TableName]hcl.Range{}
	add := func(name string, inner *block, at hcl.Range) {
		t := PublishedTable{Range: at}
		if inner != nil {
			t.Columns, t.Where = inner.columns(), inner.rowFilter()
		}
		var why string
		if t.Table, why = b.tableName(name, at); why != "" {
			b.e.add(problem(at, "Invalid table name", "%s", why))
			return
		}
		if first, twice := seen[t.Table]; twice {
			b.e.add(problem(at, "Duplicate table",
				"%s already lists table %s at %s. Remove one of the two.", p.ID, t.Table, where(first)))
			return
		}
		seen[t.Table] = at
		p.Tables = append(p.Tables, t)
	}
	list := b.texts("tables")
	if len(list) > 0 {
		at := b.elementRanges("tables", len(list))
		for i, name := range list {
			add(name, nil, at[i])
		}
	}
	for _, inner := range b.blocks("table") {
		add(inner.label, inner, inner.at)
	}
	slices.SortFunc(p.Tables, func(a, b PublishedTable) int { return a.Table.Compare(b.Table) })
}

// tableName takes a name literally. What looks like a piece of SQL is said to
// be a part of the name, since it hardly is one.
func (b *block) tableName(text string, at hcl.Range) (TableName, string) {
	t, err := ParseTableName(text)
	if err != nil {
		return t, err.Error() + "."
	}
	if why := publishedSchema(t.Schema); why != "" {
		return t, why
	}
	if !strings.Contains(text, `"`) && strings.ContainsAny(text, " \t()*;") {
		b.e.add(caution(at, "Unusual table name",
			"%q is taken literally as a table name. To publish some columns or rows of a table, write a block:\n"+
				"  table \"schema.table\" {\n"+
				"    columns = […]\n"+
				"    where   = \"…\"\n"+
				"  }\n"+
				"To publish every table of a schema, use schemas. If the table really has this name, put the name in double "+
				"quotes: %q.",
			text, quotedParts(t)))
	}
	return t, ""
}

func quotedParts(t TableName) string {
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	return quote(t.Schema) + "." + quote(t.Name)
}

func (b *block) columns() []string {
	columns := b.set("columns", objectName)
	if columns != nil && len(columns) == 0 {
		b.invalid("columns", "the list is empty; omit the attribute to publish every column.")
		return nil
	}
	return columns
}

// publish reads the operations and puts them in their order.
func (b *block) publish(p *Publication) {
	given := b.texts("publish", oneOf(Operations()...))
	if given == nil {
		return
	}
	if len(given) == 0 {
		b.invalid("publish", "the list is empty, so nothing would be published. Omit the attribute to publish every operation.")
		return
	}
	p.Publish = slices.DeleteFunc(Operations(), func(o string) bool { return !slices.Contains(given, o) })
}
