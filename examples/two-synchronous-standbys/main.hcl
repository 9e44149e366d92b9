# A primary and two standbys. A commit returns when one of them has it on disk.

variable "hosts" {
  description = "The machines: what ssh connects to, and where the servers reach each other."
  type        = map(string)
  default = {
    pg1 = "pg1.example.net"
    pg2 = "pg2.example.net"
    pg3 = "pg3.example.net"
  }
}

variable "method" {
  description = "any: whichever standby is faster. first: pg2, and pg3 only while pg2 is away."
  type        = string
  default     = "any"
}

variable "replicator_password" {
  type      = string
  sensitive = true
}

node "pg" {
  for_each = var.hosts
  host     = each.value
}

cluster "main" {
  primary  = node.pg["pg1"]
  standbys = [node.pg["pg2"], node.pg["pg3"]]

  synchronous {
    method   = var.method
    number   = 1
    standbys = [node.pg["pg2"], node.pg["pg3"]]
  }

  parameters = {
    wal_sender_timeout     = "20s"  # a standby that stands still is given up after this
    max_slot_wal_keep_size = "16GB" # one that is gone cannot fill the primary's disk
  }

  thresholds {
    lag_bytes     = "64MB"
    slot_retained = "4GB"
  }

  role "replicator" {
    replication = true
    password    = var.replicator_password
  }
}
