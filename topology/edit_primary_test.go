package topology

import (
	"strings"
	"testing"
)

// TestMovePrimary swaps two members in every way in which they are written, and leaves the
// rest of the file byte for byte.
func TestMovePrimary(t *testing.T) {
	for _, test := range []struct{ name, text, from, to, want string }{
		{
			"a list",
			"# head\ncluster \"main\" {\n  primary  = node.pg1 # leads\n  standbys = [node.pg2,   node.pg3] # follow\n  role \"r\" {}\n}\n", "node.pg1", "node.pg2",
			"# head\ncluster \"main\" {\n  primary  = node.pg2 # leads\n  standbys = [node.pg1,   node.pg3] # follow\n  role \"r\" {}\n}\n",
		},
		{
			"for_each of nodes",
			"cluster \"main\" {\n  primary = node.pg[\"pg1\"]\n  standbys = [node.pg[\"pg10\"], node.pg[\"pg2\"]]\n}\n", `node.pg["pg1"]`, `node.pg["pg2"]`,
			"cluster \"main\" {\n  primary = node.pg[\"pg2\"]\n  standbys = [node.pg[\"pg10\"], node.pg[\"pg1\"]]\n}\n",
		},
		{
			"blocks, an upstream and a set",
			"cluster \"main\" {\n  primary = node.pg1\n  standby {\n    node = node.pg2 // near\n    upstream = node.pg1\n  }\n  standby {\n    node     = node.pg3\n    upstream = node.pg2\n  }\n  synchronous {\n    standbys = [\n      node.pg3,\n      node.pg2,\n    ]\n  }\n}\n", "node.pg1", "node.pg2",
			"cluster \"main\" {\n  primary = node.pg2\n  standby {\n    node = node.pg1 // near\n    upstream = node.pg2\n  }\n  standby {\n    node     = node.pg3\n    upstream = node.pg2\n  }\n  synchronous {\n    standbys = [\n      node.pg3,\n      node.pg1,\n    ]\n  }\n}\n",
		},
		{"a local", "cluster \"main\" {\n  primary = local.first\n  standbys = [node.pg2]\n}\n", "node.pg1", "node.pg2", "primary of cluster.main is not written as node.pg1"},
		{"no such standby", "cluster \"main\" {\n  primary = node.pg1\n  standbys = local.others\n}\n", "node.pg1", "node.pg2", "pg2 is not written as node.pg2 among the standbys of cluster.main"},
		{"a cluster with for_each", "cluster \"other\" {}\n", "node.pg1", "node.pg2", "there is no block cluster"},
	} {
		node := func(id string) *Node {
			return &Node{ID: id, Name: strings.Trim(id[strings.IndexAny(id, "\"")+1:], "\"]node.")}
		}
		got, err := MovePrimary([]byte(test.text), &Cluster{Name: "main", ID: "cluster.main", Primary: node(test.from)}, node(test.to))
		if err != nil {
			got = []byte(err.Error())
		}
		if string(got) != test.want && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s:\n%s\nwant:\n%s", test.name, got, test.want)
		}
	}
}
