node "eu1" {
  host     = "10.0.0.1"
  location = "eu-central"
}
node "eu2" {
  host     = "10.0.0.2"
  location = "eu-central"
}
node "eu3" {
  host     = "10.0.0.3"
  location = "eu-central"
}
node "us1" {
  host     = "10.1.0.1"
  location = "us-east"
}
node "us2" {
  host     = "10.1.0.2"
  location = "us-east"
}
node "us3" {
  host     = "10.1.0.3"
  location = "us-east"
}
node "ap1" {
  host     = "10.2.0.1"
  location = "ap"
}
node "dw1" {
  host     = "10.0.1.1"
  location = "eu-central"
}
node "dw2" {
  host     = "10.0.1.2"
  location = "eu-central"
}
variable "pw" {
  type      = string
  sensitive = true
}
cluster "orders" {
  version  = 17
  primary  = node.eu1
  standbys = [node.eu2, node.us1]
  role "replicator" {
    password    = var.pw
    replication = true
  }
  standby {
    node        = node.eu3
    apply_delay = "1h"
  }
  standby {
    node     = node.us2
    upstream = node.us1
  }
  standby {
    node     = node.us3
    upstream = node.us1
  }
  standby {
    node     = node.ap1
    upstream = node.us1
  }
  synchronous {
    method   = "any"
    number   = 1
    standbys = [node.eu2, node.us1]
  }
  database "shop" {}
}
cluster "warehouse" {
  version  = 17
  primary  = node.dw1
  standbys = [node.dw2]
  role "replicator" {
    password    = var.pw
    replication = true
  }
  database "dw" {}
}
publication "orders" {
  cluster  = cluster.orders
  database = "shop"
  tables   = ["public.orders"]
}
subscription "orders_dw" {
  cluster      = cluster.warehouse
  database     = "dw"
  publications = [publication.orders]
}

publication "customers" {
  cluster  = cluster.orders
  database = "shop"
  tables   = ["public.customers"]
}

subscription "customers_dw" {
  cluster      = cluster.warehouse
  database     = "dw"
  publications = [publication.customers]
}

subscription "crm" {
  cluster           = cluster.warehouse
  database          = "dw"
  publication_names = ["accounts"]
  connection {
    host     = "crm.example.net"
    database = "crm"
    user     = "feed"
    password = var.pw
  }
}
