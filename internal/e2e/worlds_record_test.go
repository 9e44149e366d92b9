//go:build record

package e2e

import (
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestRecordWorlds records a dozen worlds from servers, as plan/build/testdata/worlds has
// them: each is what an apply left, or what was changed by hand after it. `make worlds` runs
// it; TestRecordedWorlds of plan/build plans what it wrote.
func TestRecordWorlds(t *testing.T) {
	t.Run("streaming", recordStreaming)
	t.Run("cascade", recordCascade)
	t.Run("logical", recordLogical)
	t.Run("failover slots", recordFailoverSlots)
	t.Run("version 13", func(t *testing.T) { recordTwo(t, "version-13", "PostgreSQL 13, of Debian's bullseye.", "", "bullseye") })
	t.Run("rpm", func(t *testing.T) {
		recordTwo(t, "layout-rpm", "The RPM packages' layout, without systemd.", asRPM, "bookworm")
	})
	t.Run("bare", recordBare)
	t.Run("instances", recordInstances)
}

func recordStreaming(t *testing.T) {
	r := newRecorder(t, lab.Options{Hosts: 3})
	r.become(onePrimary)
	r.record("one-primary", "One primary, with a database and its owner.")
	r.become(threeSynchronous)
	r.record("synchronous", "A primary and two standbys, of which commits wait for one.")
	r.exec(3, "pg_ctlcluster", "--skip-systemctl-redirect", "15", "main", "stop")
	r.expect(1, "SELECT count(*) FROM pg_stat_replication", "1")
	r.record("standby-down", "The same, and pg3 was stopped.")
	r.exec(3, "pg_ctlcluster", "--skip-systemctl-redirect", "15", "main", "start")
	r.expect(1, "SELECT count(*) FROM pg_stat_replication", "2")
	r.foreign()
	r.record("foreign-objects", "The same, with roles, databases, slots and a publication that somebody made by hand.")
	r.byHands()
	r.record("drifted", "The same, changed by hand: parameters in files and by ALTER SYSTEM, a rule above the block, a role, a slot.")
}

// foreign makes what no topology names.
func (r *recorder) foreign() {
	r.t.Helper()
	for _, sql := range []string{
		"CREATE ROLE auditor LOGIN PASSWORD 'x' CONNECTION LIMIT 3", "GRANT pg_read_all_data TO auditor", "CREATE DATABASE metrics OWNER auditor",
		"SELECT pg_create_physical_replication_slot('backup', true)", "CREATE SCHEMA private", "ALTER ROLE ALL SET statement_timeout = '1h'",
	} {
		r.sql(1, sql)
	}
	r.in(1, "shop", "CREATE TABLE items (id bigint PRIMARY KEY, name text)")
	r.in(1, "shop", "CREATE PUBLICATION everything FOR ALL TABLES")
}

// byHands changes what repltool made.
func (r *recorder) byHands() {
	r.t.Helper()
	r.sql(1, "ALTER SYSTEM SET work_mem = '99MB'")
	r.sql(1, "ALTER ROLE app CREATEDB PASSWORD 'another'")
	r.exec(3, "sed", "-i", "s/^work_mem = .*/work_mem = '1MB'/", "/etc/postgresql/15/main/postgresql.conf")
	r.exec(2, "sed", "-i", "1i host all all 192.0.2.0/24 reject", "/etc/postgresql/15/main/pg_hba.conf")
	r.exec(1, "sh", "-c", "echo max_connections = 150 >>/etc/postgresql/15/main/postgresql.conf")
	for i := 1; i <= 3; i++ {
		r.sql(i, "SELECT pg_reload_conf()")
	}
	r.sql(2, "ALTER SYSTEM SET primary_slot_name = ''")
	r.sql(2, "SELECT pg_reload_conf()")
	r.expect(1, "SELECT active FROM pg_replication_slots WHERE slot_name = 'pg2'", "f")
	r.sql(1, "SELECT pg_drop_replication_slot('pg2')")
	r.expect(1, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", "2")
	r.expect(1, "SHOW work_mem", "99MB")
}

func recordCascade(t *testing.T) {
	r := newRecorder(t, lab.Options{Hosts: 3})
	r.become(threeInACascade)
	r.record("cascade", "A standby of a standby, an hour behind.")
}

func recordLogical(t *testing.T) {
	r := newRecorder(t, lab.Options{Hosts: 2})
	r.become(publisherAndSubscriber)
	r.in(1, "shop", shopTables)
	r.in(2, "dw", shopTables)
	r.in(1, "shop", "INSERT INTO customers SELECT g, 'c' || g FROM generate_series(1, 1000) g")
	r.become(publisherAndSubscriber + ordersFlow)
	r.expectIn(2, "dw", "SELECT count(*) FROM customers", "1000")
	r.record("logical", "A publisher and a subscriber, every table copied.")
}

func recordFailoverSlots(t *testing.T) {
	r := newRecorder(t, lab.Options{Hosts: 3, Suites: []string{"trixie"}})
	r.become(failoverSlots)
	r.in(1, "shop", shopTables)
	r.in(3, "dw", shopTables)
	flow := strings.Replace(ordersFlow, "publications = [publication.orders]", "publications = [publication.orders]\n  failover     = true", 1)
	r.become(failoverSlots + flow)
	r.sql(1, "SELECT pg_log_standby_snapshot()")
	r.expect(2, "SELECT string_agg(slot_name, ' ') FROM pg_replication_slots WHERE synced AND NOT temporary", "orders") // nobody reads from cdc yet
	r.record("failover-slots", "PostgreSQL 17: logical slots of which a standby has copies; that of cdc waits for a consumer.")
}

func recordTwo(t *testing.T, name, comment, script, suite string) {
	r := newRecorder(t, lab.Options{Hosts: 2, Suites: []string{suite}})
	for i := range r.lab.Hosts {
		if script != "" {
			r.exec(i+1, "sh", "-c", script)
		}
	}
	r.become(strings.ReplaceAll(twoNodes, "PLACE", ""))
	r.record(name, comment)
}

func recordBare(t *testing.T) {
	r := newRecorder(t, lab.Options{Hosts: 2})
	for i := range r.lab.Hosts {
		r.exec(i+1, "install", "-d", "-o", "postgres", "-g", "postgres", "/srv/pg")
	}
	r.become(strings.ReplaceAll(twoNodes, "PLACE", "\n  data_dir = \"/srv/pg/data\""))
	r.record("layout-bare", "A data directory and nothing else.")
}

func recordInstances(t *testing.T) {
	r := newRecorder(t, lab.Options{Hosts: 1})
	r.exec(1, "install", "-d", "-o", "postgres", "-g", "postgres", "/srv/pg")
	r.become(severalInstances)
	r.record("instances", "Three instances of two clusters on one host.")
}

const onePrimary = `
node "pg1" {
  host    = "host1"
  address = "ADDR1"
}
cluster "main" {
  primary    = node.pg1
  parameters = { shared_buffers = "16MB", work_mem = "8MB" }
  role "replicator" {
    replication = true
    password    = env("PW")
  }
  role "app" {
    password = env("APP_PW")
  }
  database "shop" {
    owner = "app"
  }
}
`

const threeSynchronous = `
node "pg1" {
  host    = "host1"
  address = "ADDR1"
}
node "pg2" {
  host    = "host2"
  address = "ADDR2"
}
node "pg3" {
  host    = "host3"
  address = "ADDR3"
}
cluster "main" {
  primary    = node.pg1
  standbys   = [node.pg2, node.pg3]
  parameters = { shared_buffers = "16MB", work_mem = "8MB" }
  synchronous { number = 1 }
  role "replicator" {
    replication = true
    password    = env("PW")
  }
  role "app" {
    password = env("APP_PW")
  }
  database "shop" {
    owner = "app"
  }
}
`

const threeInACascade = `
node "pg1" {
  host    = "host1"
  address = "ADDR1"
}
node "pg2" {
  host    = "host2"
  address = "ADDR2"
}
node "pg3" {
  host    = "host3"
  address = "ADDR3"
}
cluster "main" {
  primary    = node.pg1
  standbys   = [node.pg2]
  parameters = { shared_buffers = "16MB" }
  standby {
    node        = node.pg3
    upstream    = node.pg2
    apply_delay = "1h"
  }
  role "replicator" {
    replication = true
    password    = env("PW")
  }
}
`

const publisherAndSubscriber = `
node "pg1" {
  host    = "host1"
  address = "ADDR1"
}
node "dw1" {
  host    = "host2"
  address = "ADDR2"
}
cluster "orders" {
  primary    = node.pg1
  parameters = { wal_level = "logical", shared_buffers = "16MB" }
  role "replicator" {
    replication = true
    password    = env("PW")
  }
  database "shop" {}
}
cluster "warehouse" {
  primary    = node.dw1
  parameters = { shared_buffers = "16MB" }
  database "dw" {}
}
`

const ordersFlow = `
publication "orders" {
  cluster  = cluster.orders
  database = "shop"
  tables   = ["public.customers", "public.orders"]
}
subscription "orders" {
  cluster      = cluster.warehouse
  database     = "dw"
  publications = [publication.orders]
}
`

const twoNodes = `
node "pg1" {
  host    = "host1"
  address = "ADDR1"PLACE
}
node "pg2" {
  host    = "host2"
  address = "ADDR2"PLACE
}
cluster "main" {
  primary    = node.pg1
  standbys   = [node.pg2]
  parameters = { shared_buffers = "16MB" }
  synchronous { number = 1 }
  role "replicator" {
    replication = true
    password    = env("PW")
  }
}
`

const failoverSlots = `
node "pg1" {
  host    = "host1"
  address = "ADDR1"
}
node "pg2" {
  host    = "host2"
  address = "ADDR2"
}
node "dw1" {
  host    = "host3"
  address = "ADDR3"
}
cluster "orders" {
  primary    = node.pg1
  standbys   = [node.pg2]
  parameters = { wal_level = "logical", shared_buffers = "16MB" }
  role "replicator" {
    replication = true
    password    = env("PW")
  }
  database "shop" {}
  slot "cdc" {
    type     = "logical"
    database = "shop"
    plugin   = "pgoutput"
    failover = true
  }
}
cluster "warehouse" {
  primary    = node.dw1
  parameters = { shared_buffers = "16MB" }
  database "dw" {}
}
`

const severalInstances = `
defaults {
  ssh { user = "postgres" }
}
node "pg1" {
  host    = "host1"
  address = "ADDR1"
}
node "pg2" {
  host    = "host1"
  address = "ADDR1"
  port    = 5433
}
node "b1" {
  host     = "host1"
  address  = "ADDR1"
  port     = 5440
  data_dir = "/srv/pg/b1"
}
cluster "main" {
  primary    = node.pg1
  standbys   = [node.pg2]
  parameters = { shared_buffers = "16MB" }
  role "replicator" {
    replication = true
    password    = env("PW")
  }
}
cluster "bare" {
  primary    = node.b1
  parameters = { shared_buffers = "16MB" }
}
`
