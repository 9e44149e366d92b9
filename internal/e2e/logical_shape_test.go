package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// shapes is a hub of three nodes and three regions of one each, two servers on a host.
const shapes = `variable "password" {
  type      = string
  sensitive = true
}
locals {
  hosts   = { pg1 = "ADDR1", pg2 = "ADDR2", pg3 = "ADDR3" }
  regions = { eu = { host = "host1", address = "ADDR1" }, us = { host = "host2", address = "ADDR2" }, asia = { host = "host3", address = "ADDR3" } }
}
node "hub" {
  for_each = local.hosts
  host     = "host${substr(each.key, 2, 1)}"
  address  = each.value
}
node "region" {
  for_each = local.regions
  host     = each.value.host
  address  = each.value.address
  port     = 5433
}
cluster "hub" {
  primary    = node.hub["pg1"]
  standbys   = [node.hub["pg2"], node.hub["pg3"]]
  parameters = { wal_level = "logical", shared_buffers = "16MB", max_logical_replication_workers = 8, max_worker_processes = 12 }
  role "replicator" {
    replication = true
    password    = var.password
  }
  database "shop" {}
  database "warehouse" {}
  database "reports" {}
}
cluster "region" {
  for_each   = local.regions
  primary    = node.region[each.key]
  parameters = { wal_level = "logical", listen_addresses = "*", shared_buffers = "16MB" }
  role "replicator" {
    replication = true
    password    = var.password
  }
  database "shop" {}
  database "mirror" {}
}
`

// flows are what flows between them.
const flows = `
publication "catalog" {
  cluster  = cluster.hub
  database = "shop"
  tables   = ["public.products"]
}
subscription "catalog" { # fan-out
  for_each     = local.regions
  cluster      = cluster.region[each.key]
  database     = "shop"
  publications = [publication.catalog]
  slot_name    = "catalog_${each.key}"
}
subscription "reports" { # within one cluster
  cluster      = cluster.hub
  database     = "reports"
  publications = [publication.catalog]
}
publication "sales" {
  for_each = local.regions
  cluster  = cluster.region[each.key]
  database = "shop"
  table "public.sales" { where = "region = '${each.key}'" }
}
subscription "sales" { # fan-in
  for_each     = local.regions
  cluster      = cluster.hub
  database     = "warehouse"
  name         = "sales_${each.key}"
  publications = [publication.sales[each.key]]
}
publication "onward" { # a chain: what eu has from the hub goes on to us
  cluster  = cluster.region["eu"]
  database = "shop"
  tables   = ["public.products"]
}
subscription "mirror" {
  cluster      = cluster.region["us"]
  database     = "mirror"
  publications = [publication.onward]
}
`

// TestLogicalShapes has every shape at once: a fan-out, a fan-in, a chain and a
// subscription within one cluster, whose publisher has two standbys.
func TestLogicalShapes(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3, Suites: []string{"trixie"}})
	base := shapes
	for i, h := range w.lab.Hosts {
		base = strings.ReplaceAll(base, fmt.Sprintf("ADDR%d", i+1), h.Addr)
	}
	w.write("main.hcl", base)
	w.must(0, "apply", "-auto-approve")

	const products, sales = "CREATE TABLE products (id int PRIMARY KEY, name text)", "CREATE TABLE sales (region text, id int, amount numeric, PRIMARY KEY (region, id))"
	hub, warehouse, reports := server{1, 5432, "shop"}, server{1, 5432, "warehouse"}, server{1, 5432, "reports"}
	regions := map[string]server{"eu": {1, 5433, "shop"}, "us": {2, 5433, "shop"}, "asia": {3, 5433, "shop"}}
	mirror := server{2, 5433, "mirror"}
	w.ask(hub, products+"; INSERT INTO products SELECT n, 'product ' || n FROM generate_series(1, 1000) n")
	w.ask(reports, products)
	w.ask(mirror, products)
	w.ask(warehouse, sales)
	for name, s := range regions {
		w.ask(s, products+"; "+sales+fmt.Sprintf("; INSERT INTO sales SELECT r, n, n FROM generate_series(1, 100) n, (VALUES ('%s'), ('elsewhere')) v (r)", name))
	}
	w.write("flows.hcl", flows)
	w.must(0, "apply", "-auto-approve")
	w.settled()

	// What was there was copied, and what is written now follows.
	w.ask(hub, "INSERT INTO products VALUES (1001, 'new'); UPDATE products SET name = 'renamed' WHERE id = 7; DELETE FROM products WHERE id = 8")
	all := w.ask(hub, sum("products", "true"))
	for name, s := range regions {
		w.ask(s, fmt.Sprintf("INSERT INTO sales VALUES ('%[1]s', 101, 1), ('elsewhere', 101, 1); UPDATE sales SET amount = 0 WHERE region = '%[1]s' AND id = 5", name))
		w.reaches(s, sum("products", "true"), all)
	}
	w.reaches(reports, sum("products", "true"), all)
	w.reaches(mirror, sum("products", "true"), all)
	w.reaches(server{3, 5432, "shop"}, sum("products", "true"), all) // a standby of the publisher
	w.reaches(warehouse, "SELECT string_agg(format('%s %s %s', region, n, amount), ', ' ORDER BY region) FROM (SELECT region, count(*) n, sum(amount) amount FROM sales GROUP BY 1) x",
		"asia 101 5046, eu 101 5046, us 101 5046")
	slots := "SELECT string_agg(slot_name, ' ' ORDER BY slot_name COLLATE \"C\") FROM pg_replication_slots WHERE active"
	w.reaches(hub, slots, "catalog_asia catalog_eu catalog_us pg2 pg3 reports")
	w.reaches(regions["eu"], slots, "mirror sales_eu")
	w.settled()

	// One leaf goes; the others do not notice.
	w.write("flows.hcl", strings.Replace(flows, "for_each     = local.regions\n  cluster      = cluster.region[each.key]",
		"for_each     = toset([\"eu\", \"us\"])\n  cluster      = cluster.region[each.key]", 1))
	r := w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.says(r, `subscription.catalog["asia"]`)
	w.reaches(hub, slots, "catalog_eu catalog_us pg2 pg3 reports")
	w.settled()
	w.noSecrets()
}
