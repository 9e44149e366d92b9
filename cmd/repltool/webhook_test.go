package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWebhook: what differs is sent once; what could not be sent is sent by the next run; the URL
// is shown nowhere.
func TestWebhook(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("main.hcl", []byte(oneServer), 0o600); err != nil {
		t.Fatal(err)
	}
	var bodies, keys []string
	code := http.StatusBadRequest
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		bodies, keys = append(bodies, string(text)), append(keys, r.Header.Get("Idempotency-Key"))
		w.WriteHeader(code)
	}))
	defer server.Close()
	state := filepath.Join("state", "drift.json")
	environment := map[string]string{"REPLTOOL_WEBHOOK_SECRET": "canary-key"}
	drift := func(want int, flags ...string) string {
		t.Helper()
		args := append([]string{"drift", "-webhook=" + server.URL + "/services/canary", "-state-file=" + state}, flags...)
		got, out, err := in(t, &stand{found: fresh()}, environment, args...)
		if got != want || strings.Contains(out+err, "canary") {
			t.Errorf("exit code %d, want %d\n%s%s", got, want, out, err)
		}
		return err
	}
	if err := drift(2); !strings.Contains(err, "-webhook: http://127.0.0.1:") || !strings.Contains(err, "400 Bad Request") {
		t.Errorf("a webhook that fails is not reported:\n%s", err)
	}
	if _, err := os.Stat(state); err == nil {
		t.Error("what was not sent counts as sent")
	}
	code = http.StatusNoContent
	drift(2)
	drift(2)
	if len(bodies) != 2 || keys[0] != keys[1] || !strings.Contains(bodies[1], `"address": "cluster.main.role.app"`) {
		t.Errorf("%d alarms, keys %v\n%s", len(bodies), keys, strings.Join(bodies, "\n"))
	}
	if info, err := os.Stat(state); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the state: %v, %v", info, err)
	}
	for _, body := range append(bodies, contents(t, state)) {
		if strings.Contains(body, "canary") {
			t.Errorf("a secret is sent or kept:\n%s", body)
		}
	}
	if err := drift(1, "-webhook-format=xml"); !strings.Contains(err, "must be json, slack or alertmanager") {
		t.Error(err)
	}
	drift(2, "-webhook-format=slack", "-state-file=other.json")
	drift(2, "-webhook-format=alertmanager", "-state-file=third.json")
	drift(2, "-webhook-format=alertmanager", "-state-file=third.json")
	if len(bodies) != 5 || !strings.HasPrefix(bodies[2], `{"text":`) || !strings.HasPrefix(bodies[4], "[") {
		t.Errorf("%d alarms\n%s", len(bodies), strings.Join(bodies[2:], "\n"))
	}
}
