# For the hosts of `make lab`: -var-file=lab.vars.hcl
hosts = {
  old = "host1"
  new = "host2"
}
