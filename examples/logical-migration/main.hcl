# A major version upgrade without a long downtime: the new server follows the old one
# by logical replication until the day of the cutover.

variable "hosts" {
  description = "The machines: what ssh connects to, and where the servers reach each other."
  type        = map(string)
  default = {
    old = "db-15.example.net"
    new = "db-17.example.net"
  }
}

variable "migrator_password" {
  type      = string
  sensitive = true
}

node "old" { host = var.hosts["old"] }
node "new" { host = var.hosts["new"] }

cluster "old" {
  version = 15
  primary = node.old

  parameters = {
    wal_level              = "logical" # takes a restart, long before the cutover
    listen_addresses       = "*"
    max_slot_wal_keep_size = "64GB"
  }

  role "migrator" {
    replication = true
    password    = var.migrator_password
  }

  database "app" {}
}

cluster "new" {
  version = 17
  primary = node.new

  database "app" {}
}

publication "app" {
  cluster    = cluster.old
  database   = "app"
  all_tables = true
}

subscription "app" {
  cluster      = cluster.new
  database     = "app"
  publications = [publication.app]
  copy_schema  = "missing" # tables are made as they are on the old server
}
