# For the hosts of `make lab`: -var-file=lab.vars.hcl
hosts = { pg1 = "host1" }
