# Two regions. The WAL crosses the distance once: a relay in the second region
# passes it on to the standbys beside it.

variable "hosts" {
  description = "The machines: what ssh connects to, and where the servers reach each other."
  type        = map(string)
  default = {
    north1 = "pg1.north.example.net"
    north2 = "pg2.north.example.net"
    south1 = "pg1.south.example.net"
    south2 = "pg2.south.example.net"
    south3 = "pg3.south.example.net"
  }
}

variable "replicator_password" {
  type      = string
  sensitive = true
}

node "north" {
  for_each = toset(["north1", "north2"])
  host     = var.hosts[each.key]
  location = "north"
}

node "south" {
  for_each = toset(["south1", "south2", "south3"])
  host     = var.hosts[each.key]
  location = "south"
}

# Another relay is a change of this line.
locals {
  relay = node.south["south1"]
}

cluster "main" {
  primary = node.north["north1"]

  # north2 beside the primary; the relay from afar.
  standbys = [node.north["north2"], local.relay]

  # The others of the second region follow the relay.
  dynamic "standby" {
    for_each = [for n in node.south : n if n.name != local.relay.name]
    content {
      node     = standby.value
      upstream = local.relay
    }
  }

  # Commits wait for north2. While it is away they wait for the relay, over the
  # distance, rather than for no standby.
  synchronous {
    method   = "first"
    number   = 1
    standbys = [node.north["north2"], local.relay]
  }

  # Copies for the second region take at most this much of the line.
  basebackup {
    max_rate = "100M"
  }

  parameters = {
    max_slot_wal_keep_size = "64GB" # how long an outage of the line the relay outlives
  }

  thresholds {
    lag_bytes     = "256MB"
    slot_retained = "16GB"
  }

  role "replicator" {
    replication = true
    password    = var.replicator_password
  }
}
