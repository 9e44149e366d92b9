package topology

import (
	"math/big"
	"net/netip"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
)

func parsePrefix(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, function.NewArgErrorf(0, "must be a network in CIDR notation, such as \"10.0.0.0/8\"")
	}
	return p.Masked(), nil
}

// cidrHost returns the address of that number in a network; negative numbers
// count from its end.
func cidrHost(text string, number cty.Value) (cty.Value, error) {
	p, err := parsePrefix(text)
	if err != nil {
		return cty.NilVal, err
	}
	n, err := wholeNumber(number, 1)
	if err != nil {
		return cty.NilVal, err
	}
	size := new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-p.Bits()))
	offset := big.NewInt(int64(n))
	if n < 0 {
		offset.Add(offset, size)
	}
	if offset.Sign() < 0 || offset.Cmp(size) >= 0 {
		return cty.NilVal, function.NewArgErrorf(1, "network %s has no host number %d", p, n)
	}
	return cty.StringVal(addTo(p.Addr(), offset).String()), nil
}

// cidrSubnet returns the network of that number among those that are newbits
// bits smaller.
func cidrSubnet(text string, newbits, number cty.Value) (cty.Value, error) {
	p, err := parsePrefix(text)
	if err != nil {
		return cty.NilVal, err
	}
	more, err := wholeNumber(newbits, 1)
	if err != nil {
		return cty.NilVal, err
	}
	n, err := wholeNumber(number, 2)
	if err != nil {
		return cty.NilVal, err
	}
	free := p.Addr().BitLen() - p.Bits()
	if more < 0 || more > free {
		return cty.NilVal, function.NewArgErrorf(1, "network %s can be extended by 0 to %d bits", p, free)
	}
	if n < 0 || big.NewInt(int64(n)).BitLen() > more {
		return cty.NilVal, function.NewArgErrorf(2, "%d bits cannot hold network number %d", more, n)
	}
	offset := new(big.Int).Lsh(big.NewInt(int64(n)), uint(free-more))
	return cty.StringVal(netip.PrefixFrom(addTo(p.Addr(), offset), p.Bits()+more).String()), nil
}

func addTo(a netip.Addr, offset *big.Int) netip.Addr {
	sum := new(big.Int).Add(new(big.Int).SetBytes(a.AsSlice()), offset)
	bytes := sum.FillBytes(make([]byte, a.BitLen()/8))
	out, _ := netip.AddrFromSlice(bytes) // the length is that of an address
	return out
}

// textOf returns a value as text, "" when it is none.
func textOf(v cty.Value) string {
	text, err := convert.Convert(v, cty.String)
	if err != nil || text.IsNull() || !text.IsKnown() {
		return ""
	}
	return text.AsString()
}
