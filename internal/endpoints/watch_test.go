package endpoints_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/endpoints"
)

// watched runs a watcher over servers that change after looks, until it has handed on so many
// answers or said something; it returns their summaries, one a line, without repetitions.
func watched(t *testing.T, s *stand, enough func(answers []string, said string) bool) ([]string, string) {
	t.Helper()
	top := load(t, three)
	ctx, end := context.WithTimeout(t.Context(), time.Minute)
	defer end()
	var answers []string
	said := ""
	check := func() {
		if enough(answers, said) {
			end()
		}
	}
	err := endpoints.Watch(endpoints.New(endpoints.Only(top, top.Clusters[0]), s, time.Second, facts.Branch{})).Run(ctx, func(a endpoints.Answer) error {
		text, _, _ := strings.Cut(summary(a), "\n")
		if len(answers) == 0 || answers[len(answers)-1] != text {
			answers = append(answers, text)
		}
		check()
		return nil
	}, func(text string) { said += text + "\n"; check() })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("%v\n%s\n%s", err, strings.Join(answers, "\n"), said)
	}
	return answers, said
}

// TestWatchDoesNotFlap: a standby goes out at once, and comes in again after several looks in which it
// was well within the limit.
func TestWatchDoesNotFlap(t *testing.T) {
	t.Parallel()
	s := healthy()
	back := 0
	s.glanced = func(s *stand, look int) {
		switch look {
		case 2:
			s.server("pg2").Receiver.ReplayPaused = true
		case 6:
			s.server("pg2").Receiver.ReplayPaused = false
			back = look
		}
	}
	answers, _ := watched(t, s, func(answers []string, _ string) bool { return len(answers) == 3 })
	want := []string{"write pg1, read pg2 pg3", "write pg1, read pg3", "write pg1, read pg2 pg3"}
	if strings.Join(answers, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q", answers)
	}
	if looks := (s.looks - back) / 2; looks < 3 { // each look has a second one at the primary
		t.Errorf("it is read from again after %d looks", looks)
	}
}

// TestWatchKeeps: while the primary cannot be read nothing is handed on, and it is said why.
func TestWatchKeeps(t *testing.T) {
	t.Parallel()
	s := healthy()
	s.glanced = func(s *stand, look int) {
		if look == 2 {
			s.nodes["pg1"].Server = nil
		}
	}
	answers, said := watched(t, s, func(_ []string, said string) bool { return said != "" })
	if len(answers) != 1 || !strings.Contains(said, "pg1, which led last, could not be read: what was written stays") {
		t.Errorf("%q; it says %s", answers, said)
	}
}

// TestWatchBlind: a watcher that starts while the primary cannot be read hands on nothing.
func TestWatchBlind(t *testing.T) {
	t.Parallel()
	s := healthy()
	s.nodes["pg1"] = &facts.Node{Name: "pg1", Error: &facts.ReadError{Text: "no route to host"}}
	answers, said := watched(t, s, func(_ []string, said string) bool { return said != "" })
	if len(answers) != 0 || !strings.Contains(said, "pg1 could not be read, and may lead: what was written stays") {
		t.Errorf("%q; it says %s", answers, said)
	}
}

// TestWatchRefuses: with two primaries nobody is given, at once.
func TestWatchRefuses(t *testing.T) {
	t.Parallel()
	s := healthy()
	s.glanced = func(s *stand, look int) {
		if look == 2 {
			s.promote("pg2", 2)
		}
	}
	answers, _ := watched(t, s, func(answers []string, _ string) bool { return len(answers) == 2 })
	if answers[1] != "write none, read" {
		t.Errorf("%q", answers)
	}
}

// file is a File in a directory of the test; its command adds a line to a log.
func file(t *testing.T, dir, command string) *endpoints.File {
	t.Helper()
	return &endpoints.File{Path: filepath.Join(dir, "shop.cfg"), Command: command, Comment: "# ", Output: io.Discard, Write: func(path string, write func(io.Writer) error) error {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			return err
		}
		return os.WriteFile(path, b.Bytes(), 0o644)
	}}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

// TestPublish: the file is written, and the command run, only where something has changed.
func TestPublish(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	publish := func(f *endpoints.File, key, text string) {
		t.Helper()
		if err := f.Publish(t.Context(), key, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	f := file(t, dir, "echo ran >>"+log)
	publish(f, "a", "# at 1\nserver a\n")
	publish(f, "a", "# at 2\nserver a\n")
	publish(file(t, dir, f.Command), "a", "# at 3\nserver a\n") // another run finds the same
	if got := read(t, f.Path) + read(t, log); got != "# at 1\nserver a\nran\n" {
		t.Errorf("%q", got)
	}
	publish(f, "b", "# at 4\nserver b\n")
	if got := read(t, f.Path) + read(t, log); got != "# at 4\nserver b\nran\nran\n" {
		t.Errorf("%q", got)
	}
}

// TestPublishOwed: a command that failed, or that a run which was killed did not come to, is run again.
func TestPublishOwed(t *testing.T) {
	dir := t.TempDir()
	log, gate := filepath.Join(dir, "log"), filepath.Join(dir, "gate")
	command := fmt.Sprintf("test -e %s && echo ran >>%s", gate, log)
	if err := file(t, dir, command).Publish(t.Context(), "a", []byte("server a\n")); err == nil {
		t.Error("the command cannot have succeeded")
	}
	if err := os.WriteFile(gate, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := file(t, dir, command).Publish(t.Context(), "a", []byte("server a\n")); err != nil {
			t.Error(err)
		}
	}
	if got := read(t, log); got != "ran\n" {
		t.Errorf("%q", got)
	}
}
