node "pg1" {
  host     = "10.0.0.1"
  location = "ams"
}
node "pg2" {
  host = "10.0.0.2"
}
node "dw" {
  host = "10.0.0.3"
}
cluster "shop" {
  primary  = node.pg1
  standbys = [node.pg2]
  parameters = {
    wal_level       = "logical"
    max_connections = 150
  }
  synchronous {
    number   = 1
    standbys = [node.pg2]
  }
  role "replicator" {
    replication = true
    password    = "hidden"
  }
  database "shop" {}
  thresholds {
    lag_bytes     = "16MB"
    lag_time      = "30s"
    slot_retained = "1GB"
  }
}
cluster "warehouse" {
  primary = node.dw
  database "dw" {}
}
publication "orders" {
  cluster    = cluster.shop
  database   = "shop"
  all_tables = true
}
subscription "orders" {
  cluster      = cluster.warehouse
  database     = "dw"
  publications = [publication.orders]
}
