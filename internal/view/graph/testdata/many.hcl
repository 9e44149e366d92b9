variable "pw" {
  type      = string
  sensitive = true
}

node "eu1" {
  host     = "eu1.example.net"
  location = "eu"
}

node "eu" {
  for_each = toset([for i in range(2, 32) : "eu${i}"])
  host     = "${each.key}.example.net"
  location = "eu"
}

node "us" {
  for_each = toset([for i in range(1, 13) : "us${i}"])
  host     = "${each.key}.example.net"
  location = "us"
}

node "ap" {
  for_each = toset(["ap1", "ap2"])
  host     = "${each.key}.example.net"
  location = "ap"
}

cluster "main" {
  version  = 17
  primary  = node.eu1
  standbys = concat(values(node.eu), values(node.us))

  standby {
    node     = node.ap["ap1"]
    upstream = node.us["us1"]
  }
  standby {
    node     = node.ap["ap2"]
    upstream = node.us["us1"]
  }

  synchronous {
    method   = "any"
    number   = 1
    standbys = [node.eu["eu2"], node.eu["eu3"]]
  }

  role "replicator" {
    replication = true
    password    = var.pw
  }
}
