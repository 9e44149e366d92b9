package conftext

import (
	"errors"
	"strings"
	"testing"
)

func TestReplaceBlock(t *testing.T) {
	const block = "# repltool orders: begin\nx = 1\n# repltool orders: end\n"
	for name, tc := range map[string]struct {
		text, body string
		place      Place
		want       string
	}{
		"into nothing":        {"", "x = 1", Last, block},
		"last":                {"a = 1\n", "x = 1\n", Last, "a = 1\n" + block},
		"first":               {"a = 1\n", "x = 1\n", First, block + "a = 1\n"},
		"no line end":         {"a = 1", "x = 1\n", Last, "a = 1\n" + strings.TrimSuffix(block, "\n")},
		"no line end, first":  {"a = 1", "x = 1\n", First, block + "a = 1"},
		"change in place":     {"a = 1\n" + block, "x = 2", Last, "a = 1\n" + strings.Replace(block, "1", "2", 1)},
		"moves to the end":    {"a = 1\n" + block + "b = 2\n", "x = 1", Last, "a = 1\nb = 2\n" + block},
		"moves to the front":  {"a = 1\n" + block + "b = 2\n", "x = 1", First, block + "a = 1\nb = 2\n"},
		"removed":             {"a = 1\n" + block + "b = 2\n", "", Last, "a = 1\nb = 2\n"},
		"removed, no end":     {"a = 1\n" + strings.TrimSuffix(block, "\n"), "", Last, "a = 1"},
		"nothing to remove":   {"a = 1", "", Last, "a = 1"},
		"carriage returns":    {"a = 1\r\n", "x = 1\n", Last, "a = 1\r\n" + strings.ReplaceAll(block, "\n", "\r\n")},
		"another's block":     {strings.ReplaceAll(block, "orders", "other"), "x = 1", Last, strings.ReplaceAll(block, "orders", "other") + block},
		"empty lines of body": {"", "x = 1\n\ny = 2\n", Last, "# repltool orders: begin\nx = 1\n\ny = 2\n# repltool orders: end\n"},
	} {
		got, err := ReplaceBlock(tc.text, "orders", tc.body, tc.place)
		if err != nil || got != tc.want {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, tc.want)
		}
	}
}

func TestFindBlock(t *testing.T) {
	b, err := FindBlock("a\n  # repltool o: begin\r\nx\r\ny\n# repltool o: end", "o")
	if err != nil || !b.Found || b.Body != "x\ny\n" || b.FirstLine != 2 || b.LastLine != 5 {
		t.Errorf("%+v, %v", b, err)
	}
	begin, end := "# repltool o: begin\n", "# repltool o: end\n"
	for text, lines := range map[string][]int{
		"a\n" + begin + "x\n":             {2},
		"a\n" + end:                       {2},
		end + begin:                       {1},
		begin + begin + end:               {1, 2},
		begin + end + "a\n" + begin + end: {1, 4},
		begin + end + end:                 {3},
	} {
		_, err := FindBlock(text, "o")
		var bad *BlockError
		if !errors.As(err, &bad) || len(bad.Lines) != len(lines) || bad.Lines[0] != lines[0] {
			t.Errorf("%q: %v", text, err)
		}
		if got, err := ReplaceBlock(text, "o", "x", Last); err == nil {
			t.Errorf("%q became %q", text, got)
		}
	}
	if _, err := ReplaceBlock("", "o", "x\n# repltool o: end\n", Last); err == nil {
		t.Error("a body with a marker is taken")
	}
}

func FuzzReplaceBlock(f *testing.F) {
	for _, text := range []string{"", "a", "a\n", "a\r\nb", "\n", "# repltool o: begin\nx\n# repltool o: end\nb", "ü\n# repltool o: begin\r\n# repltool o: end"} {
		f.Add(text, "x = 1\n", true)
		f.Add(text, "", false)
	}
	f.Fuzz(func(t *testing.T, text, body string, first bool) {
		place := Last
		if first {
			place = First
		}
		rest, err := ReplaceBlock(text, "o", "", place)
		if err != nil {
			return
		}
		once, err := ReplaceBlock(text, "o", body, place)
		if err != nil {
			return
		}
		twice, err := ReplaceBlock(once, "o", body, place)
		if err != nil || twice != once {
			t.Errorf("twice: %q, %v; once: %q", twice, err, once)
		}
		if b, _ := FindBlock(text, "o"); !b.Found && rest != text {
			t.Errorf("without a block, %q became %q", text, rest)
		}
		if back, err := ReplaceBlock(once, "o", "", place); err != nil || back != rest {
			t.Errorf("taken away: %q, %v; before: %q", back, err, rest)
		}
		if b, err := FindBlock(once, "o"); body != "" && (err != nil || !b.Found) {
			t.Errorf("no block in %q: %v", once, err)
		}
	})
}
