package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// The limits of sending: a receiver that is slow or gone costs a run less than a minute.
const (
	timeout    = 10 * time.Second
	attempts   = 3
	firstPause = time.Second
	mostPause  = 10 * time.Second // what a receiver may ask for by Retry-After
)

// Hook is where alarms go.
type Hook struct {
	URL    *url.URL
	Secret string // by which the body is signed; "" for no signature
	Agent  string
	// Pause waits between two attempts; nil by the clock.
	Pause func(context.Context, time.Duration) error
}

// Parse reads the URL of a hook. It may be a secret by itself, so that no error quotes it.
func Parse(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("must be a URL that begins with https:// or http://")
	}
	return u, nil
}

// String is the hook without what may be secret: its user, path and query.
func (h Hook) String() string { return h.URL.Scheme + "://" + h.URL.Host + "/…" }

// Send posts a body under a name, which is that of all its attempts. Only what may be over soon
// is tried again: an error of the network, 429, and those of the server.
func (h Hook) Send(ctx context.Context, id string, body []byte) error {
	pause := h.Pause
	if pause == nil {
		pause = wait
	}
	client := &http.Client{Timeout: timeout, CheckRedirect: h.stay}
	next := firstPause
	for attempt := 1; ; attempt++ {
		after, again, err := h.post(ctx, client, id, body)
		if err == nil {
			return nil
		}
		if !again || attempt == attempts || ctx.Err() != nil {
			return fmt.Errorf("%s: %w", h, err)
		}
		if err := pause(ctx, min(max(after, next), mostPause)); err != nil {
			return fmt.Errorf("%s: %w", h, err)
		}
		next *= 2
	}
}

// stay follows a redirect to the same host alone: another one is not to get the body.
func (h Hook) stay(r *http.Request, via []*http.Request) error {
	if r.URL.Host != h.URL.Host || r.URL.Scheme != h.URL.Scheme || len(via) > 3 {
		return http.ErrUseLastResponse
	}
	return nil
}

// post makes one attempt; after is how long the receiver asks to wait.
func (h Hook) post(ctx context.Context, client *http.Client, id string, body []byte) (after time.Duration, again bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL.String(), bytes.NewReader(body))
	if err != nil {
		return 0, false, cause(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", h.Agent)
	r.Header.Set("Idempotency-Key", id)
	if h.Secret != "" {
		mac := hmac.New(sha256.New, []byte(h.Secret))
		mac.Write(body)
		r.Header.Set("X-Repltool-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, true, cause(err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // it may quote the URL, and is not shown
	switch code := answer.StatusCode; {
	case code >= 200 && code < 300:
		return 0, false, nil
	case code >= 300 && code < 400:
		return 0, false, fmt.Errorf("the receiver answered %s: redirects to another host are not followed", answer.Status)
	default:
		seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
		return time.Duration(seconds) * time.Second, code == http.StatusTooManyRequests || code >= 500, fmt.Errorf("the receiver answered %s", answer.Status)
	}
}

// cause is an error without the URL.
func cause(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
