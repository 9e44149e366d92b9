package topology

// Words that are reserved for what is not there yet: using one is a clear error, and a later
// version that has it changes no topology.

// reservedAtTop are blocks of their own.
func reservedAtTop() map[string]string {
	return map[string]string{
		"bidirectional": "Multi-primary replication is not supported yet.",
		"module":        "Modules are not supported yet: all files of one directory make one topology.",
		"output":        "Outputs are not supported yet: repltool show -format=json has the topology's values.",
		"patroni":       "Clusters whose settings are managed by Patroni are not supported yet.",
		"policy":        "Data residency rules are not supported yet.",
		"secret":        "Secret blocks are not supported yet. Use env(\"NAME\"), or a variable with sensitive = true.",
	}
}

// reservedInCluster are blocks of a cluster.
func reservedInCluster() map[string]string {
	return map[string]string{
		"fence":   "Fencing is not supported yet.",
		"patroni": reservedAtTop()["patroni"],
		"pooler":  "Connection poolers are not supported yet: repltool neither pauses nor repoints one.",
	}
}

// reservedInStandby are attributes of a standby.
func reservedInStandby() map[string]string {
	return map[string]string{
		"application_name": "A name of its own in the synchronous set is not supported yet: a standby has the name of its node.",
	}
}
