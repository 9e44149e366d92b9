package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// receiver answers with these codes, one after another, and keeps what it got.
type receiver struct {
	codes []int
	keys  []string
	signs []string
	body  string
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	text, _ := io.ReadAll(request.Body)
	r.body = string(text)
	r.keys = append(r.keys, request.Header.Get("Idempotency-Key"))
	r.signs = append(r.signs, request.Header.Get("X-Repltool-Signature-256"))
	code := r.codes[min(len(r.keys), len(r.codes))-1]
	if code == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "3600")
	}
	if code == http.StatusFound {
		w.Header().Set("Location", "http://127.0.0.2:1/canary")
	}
	w.WriteHeader(code)
}

// send sends one body to a receiver, and returns the pauses between attempts.
func send(t *testing.T, r *receiver) (pauses []time.Duration, err error) {
	t.Helper()
	server := httptest.NewServer(r)
	defer server.Close()
	u, err := Parse(server.URL + "/canary-path?token=canary")
	if err != nil {
		t.Fatal(err)
	}
	h := Hook{URL: u, Secret: "key", Pause: func(_ context.Context, d time.Duration) error { pauses = append(pauses, d); return nil }}
	return pauses, h.Send(t.Context(), "shop-1", []byte(`{"a":1}`))
}

func TestSend(t *testing.T) {
	for _, c := range []struct {
		codes  []int
		tries  int
		pauses []time.Duration
		fails  bool
	}{
		{[]int{200}, 1, nil, false},
		{[]int{503, 502, 204}, 3, []time.Duration{time.Second, 2 * time.Second}, false},
		{[]int{429, 200}, 2, []time.Duration{mostPause}, false},
		{[]int{500}, 3, []time.Duration{time.Second, 2 * time.Second}, true},
		{[]int{400}, 1, nil, true},
		{[]int{302}, 1, nil, true},
	} {
		r := &receiver{codes: c.codes}
		pauses, err := send(t, r)
		if (err != nil) != c.fails || len(r.keys) != c.tries || !slices.Equal(pauses, c.pauses) {
			t.Errorf("%v: %v after %d attempts, pauses %v", c.codes, err, len(r.keys), pauses)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("the error shows the URL: %v", err)
		}
		mac := hmac.New(sha256.New, []byte("key"))
		mac.Write([]byte(r.body))
		want := "sha256=" + hex.EncodeToString(mac.Sum(nil))
		for i := range r.keys {
			if r.keys[i] != "shop-1" || r.signs[i] != want {
				t.Errorf("%v: attempt %d has the key %q and the signature %q", c.codes, i+1, r.keys[i], r.signs[i])
			}
		}
	}
}

// TestNobodyListens: an error of the network does not show the URL either.
func TestNobodyListens(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	u, err := Parse(server.URL + "/canary")
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	pauses := 0
	err = Hook{URL: u, Pause: func(context.Context, time.Duration) error { pauses++; return nil }}.Send(t.Context(), "x", nil)
	if err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "refused") || pauses != attempts-1 {
		t.Errorf("%v, %d pauses", err, pauses)
	}
}

func TestParse(t *testing.T) {
	for _, text := range []string{"", "canary", "ftp://canary/x", "https://", "https://ho st/canary", "https:///canary"} {
		if _, err := Parse(text); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestLoad: what cannot be used is a first run, and says why; that there is no file is no news.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ text, why string }{
		"none":    {"", ""},
		"damaged": {`{"version":1,`, "damaged"},
		"newer":   {`{"version":9,"topology":"shop"}`, "another version"},
		"other":   {`{"version":1,"topology":"crm"}`, "topology crm"},
	} {
		path := filepath.Join(dir, name)
		if c.text != "" {
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, why := Load(path, "shop")
		if s.Version != stateVersion || s.Topology != "shop" || s.Findings == nil || (why == "") != (c.why == "") || !strings.Contains(why, c.why) {
			t.Errorf("%s: %+v, %q", name, s, why)
		}
	}
}

func TestStateFile(t *testing.T) {
	all := map[string]string{"HOME": "/home/a", "XDG_STATE_HOME": "/x", "STATE_DIRECTORY": "/var/lib/repltool:/other"}
	for _, c := range []struct{ without, want string }{
		{"", "/var/lib/repltool/shop.json"}, {"STATE_DIRECTORY", "/x/repltool/shop.json"}, {"XDG_STATE_HOME", "/home/a/.local/state/repltool/shop.json"},
	} {
		delete(all, c.without)
		if got := StateFile("shop", func(name string) string { return all[name] }); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}
