package main

import (
	"context"
	"time"

	"github.com/repltool/repltool/apply"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/importer"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/providers"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/providers/host/ssh"
	"github.com/repltool/repltool/topology"
)

// clusters are a topology's nodes as they live.
type clusters interface {
	// Inspect reads every node, for a plan that replaces what is at these addresses.
	Inspect(ctx context.Context, replace []string) facts.Facts
	// Glance reads where the servers of these nodes, which Inspect read, are now.
	Glance(ctx context.Context, nodes []string, limit time.Duration) map[string]facts.Glance
	// Lock locks what a plan touches.
	Lock(ctx context.Context, p *plan.Plan, o apply.LockOptions) (*apply.Locks, error)
	// Env is the world to run a plan in; of the nodes that Inspect read.
	Env(observer apply.Observer, locks *apply.Locks) apply.Env
	Close() error
}

// connector opens the way to a topology's nodes; nothing is contacted yet.
type connector func(t *topology.Topology, by way) clusters

// way is how nodes are reached and read.
type way struct {
	sshConfig string
	inspect   providers.InspectOptions
}

// connect is the connector of the program: over SSH, and on this machine.
func connect(t *topology.Topology, by way) clusters {
	dial := dialer(ssh.Options{ConfigFile: by.sshConfig})
	return &fleet{topology: t, fleet: providers.Open(t, dial), options: by.inspect}
}

// fleet is clusters over providers.Fleet.
type fleet struct {
	topology *topology.Topology
	fleet    *providers.Fleet
	options  providers.InspectOptions
}

func (f *fleet) Inspect(ctx context.Context, replace []string) facts.Facts {
	o := f.options
	o.Replace = replace
	return f.fleet.Inspect(ctx, o)
}

func (f *fleet) Glance(ctx context.Context, nodes []string, limit time.Duration) map[string]facts.Glance {
	return f.fleet.Glance(ctx, nodes, limit)
}

func (f *fleet) Lock(ctx context.Context, p *plan.Plan, o apply.LockOptions) (*apply.Locks, error) {
	return apply.AcquireLocks(ctx, p, lockable(machines(f.fleet, f.topology)), o)
}

func (f *fleet) Env(observer apply.Observer, locks *apply.Locks) apply.Env {
	return environment(machines(f.fleet, f.topology), f.topology.Secrets, observer, locks)
}

func (f *fleet) Close() error { return f.fleet.Close() }

// lookAround finds what runs on a machine of which no node is known.
func lookAround(ctx context.Context, by way, p importer.Place, names []string) (*host.Survey, error) {
	ctx, cancel := context.WithTimeout(ctx, by.inspect.Timeout)
	defer cancel()
	n := &topology.Node{Name: p.Host, Host: p.Host, SSH: p.SSH, Access: topology.AccessSSH, OSUser: "postgres"}
	conn, err := ssh.Dial(ctx, n, ssh.Options{ConfigFile: by.sshConfig})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return host.LookAround(ctx, conn, names)
}

// sshAlias is how the user's ssh configuration calls an address; "" where it does not.
func sshAlias(by way, address string) string {
	return ssh.Alias(ssh.Options{ConfigFile: by.sshConfig}, address)
}
