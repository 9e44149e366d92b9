package topology

import (
	"fmt"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// A topology can ask for more time or memory than there is: a text that is doubled forty
// times, a product of lists. What a local value or variable holds is limited, and so is what
// one function allocates at once. An expression of HCL cannot be interrupted: to load a
// topology as a whole has a limit of time and memory, after which it is left where it is.

const (
	mostReferences = 500              // how many declarations refer to each other in a chain
	mostElements   = 1_000_000        // elements of a value, those within elements included
	mostText       = 2 * longestFile  // bytes of the texts within a value
	mostMemory     = 512 << 20        // what loading allocates
	mostTime       = 20 * time.Second // how long loading takes
)

// place is the address that is being evaluated.
type place struct{ address atomic.Value }

func (p *place) set(address string) {
	if p != nil {
		p.address.Store(address)
	}
}

func (p *place) String() string {
	if address, ok := p.address.Load().(string); ok {
		return address
	}
	return "the files"
}

// loaded is what loading came to, or its panic.
type loaded struct {
	topology    *Topology
	diagnostics hcl.Diagnostics
	panicked    any
}

// bounded loads within the limits of time and memory. What goes beyond is left running: the
// program ends soon after an error in the topology.
func bounded(dir string, most time.Duration, load func(*place) (*Topology, hcl.Diagnostics)) (*Topology, hcl.Diagnostics) {
	at, done := &place{}, make(chan loaded, 1)
	before := heap()
	go func() {
		var l loaded
		defer func() {
			if p := recover(); p != nil {
				l.panicked = fmt.Sprintf("%v\n%s", p, debug.Stack())
			}
			done <- l
		}()
		l.topology, l.diagnostics = load(at)
	}()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	end := time.After(most)
	for {
		select {
		case l := <-done:
			if l.panicked != nil {
				panic(l.panicked)
			}
			return l.topology, l.diagnostics
		case <-look.C:
			if now := heap(); now > before && now-before > mostMemory {
				return tooMuch(dir, "Evaluating %s requires more than %d MB of memory.", at, mostMemory>>20)
			}
		case <-end:
			return tooMuch(dir, "Evaluating %s takes longer than %.0f seconds.", at, most.Seconds())
		}
	}
}

func tooMuch(dir, format string, args ...any) (*Topology, hcl.Diagnostics) {
	return &Topology{Dir: dir, Variables: map[string]string{}, Secrets: Secrets{}, Files: map[string]*hcl.File{}},
		hcl.Diagnostics{failure("Topology too large to evaluate", format+" Look for a \"for\" expression, a product of lists, "+
			"or a string that grows with each local value, and make it smaller.", args...)}
}

// heap returns how many bytes are allocated.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// withinLimits refuses the value of a local or variable that is too large to be used: the
// next one may hold it several times.
func (e *evaluator) withinLimits(decl *declaration, v cty.Value) cty.Value {
	if decl.kind != "local" && decl.kind != "var" {
		return v
	}
	var s size
	if s.add(v, 0); s.fits() {
		return v
	}
	e.add(problem(decl.at, "Value too large",
		"The value of %s has more than %d elements, %d MB of text, or %d levels. Make it smaller.",
		decl.address, mostElements, mostText>>20, mostLevels))
	return cty.DynamicVal
}

// size is how large a value is.
type size struct{ elements, text, depth int }

func (s *size) fits() bool {
	return s.elements <= mostElements && s.text <= mostText && s.depth <= mostLevels
}

func (s *size) add(v cty.Value, depth int) {
	s.elements++
	s.depth = max(s.depth, depth)
	v, _ = v.Unmark()
	switch {
	case !s.fits() || v.IsNull() || !v.IsKnown():
	case v.Type() == cty.String:
		s.text += len(v.AsString())
	case v.CanIterateElements():
		for it := v.ElementIterator(); it.Next() && s.fits(); {
			key, element := it.Element()
			if key.Type() == cty.String && key.IsKnown() && !v.Type().IsSetType() {
				s.text += len(key.AsString())
			}
			s.add(element, depth+1)
		}
	}
}
