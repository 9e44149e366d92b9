# Change data capture: a publication, a slot and a login for a client that decodes by
# itself, such as Debezium.

variable "hosts" {
  description = "The machine: what ssh connects to."
  type        = map(string)
  default     = { pg1 = "pg1.example.net" }
}

variable "connect_network" {
  description = "Where the client connects from."
  type        = string
  default     = "10.0.0.0/8"
}

variable "debezium_password" {
  type      = string
  sensitive = true
}

node "pg1" { host = var.hosts["pg1"] }

cluster "shop" {
  primary = node.pg1

  parameters = {
    wal_level              = "logical"
    listen_addresses       = "*"
    max_slot_wal_keep_size = "32GB" # a client that is gone cannot fill the disk
  }

  thresholds {
    slot_retained = "4GB" # drift reports it before that happens
  }

  database "shop" {}

  role "debezium" {
    replication = true
    password    = var.debezium_password
  }

  hba {
    type     = "host"
    database = "shop"
    user     = "debezium"
    address  = var.connect_network
    method   = "scram-sha-256"
  }

  slot "debezium" {
    type     = "logical"
    plugin   = "pgoutput"
    database = "shop"

    lifecycle { prevent_destroy = true }
  }
}

publication "debezium" {
  cluster  = cluster.shop
  database = "shop"
  tables   = ["public.orders", "public.customers"]
}
