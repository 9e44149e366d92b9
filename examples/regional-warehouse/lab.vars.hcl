# For the hosts of `make lab`: -var-file=lab.vars.hcl
hosts = {
  regions   = { eu = "host1", us = "host2" }
  warehouse = "host3"
}
