package topology

import "testing"

func TestAddress(t *testing.T) {
	main, eu := Address{Kind: "cluster", Name: "main"}, Address{Kind: "cluster", Name: "main", Key: "eu"}
	for text, want := range map[string]Address{
		"cluster.main":                                main,
		`cluster.main["eu"]`:                          eu,
		"cluster.main.node.pg2":                       main.Object("node", "pg2"),
		"cluster.main.node.pg2.eu":                    main.Object("node", "pg2.eu"),
		"cluster.main.node.pg2.eu.hba":                main.Object("node", "pg2.eu").With(PartHBA),
		"cluster.main.node.pg2.slot.a":                main.Object("node", "pg2").With(PartSlot).With("a"),
		`cluster.main["eu"].role.a.b["c"]`:            eu.Object("role", `a.b["c"]`),
		"cluster.main.synchronous.leaving":            main.Object("synchronous", "").With(PartLeaving),
		"cluster.a.b.standby.c.passfile":              Address{Kind: "cluster", Name: "a.b"}.Object("standby", "c").With(PartPassfile),
		`publication.orders["e.u"].moved`:             {Kind: "publication", Name: "orders", Key: "e.u", Part: PartMoved},
		`cluster.main["eu"].subscription.orders["x"]`: Address{Kind: "subscription", Name: "orders", Key: "x"}.In(eu),
		`cluster.main.role_parameter.work_mem app`:    main.Object("role_parameter", "work_mem app"),
	} {
		if got := ParseAddress(text); got != want {
			t.Errorf("%s is read as %#v, want %#v", text, got, want)
		}
		if got := want.String(); got != text {
			t.Errorf("%#v is written as %s, want %s", want, got, text)
		}
	}
}

func TestAddressContains(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"cluster.main", "cluster.main.node.pg2.hba", true},
		{"cluster.main", `cluster.main["eu"].node.pg2`, false},
		{"cluster.main", "publication.orders", false},
		{"cluster.main.node.pg2", "cluster.main.node.pg2", true},
		{"cluster.main.node.pg2", "cluster.main.node.pg2.parameters", true},
		{"cluster.main.node.pg2", "cluster.main.node.pg2.eu", false},
		{"cluster.main.node.pg2", "cluster.main.node.pg2.eu.hba", false},
		{"cluster.main.role", "cluster.main.role.app", true},
		{"cluster.main.synchronous", "cluster.main.synchronous.leaving", true},
		{"cluster.main.synchronous.leaving", "cluster.main.synchronous", false},
		{"cluster.main.synchronous", "cluster.main.synchronized_slots", false},
		{"publication.orders", "publication.orders.moved", true},
		{"publication.orders", `publication.orders["eu"]`, false},
	} {
		if got := ParseAddress(c.a).Contains(ParseAddress(c.b)); got != c.want {
			t.Errorf("%s contains %s: %v, want %v", c.a, c.b, got, c.want)
		}
	}
}

// FuzzAddress: every text comes back.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"cluster.main", `cluster.a["b.c"].role.d["e"]`, "subscription.x.tables", "..", `cluster.["`, "node"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got := ParseAddress(text).String(); got != text {
			t.Errorf("%q comes back as %q", text, got)
		}
	})
}
