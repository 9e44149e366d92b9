variable "pw" {
  type      = string
  sensitive = true
}

locals {
  text = "a\"b'<script>&]]>`#|\\n{}"
}

node "n" {
  for_each = toset(["x-1.y_2", "0"])
  host     = "${each.key}.example.net"
  location = local.text
}

cluster "main" {
  for_each = toset(["a.b-c"])
  primary  = node.n["0"]
  standbys = [node.n["x-1.y_2"]]
  role "replicator" {
    replication = true
    password    = var.pw
  }
  database "d" {}
}

subscription "s" {
  cluster           = cluster.main["a.b-c"]
  database          = "d"
  name              = local.text
  slot_name         = "s"
  publication_names = ["p"]
  connection {
    host     = "h.example.net"
    port     = 6543
    database = "d"
    user     = "u"
    password = var.pw
  }
}
