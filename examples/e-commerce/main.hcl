# A shop: checkout waits until an order is on two machines, the catalog does not;
# product pages read from two standbys; a third is in reserve for a failover.

variable "hosts" {
  description = "The machines: what ssh connects to, and where the servers reach each other."
  type        = map(string)
  default = {
    shop1    = "shop1.example.net"
    reserve  = "shop2.example.net"
    product1 = "shop3.example.net"
    product2 = "shop4.example.net"
  }
}

variable "app_network" {
  description = "Where the shop's own servers are."
  type        = string
  default     = "10.0.0.0/8"
}

variable "passwords" {
  description = "Of the roles, by name."
  type = object({
    replicator = string
    migrations = string
    checkout   = string
    catalog    = string
    storefront = string
  })
  sensitive = true
}

node "shop1" { host = var.hosts["shop1"] }
node "reserve" { host = var.hosts["reserve"] }

# Long queries of product pages are not canceled by what is vacuumed on the primary.
node "product" {
  for_each   = toset(["product1", "product2"])
  host       = var.hosts[each.key]
  parameters = { hot_standby_feedback = true }
}

cluster "shop" {
  primary  = node.shop1
  standbys = [node.reserve, node.product["product1"], node.product["product2"]]

  # Who waits at all waits for the reserve, and for a product standby only while the
  # reserve is away.
  synchronous {
    method   = "first"
    number   = 1
    standbys = [node.reserve, node.product["product1"], node.product["product2"]]
  }

  parameters = {
    wal_sender_timeout     = "10s"  # how long checkout waits for a reserve that stands still
    max_slot_wal_keep_size = "16GB" # a standby that is gone cannot fill the primary's disk
  }

  thresholds {
    lag_bytes     = "64MB"
    slot_retained = "4GB"
  }

  # Product pages: any server, reads only.
  role "storefront" {
    password = var.passwords.storefront
    parameters = {
      default_transaction_read_only = true
      statement_timeout             = "5s"
    }
  }

  # Editing products: safe on the primary's disk, sent to the standbys a moment later.
  role "catalog" {
    password   = var.passwords.catalog
    parameters = { synchronous_commit = "local" }
  }

  # Orders and payments: on a second machine before the order is confirmed to the customer.
  role "checkout" {
    password   = var.passwords.checkout
    parameters = { synchronous_commit = "on" }
  }

  # Owns the tables: run your schema's migrations, with their GRANTs, as this role.
  role "migrations" {
    password = var.passwords.migrations
  }

  role "replicator" {
    replication = true
    password    = var.passwords.replicator
  }

  database "shop" {
    owner = "migrations"
  }

  # The shop's roles come from the shop's network, to the shop's database, and from
  # and to nowhere else.
  hba {
    type     = "host"
    database = "shop"
    user     = ["storefront", "catalog", "checkout", "migrations"]
    address  = var.app_network
    method   = "scram-sha-256"
  }
  hba {
    type     = "host"
    database = "all"
    user     = ["storefront", "catalog", "checkout", "migrations"]
    address  = "all"
    method   = "reject"
  }
}
