package pg

import (
	"slices"
	"strings"
)

// IsWordList recognizes parameters that are a list of words, the case and blanks of
// which mean nothing, and which ALTER … SET stores as they were written.
func IsWordList(name string) bool {
	return slices.Contains([]string{"createrole_self_grant", "datestyle", "log_destination", "restrict_nonsystem_relation_kind", "wal_consistency_checking"}, name)
}

func SameWords(a, b string) bool {
	words := func(text string) []string {
		all := strings.Split(strings.ToLower(text), ",")
		for i := range all {
			all[i] = strings.TrimSpace(all[i])
		}
		return all
	}
	return slices.Equal(words(a), words(b))
}

// IsNameList reports whether the server quotes the parameter's elements (its
// GUC_LIST_QUOTE).
func IsNameList(name string) bool {
	switch name {
	case "local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries", "temp_tablespaces", "unix_socket_directories":
		return true
	}
	return false
}

// SplitNames parts a list of names as the server does: outside double quotes a name
// is folded to small letters, unless it is that of a file.
func SplitNames(setting, value string) []string {
	fold := strings.ToLower
	if setting != "search_path" && setting != "temp_tablespaces" {
		fold = func(s string) string { return s }
	}
	var names []string
	for rest := strings.TrimSpace(value); rest != ""; {
		var name string
		if strings.HasPrefix(rest, `"`) {
			end := 1
			for end < len(rest) && (rest[end] != '"' || end+1 < len(rest) && rest[end+1] == '"') {
				if rest[end] == '"' {
					end++
				}
				end++
			}
			name, rest = strings.ReplaceAll(rest[1:min(end, len(rest))], `""`, `"`), rest[min(end+1, len(rest)):]
			_, rest, _ = strings.Cut(rest, ",")
		} else {
			name, rest, _ = strings.Cut(rest, ",")
			name = fold(strings.TrimSpace(name))
		}
		names, rest = append(names, name), strings.TrimSpace(rest)
	}
	if names == nil {
		return []string{""}
	}
	return names
}

// ParameterName quotes each part of a name with dots.
func ParameterName(name string) string {
	parts := strings.Split(name, ".")
	for i := range parts {
		parts[i] = Ident(parts[i])
	}
	return strings.Join(parts, ".")
}
