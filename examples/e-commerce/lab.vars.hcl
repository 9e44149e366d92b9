# For the hosts of `make lab`: -var-file=lab.vars.hcl
hosts = {
  shop1    = "host1"
  reserve  = "host2"
  product1 = "host3"
  product2 = "host4"
}
