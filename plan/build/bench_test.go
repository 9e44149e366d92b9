package build

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// BenchmarkBuild plans 1,000 nodes (250 clusters of a primary and three standbys)
// of which every tenth has something to change. Each cluster has a password of its
// own, to be compared with a verifier: of PostgreSQL's 4,096 iterations, or of one
// (scram_iterations = 1), which leaves the plan's own time.
func BenchmarkBuild(b *testing.B) {
	for name, iterations := range map[string]int{"cheap": 1, "4096": 4096} {
		top := manyClusters(clustersBuilt)
		f := converged(&testing.T{}, top)
		for i, c := range top.Clusters {
			role := &f.Nodes[c.Primary.Name].Server.Roles[0]
			role.Verifier = topology.NewSecret("", verifier(b, c.Roles[0].Password.Reveal(), fmt.Sprintf("salt of %8d", i), iterations))
		}
		for i := 0; i < clustersBuilt; i += 10 {
			alter(&testing.T{}, f, top, fmt.Sprintf("n%d-1 alter-system work_mem 1", i))
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				if p, diags := Build(top, f, cluster.Options{}); diags.HasErrors() || len(p.Changes) != clustersBuilt/10 {
					b.Fatalf("%v, %d changes", diags, len(p.Changes))
				}
			}
		})
	}
}

const clustersBuilt = 250

// TestManyClusters: the world that BenchmarkBuild plans has nothing to change but what
// it changes there.
func TestManyClusters(t *testing.T) {
	top := manyClusters(3)
	if p, diags := Build(top, converged(t, top), cluster.Options{}); diags.HasErrors() || len(p.Changes) > 0 {
		t.Errorf("%v, %d changes", diags, len(p.Changes))
	}
}

// BenchmarkDerive derives as many keys as BenchmarkBuild compares, on all cores.
func BenchmarkDerive(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		var all sync.WaitGroup
		for i := range clustersBuilt {
			all.Go(func() { verifier(b, "secret", fmt.Sprintf("salt of %8d", i), 4096) })
		}
		all.Wait()
	}
}

// verifier makes a verifier of any number of iterations (RFC 5802, section 3).
func verifier(b *testing.B, password, salt string, iterations int) string {
	key, err := pbkdf2.Key(sha256.New, password, []byte(salt), iterations, sha256.Size)
	if err != nil {
		b.Fatal(err)
	}
	sign := func(text string) []byte {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	stored := sha256.Sum256(sign("Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, encode([]byte(salt)), encode(stored[:]), encode(sign("Server Key")))
}

// manyClusters makes clusters of four nodes without the language.
func manyClusters(n int) *topology.Topology {
	top := &topology.Topology{Secrets: map[string]topology.Secret{}}
	for i := range n {
		role := &topology.Role{
			Name: "replicator", Login: true, Replication: true, Inherit: true, ConnectionLimit: -1,
			Password: topology.NewSecret(fmt.Sprintf("cluster.c%d.role.replicator.password", i), fmt.Sprintf("secret %d", i)),
		}
		top.Secrets[role.Password.Ref] = role.Password
		c := &topology.Cluster{
			Name: fmt.Sprintf("c%d", i), ID: fmt.Sprintf("cluster.c%d", i), Slots: true,
			Parameters:  topology.Parameters{"work_mem": {Value: "64MB"}, "max_connections": {Value: "200"}},
			Replication: topology.Replication{Role: role, SSLMode: "prefer", Method: "scram-sha-256"},
			Roles:       []*topology.Role{role}, BaseBackup: topology.BaseBackup{Checkpoint: "fast", Verify: true},
		}
		for j := range 4 {
			node := &topology.Node{Name: fmt.Sprintf("n%d-%d", i, j), Address: fmt.Sprintf("10.%d.%d.%d", i/200, i%200, j+1), Port: 5432}
			node.ID, node.Host = "node."+node.Name, node.Address
			top.Nodes = append(top.Nodes, node)
			if j == 0 {
				c.Primary = node
				continue
			}
			c.Standbys = append(c.Standbys, &topology.Standby{Node: node, Upstream: c.Primary, Slot: strings.ReplaceAll(node.Name, "-", "_")})
		}
		c.Synchronous = &topology.Synchronous{Method: "any", Number: 1, Standbys: []*topology.Node{c.Standbys[0].Node, c.Standbys[1].Node}}
		top.Clusters = append(top.Clusters, c)
	}
	return top
}

// BenchmarkMany plans a publication and a subscription of 10,000 tables, as they are and
// where the subscription is missing, and 5,000 roles that are missing.
func BenchmarkMany(b *testing.B) {
	for name, world := range map[string]func(testing.TB) (*topology.Topology, facts.Facts){
		"tables": manyTables, "subscription": newSubscription, "roles": manyRoles,
	} {
		top, f := world(b)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				if _, diags := Build(top, f, cluster.Options{}); diags.HasErrors() {
					b.Fatal(diags)
				}
			}
		})
	}
}

// manyTables is a cluster that publishes 10,000 tables and one that subscribes to them.
func manyTables(t testing.TB) (*topology.Topology, facts.Facts) {
	top := manyClusters(2)
	shop := &topology.Publication{Name: "shop", ID: "publication.shop", Cluster: top.Clusters[0], Database: "shop", Publish: topology.Operations()}
	for i := range 10000 {
		shop.Tables = append(shop.Tables, topology.PublishedTable{Table: topology.TableName{Schema: "public", Name: fmt.Sprintf("t%05d", i)}})
	}
	for _, c := range top.Clusters {
		c.Parameters["wal_level"] = topology.Parameter{Value: "logical"}
		c.Parameters["max_locks_per_transaction"] = topology.Parameter{Value: "256"}
		c.Databases = append(c.Databases, &topology.Database{Name: "shop"})
	}
	top.Publications = []*topology.Publication{shop}
	top.Subscriptions = []*topology.Subscription{{
		Name: "shop", ID: "subscription.shop", Cluster: top.Clusters[1], Database: "shop", Publications: []*topology.Publication{shop},
		Role: top.Clusters[0].Roles[0], Options: topology.SubscriptionOptions{Enabled: true, SlotName: "shop"}, CreateSlot: true, CopyData: true,
	}}
	return top, converged(t, top)
}

// newSubscription is the same before there is a subscription.
func newSubscription(t testing.TB) (*topology.Topology, facts.Facts) {
	top, f := manyTables(t)
	publisher := f.Nodes["n0-0"].Server
	publisher.Slots = slices.DeleteFunc(publisher.Slots, func(s facts.Slot) bool { return s.Name == "shop" })
	f.Nodes["n1-0"].Server.Logical["shop"].Subscriptions = nil
	return top, f
}

// manyRoles is a cluster whose 5,000 roles are missing.
func manyRoles(t testing.TB) (*topology.Topology, facts.Facts) {
	top := manyClusters(1)
	f := converged(t, top)
	for i := range 5000 {
		top.Clusters[0].Roles = append(top.Clusters[0].Roles, &topology.Role{Name: fmt.Sprintf("user%04d", i), Login: true, Inherit: true, ConnectionLimit: -1, MemberOf: []string{"replicator"}})
	}
	return top, f
}
