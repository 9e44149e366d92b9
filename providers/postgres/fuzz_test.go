package postgres

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/repltool/repltool/internal/pgtest"
)

// realAnswers are those of a server, by section.
func realAnswers(f *testing.F) (server, logical map[string]json.RawMessage) {
	f.Helper()
	s := pgtest.Start(f, pgtest.Options{})
	s.Query(f, "CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t; CREATE ROLE r LOGIN CONNECTION LIMIT 3; ALTER ROLE r SET work_mem = '1MB'; SELECT pg_create_physical_replication_slot('s', true)")
	parameter, err := json.Marshal(LogicalWant{All: true}.parameter())
	if err != nil {
		f.Fatal(err)
	}
	conn := s.Session(f)
	ask := func(query string, parameters ...[]byte) (answers map[string]json.RawMessage) {
		r := conn.ExecParams(context.Background(), query, parameters, nil, nil, nil).Read()
		if r.Err != nil {
			f.Fatal(r.Err)
		}
		if err := json.Unmarshal(r.Rows[0][0], &answers); err != nil {
			f.Fatal(err)
		}
		return answers
	}
	return ask(document(sections(), time.Minute)), ask(logicalQuery(s.Version), parameter)
}

// FuzzRows: a server's answer of any JSON, kind by kind, is read or refused.
func FuzzRows(f *testing.F) {
	for i := range uint(20) {
		for _, v := range []string{"", "null", "[]", "{}", "[null]", "[{}]", `[{"name":null}]`, "true", `"a"`, "1", `[{"name":"a","options":null,"config":["a","b=c",""]}]`, `[[]]`, `{"a":{"b":[]}}`} {
			f.Add(i, []byte(v))
		}
	}
	server, l := realAnswers(f)
	for i, s := range sections() {
		f.Add(uint(i), []byte(server[s.name]))
	}
	logical := logicalSections(18)
	for i, s := range logical {
		f.Add(uint(len(sections())+i), []byte(l[s.name]))
	}
	f.Fuzz(func(t *testing.T, which uint, answer []byte) {
		all := sections()
		answers := map[string]json.RawMessage{"database": json.RawMessage(`"d"`)}
		for _, s := range all {
			answers[s.name] = json.RawMessage("null")
		}
		for _, s := range logical {
			answers[s.name] = json.RawMessage("null")
		}
		if !json.Valid(answer) {
			_, _, _ = decode(all, string(answer))
			_, _ = decodeLogical(string(answer), 18)
			return
		}
		if i := which % uint(len(all)+len(logical)); i < uint(len(all)) {
			answers[all[i].name] = answer
		} else {
			answers[logical[i-uint(len(all))].name] = answer
		}
		text, err := json.Marshal(answers)
		if err != nil {
			t.Fatal(err)
		}
		_, _, _ = decode(all, string(text))
		for _, major := range []int{13, 18} {
			_, _ = decodeLogical(string(text), major)
		}
	})
}
