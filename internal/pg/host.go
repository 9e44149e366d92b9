package pg

import (
	"net/netip"
	"strings"
)

// SameHost reports whether two texts are one name or one address: names have no case, and
// an IPv6 address may be written in several ways.
func SameHost(a, b string) bool {
	if strings.EqualFold(a, b) {
		return true
	}
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	return errX == nil && errY == nil && x.Unmap() == y.Unmap()
}

func IsAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}

// Covers reports whether a server with these listen_addresses is reached at address.
func Covers(listen, address string) bool {
	for a := range strings.SplitSeq(listen, ",") {
		switch a = strings.TrimSpace(a); {
		case a == "":
		case a == "*", SameHost(a, address), a == "0.0.0.0" && !strings.Contains(address, ":"), a == "::" && strings.Contains(address, ":"):
			return true
		case a == "localhost" && (address == "127.0.0.1" || address == "::1"):
			return true
		}
	}
	return false
}
