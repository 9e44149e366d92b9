# A primary, a standby to fail over to, and a standby that stays an hour behind: what
# is dropped or deleted by mistake still exists there for an hour.

variable "hosts" {
  description = "The machines: what ssh connects to, and where the servers reach each other."
  type        = map(string)
  default = {
    pg1 = "pg1.example.net"
    pg2 = "pg2.example.net"
    pg3 = "pg3.example.net"
  }
}

variable "delay" {
  description = "How far pg3 stays behind: longer than it takes you to notice."
  type        = string
  default     = "1h"
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
  standbys = [node.pg["pg2"]]

  standby {
    node        = node.pg["pg3"]
    apply_delay = var.delay
  }

  parameters = {
    log_statement          = "ddl"  # the log shows when a table was dropped
    max_slot_wal_keep_size = "16GB" # a standby that is gone cannot fill the primary's disk
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
