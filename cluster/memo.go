package cluster

import (
	"sync"
)

// What many kinds ask of a cluster is computed once, when the first one asks: topology and
// facts do not change while a plan is built. A Cluster belongs to one goroutine, and nobody
// writes to a list or a map that it keeps.

// memo keeps what was computed of one cluster, by what it is and what of.
type memo map[memoKey]any

type memoKey struct {
	what string
	of   any
}

// compute returns the value of a key, which the cluster keeps.
func compute[K comparable, V any](s *Cluster, what string, of K, value func() V) V {
	key := memoKey{what, of}
	if v, known := s.memo[key]; known {
		return v.(V)
	}
	v := value()
	if s.memo == nil {
		s.memo = memo{}
	}
	s.memo[key] = v
	return v
}

// sharedMemo keeps what was computed of all clusters; several goroutines ask.
type sharedMemo struct {
	sync.Mutex
	values map[string]any
}

// computeShared is compute for what the clusters of a plan share; value may not ask for
// another of these.
func computeShared[V any](w *World, what string, value func() V) V {
	w.memo.Lock()
	defer w.memo.Unlock()
	if v, known := w.memo.values[what]; known {
		return v.(V)
	}
	v := value()
	if w.memo.values == nil {
		w.memo.values = map[string]any{}
	}
	w.memo.values[what] = v
	return v
}
