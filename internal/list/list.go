// Package list compares lists of names.
package list

import (
	"maps"
	"slices"
)

// Kept returns the elements of a list of which keep is true.
func Kept[T any](list []T, keep func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), func(x T) bool { return !keep(x) })
}

// Without returns what of a list is not in another one.
func Without[T comparable](list, other []T) []T {
	gone := SetOf(other)
	return slices.DeleteFunc(slices.Clone(list), func(x T) bool { return gone[x] })
}

// SetOf returns the elements as a set, for who asks about many: a list of 10,000 tables is
// not looked through 10,000 times.
func SetOf[T comparable](list []T) map[T]bool {
	set := make(map[T]bool, len(list))
	for _, x := range list {
		set[x] = true
	}
	return set
}

func SameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

func SortedKeys[V any](set map[string]V) []string {
	return slices.Sorted(maps.Keys(set))
}
