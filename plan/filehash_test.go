package plan

import (
	"testing"
)

func TestHashRest(t *testing.T) {
	block := "# repltool a: begin\nx\n# repltool a: end\n"
	rest := HashFile([]byte("one\ntwo\n"))
	same := map[string]string{
		"no block":      "one\ntwo\n",
		"block first":   block + "one\ntwo\n",
		"block last":    "one\ntwo\n" + block,
		"block between": "one\n" + block + "two\n",
		"other body":    "one\n# repltool a: begin\ny\nz\n# repltool a: end\ntwo\n",
	}
	for name, text := range same {
		if got, err := HashRest([]byte(text), Block{Name: "a"}); err != nil || got != rest {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	bad := map[string]string{
		"no end":     "# repltool a: begin\nx\n",
		"no begin":   "x\n# repltool a: end\n",
		"nested":     "# repltool a: begin\n" + block,
		"two blocks": block + block,
	}
	for name, text := range bad {
		if got, err := HashRest([]byte(text), Block{Name: "a"}); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got, err := HashRest([]byte(block), Block{Name: "b"}); err != nil || got != HashFile([]byte(block)) {
		t.Errorf("another's block is the user's text: %s, %v", got, err)
	}
}
