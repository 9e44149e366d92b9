# For the hosts of `make lab`: -var-file=lab.vars.hcl
hosts = {
  pg1 = "host1"
  pg2 = "host2"
  pg3 = "host3"
}
