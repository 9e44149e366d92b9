# One primary and two standbys on this machine, without SSH. Everything they are
# made of lies under one directory.

variable "dir" {
  type        = string
  default     = "/tmp/repltool-quickstart"
  description = "where the three data directories go"
}

variable "port" {
  type        = number
  default     = 54321
  description = "the primary's port; the standbys have the next two"
}

variable "replicator_password" {
  type      = string
  sensitive = true
}

locals {
  ports = { pg1 = var.port, pg2 = var.port + 1, pg3 = var.port + 2 }
}

node "pg" {
  for_each   = local.ports
  host       = "127.0.0.1"
  access     = "local"
  port       = each.value
  data_dir   = "${var.dir}/${each.key}/data"
  socket_dir = "${var.dir}/${each.key}"
}

cluster "quickstart" {
  primary  = node.pg["pg1"]
  standbys = [node.pg["pg2"], node.pg["pg3"]]

  parameters = {
    max_connections = 30
    shared_buffers  = "16MB"
    work_mem        = "8MB"
  }

  # A commit waits until one of the two standbys has it.
  synchronous {
    method = "any"
    number = 1
  }

  role "replicator" {
    replication = true
    password    = var.replicator_password
  }
}
