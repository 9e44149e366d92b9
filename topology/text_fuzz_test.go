package topology

import (
	"math"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// FuzzUnits: a duration or size that is taken is one, and fits PostgreSQL's.
func FuzzUnits(f *testing.F) {
	for _, v := range []string{"", "0", "1h30m", "500ms", " 1.5 h", "24d", "25d", "1e9s", "16MB", "1.5TB", "9e99", "99999999999999999999TB", "1kb", "-1", "0.1us", "1 h 2", "٣s"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d, wrong := parseDuration(text); wrong == "" && (d < 0 || d > math.MaxInt32*time.Millisecond) {
			t.Errorf("%q is %s", text, d)
		}
		if n, wrong := parseSize(text); wrong == "" && n < 0 {
			t.Errorf("%q is %d bytes", text, n)
		}
	})
}

// FuzzTimestamp: a point in time that is taken is written again as the same.
func FuzzTimestamp(f *testing.F) {
	for _, v := range []string{"infinity", "2030-12-31", "2030-12-31 23:59:59+00", "2030-12-31T23:59:59.123456Z", "0000-01-01", "2030-02-30", "9999-12-31 23:59:60", "2030-12-31 10:00"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, ok := ParseTime(text)
		if !ok || timestamp(text) != "" {
			return
		}
		if again, ok := ParseTime(at.Format("2006-01-02 15:04:05.999999-07:00")); !ok || !again.Equal(at) {
			t.Errorf("%q is %s, and then %s, %t", text, at, again, ok)
		}
	})
}

// FuzzCIDR: a network and an address in it are what they are called.
func FuzzCIDR(f *testing.F) {
	f.Add("10.0.0.0/8", int64(1), int64(4), int64(3))
	f.Add("fe80::/10", int64(-1), int64(118), int64(0))
	f.Add("::ffff:10.0.0.0/104", int64(5), int64(0), int64(0))
	f.Add("1.2.3.4/0", int64(math.MaxInt64), int64(32), int64(-1))
	f.Fuzz(func(t *testing.T, text string, host, bits, number int64) {
		network, err := parsePrefix(text)
		if err != nil {
			return
		}
		if v, err := cidrHost(text, cty.NumberIntVal(host)); err == nil && (v.AsString() == "" || !contains(t, network.String(), v.AsString())) {
			t.Errorf("host %d of %s is %s", host, text, v.AsString())
		}
		if v, err := cidrSubnet(text, cty.NumberIntVal(bits), cty.NumberIntVal(number)); err == nil {
			part, err := parsePrefix(v.AsString())
			if err != nil || !network.Contains(part.Addr()) || part.Bits() != network.Bits()+int(bits) || part.String() != v.AsString() {
				t.Errorf("network %d of %s in %d bits is %s", number, text, bits, v.AsString())
			}
		}
	})
}

// contains reports whether the address of a text is in the network of another.
func contains(t *testing.T, network, address string) bool {
	t.Helper()
	p, err := parsePrefix(network)
	if err != nil {
		t.Fatal(err)
	}
	a, err := parsePrefix(address + "/" + map[bool]string{true: "32", false: "128"}[p.Addr().Is4()])
	return err == nil && p.Contains(a.Addr())
}
