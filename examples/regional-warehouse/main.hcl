# Regional shops publish their own orders into one warehouse.

variable "hosts" {
  description = "The regions' machines by region, and the warehouse's: what ssh connects to, and where the servers reach each other."
  type = object({
    regions   = map(string)
    warehouse = string
  })
  default = {
    regions   = { eu = "pg.eu.example.net", us = "pg.us.example.net" }
    warehouse = "dw.example.net"
  }
}

variable "feed_password" {
  type      = string
  sensitive = true
}

node "region" {
  for_each = var.hosts.regions
  host     = each.value
  location = each.key
}

node "dw1" { host = var.hosts.warehouse }

cluster "region" {
  for_each = var.hosts.regions
  primary  = node.region[each.key]

  parameters = {
    wal_level              = "logical"
    listen_addresses       = "*"
    max_slot_wal_keep_size = "16GB"
  }

  database "shop" {}

  role "feed" {
    replication = true
    password    = var.feed_password
  }
}

cluster "warehouse" {
  primary = node.dw1

  parameters = {
    # One worker for each region, and some to copy tables.
    max_logical_replication_workers = length(var.hosts.regions) + 4
    max_worker_processes            = length(var.hosts.regions) + 8
  }

  database "dw" {}
}

publication "orders" {
  for_each = var.hosts.regions
  cluster  = cluster.region[each.key]
  database = "shop"

  table "public.orders" {
    columns = ["region", "id", "placed", "total"] # not who placed it
    where   = "region = '${each.key}'"
  }
}

subscription "orders" {
  for_each     = var.hosts.regions
  cluster      = cluster.warehouse
  database     = "dw"
  name         = "orders_${each.key}"
  publications = [publication.orders[each.key]]
}
