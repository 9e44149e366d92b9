package providers

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/internal/pg/pgdump"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/providers/postgres"
	"github.com/repltool/repltool/topology"
)

// copy_schema = "missing": the tables that a subscriber lacks are made as the publisher
// has them. Their definitions are written by the publisher's own pg_dump, on its
// machine, and only once both sides were read and something is missing.

//go:embed dump.sh
var dumpScript string

// define puts the definitions that subscriptions want into the facts of their
// databases. What one of them makes, the next one finds there.
func (f *Fleet) define(ctx context.Context, o InspectOptions, all facts.Facts) {
	made := map[subscriberDatabase]map[topology.TableName]bool{}
	for _, sub := range f.topology.Subscriptions {
		local, _ := sides(sub, all)
		missing := missingTables(sub, all)
		at := subscriberDatabase{leading(all, sub.Cluster), sub.Database}
		missing = slices.DeleteFunc(missing, func(t topology.TableName) bool { return made[at][t] })
		if len(missing) == 0 || sub.CopySchema != topology.CopySchemaMissing {
			continue
		}
		if local.Definitions == nil {
			local.Definitions, made[at] = map[string]facts.Definition{}, map[topology.TableName]bool{}
		}
		var sql string
		var tables []topology.TableName
		var err error
		source, target := f.nodes[leading(all, sub.Publisher()).Name], f.nodes[at.node.Name]
		if failed := guarded(func() { sql, tables, err = definition(ctx, o, sub, source, target, missing, made[at]) }); failed != nil {
			err = asError(failed)
		}
		d := facts.Definition{SQL: sql}
		if err != nil {
			d = facts.Definition{Error: err.Error()}
		}
		local.Definitions[sub.ID] = d
		for _, t := range tables {
			made[at][t] = true
		}
	}
}

// missingTables returns the tables that a subscription is to copy and that its
// database lacks, with those of the published partitioned tables that hold them.
func missingTables(sub *topology.Subscription, all facts.Facts) []topology.TableName {
	local, remote := sides(sub, all)
	here, there := local.TablesByName(), remote.TablesByName()
	partitions := map[topology.TableName][]topology.TableName{} // by each of their parents
	for _, t := range there {
		for _, parent := range t.Parents {
			partitions[parent] = append(partitions[parent], t.Table)
		}
	}
	var missing []topology.TableName
	seen := map[topology.TableName]bool{}
	add := func(t topology.TableName) {
		if found := there[t]; found != nil && (found.Kind == "r" || found.Kind == "p") && here[t] == nil && !seen[t] {
			seen[t], missing = true, append(missing, t)
		}
	}
	for _, t := range toCome(sub, all, false) {
		if here[t] != nil || there[t] == nil {
			continue
		}
		add(t)
		for _, parent := range there[t].Parents {
			add(parent) // none that is not published: only those were read
		}
		slices.SortFunc(partitions[t], topology.TableName.Compare)
		for _, partition := range partitions[t] {
			add(partition)
		}
	}
	return missing
}

// definition returns the SQL that makes tables, and the names of all that it makes.
func definition(ctx context.Context, o InspectOptions, sub *topology.Subscription, source, target *Node, missing []topology.TableName, made map[topology.TableName]bool) (string, []topology.TableName, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	entries, err := source.dump(ctx, sub.SourceDatabase())
	if err != nil {
		return "", nil, err
	}
	var objects []pgdump.Object
	for _, e := range entries {
		objects = append(objects, e.Object)
	}
	var names []postgres.ObjectName
	err = source.ask(ctx, sub.SourceDatabase(), func(db *postgres.DB) error {
		names, err = postgres.ObjectNames(ctx, db, objects)
		return err
	})
	if err != nil {
		return "", nil, source.named(err)
	}
	var there []postgres.ObjectThere
	err = target.ask(ctx, sub.Database, func(db *postgres.DB) error {
		there, err = postgres.ObjectsThere(ctx, db, names)
		return err
	})
	if err != nil {
		return "", nil, target.named(err)
	}
	sql, chosen, err := pgdump.Choose(entries, catalog(names, there, missing, made))
	return sql, namesOf(names, chosen), err
}

// catalog is what is known of both databases in pgdump's words.
func catalog(names []postgres.ObjectName, there []postgres.ObjectThere, missing []topology.TableName, made map[topology.TableName]bool) pgdump.Catalog {
	c := pgdump.Catalog{
		Wanted: map[pgdump.Object]bool{}, There: map[pgdump.Object]bool{}, Partitioned: map[pgdump.Object]bool{},
		Owner: map[pgdump.Object]pgdump.Object{}, Name: map[pgdump.Object]string{},
	}
	wanted := map[topology.TableName]bool{}
	for _, t := range missing {
		wanted[t] = true
	}
	for _, n := range names {
		c.Name[n.Object] = n.Quoted
		switch {
		case n.Kind == "foreign key":
			c.Owner[n.Object] = pgdump.Object{Class: pgdump.Relations, OID: n.Owner}
		case made[n.Table()]:
			c.There[n.Object] = true
		case n.Kind == "table" && wanted[n.Table()]:
			c.Wanted[n.Object] = true
		}
	}
	for _, t := range there {
		c.There[t.Object] = true
		c.Partitioned[t.Object] = t.Partitioned
	}
	return c
}

func namesOf(names []postgres.ObjectName, objects []pgdump.Object) []topology.TableName {
	var all []topology.TableName
	chosen := map[pgdump.Object]bool{}
	for _, o := range objects {
		chosen[o] = true
	}
	for _, n := range names {
		if chosen[n.Object] {
			all = append(all, n.Table())
		}
	}
	return all
}

// dumpOptions are the settings of pg_dump's session that its text depends on and that it does
// not set itself: the text is run in a session of ours, not in one with the site's settings.
const dumpOptions = "-c standard_conforming_strings=on -c quote_all_identifiers=off -c timezone=UTC -c bytea_output=hex"

// dump returns the definitions of a database.
func (n *Node) dump(ctx context.Context, database string) ([]pgdump.Entry, error) {
	h := n.Host()
	if n.topology.Access == topology.AccessSQL || h == nil {
		return nil, fmt.Errorf("%s: pg_dump must run on the publisher's host, which cannot be reached (access = \"sql\")", n.topology.Name)
	}
	at, err := n.listens(ctx, h.DataDir)
	if err != nil {
		return nil, n.named(fmt.Errorf("pg_dump: %w", err))
	}
	conn, err := n.Conn(ctx)
	if err != nil {
		return nil, n.named(err)
	}
	target := conninfo.Format([]conninfo.Pair{{Key: "dbname", Value: database}, {Key: "user", Value: conn.OSUser()}, {Key: "options", Value: dumpOptions}})
	out, err := conn.Run(ctx, host.Command{Argv: []string{"sh", "-c", dumpScript, "dump", h.BinDir, at.dir, fmt.Sprint(at.port), target}})
	if err != nil {
		var exit *host.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("exit status %d: %s", exit.Code, exit.Stderr)
		}
		return nil, n.named(fmt.Errorf("pg_dump of database %s: %w", database, err))
	}
	return pgdump.Parse(string(out)), nil
}

// ask lends a session that only reads.
func (n *Node) ask(ctx context.Context, database string, use func(*postgres.DB) error) error {
	return repeated(ctx, func() error {
		db, err := n.connect(ctx, n.places()[0], postgres.Target{Database: database, ReadOnly: true})
		if err != nil {
			return err
		}
		defer db.Close() // the server drops what is left of it
		return use(db)
	})
}
