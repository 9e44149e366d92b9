package topology

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"reflect"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Hash returns a hash of what the topology means, in hexadecimal. It does not
// see where a text stands, how it is laid out, or what a secret is (only
// whether it is set). Values that are zero do not count, so that an attribute
// that the language gains leaves the hash of older texts alone.
func (t *Topology) Hash() string {
	sum := sha256.New()
	for i, line := range t.canonical() {
		if i > 0 {
			_, _ = io.WriteString(sum, "\n") // never an error, says hash.Hash
		}
		_, _ = io.WriteString(sum, line)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// canonical returns the topology as lines of "path = value".
func (t *Topology) canonical() []string {
	w := &canonicalWriter{}
	for _, n := range t.Nodes {
		w.fields(n.ID, reflect.ValueOf(*n))
	}
	for _, c := range t.Clusters {
		w.fields(c.ID, reflect.ValueOf(*c))
	}
	for _, p := range t.Publications {
		w.fields(p.ID, reflect.ValueOf(*p))
	}
	for _, s := range t.Subscriptions {
		w.fields(s.ID, reflect.ValueOf(*s))
	}
	return w.lines
}

// canonicalWriter goes over the types by reflection, so that no field can be
// forgotten. An object within another one is written by its
// ID, a role that is referred to by its name.
type canonicalWriter struct{ lines []string }

func (w *canonicalWriter) add(path, value string) { w.lines = append(w.lines, path+" = "+value) }

func (w *canonicalWriter) fields(path string, v reflect.Value) {
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			continue
		}
		if field := v.Type().Field(i); field.IsExported() {
			w.value(path+"."+field.Name, v.Field(i))
		}
	}
}

func (w *canonicalWriter) value(path string, v reflect.Value) {
	switch x := v.Interface().(type) {
	case hcl.Range:
		return
	case Secret:
		if x.IsSet() {
			w.add(path, "secret")
		}
		return
	case *Node:
		if x != nil {
			w.add(path, x.ID)
		}
		return
	case *Cluster:
		if x != nil {
			w.add(path, x.ID)
		}
		return
	case *Publication:
		w.add(path, x.ID)
		return
	case *Role:
		if x != nil && strings.HasSuffix(path, ".Role") {
			w.add(path, x.Name)
			return
		}
	}
	w.plain(path, v)
}

func (w *canonicalWriter) plain(path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			w.pointed(path, v.Elem())
		}
	case reflect.Struct:
		w.fields(path, v)
	case reflect.Slice:
		if !v.IsNil() && v.Len() == 0 {
			w.add(path, "[]")
		}
		for i := range v.Len() {
			w.value(fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
	case reflect.Map:
		for _, key := range sortedMapKeys(v) {
			w.value(fmt.Sprintf("%s[%q]", path, key), v.MapIndex(reflect.ValueOf(key)))
		}
	default:
		if !v.IsZero() {
			w.add(path, fmt.Sprintf("%#v", v.Interface()))
		}
	}
}

// pointed writes what a pointer leads to: that it is there counts, even when
// all it holds is zero.
func (w *canonicalWriter) pointed(path string, v reflect.Value) {
	if v.Kind() != reflect.Struct {
		w.add(path, fmt.Sprintf("%#v", v.Interface()))
		return
	}
	w.add(path, "set")
	w.fields(path, v)
}

func sortedMapKeys(m reflect.Value) []string {
	keys := make([]string, 0, m.Len())
	for _, key := range m.MapKeys() {
		keys = append(keys, key.String())
	}
	sort.Strings(keys)
	return keys
}
