# For the hosts of `make lab`: -var-file=lab.vars.hcl
hosts = {
  north1 = "host1"
  north2 = "host2"
  south1 = "host3"
  south2 = "host4"
  south3 = "host5"
}
