package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"

	"github.com/spf13/pflag"

	"github.com/repltool/repltool/internal/view/sink"
	"github.com/repltool/repltool/internal/webhook"
)

// hook are the flags of the webhook.
type hook struct {
	url, format, state string
}

func (h *hook) register(f *pflag.FlagSet) {
	f.StringVar(&h.url, "webhook", "", "post to `URL` what is new and what is resolved since the run before; or REPLTOOL_WEBHOOK_URL")
	f.StringVar(&h.format, "webhook-format", "json", "`FORMAT`: json, slack, alertmanager")
	f.StringVar(&h.state, "state-file", "", "keep in `FILE` what the webhook was sent")
}

// target is where alarms go; nil for nowhere. Its URL and its key are secrets from then on.
func (h *hook) target(a *app) (*webhook.Hook, error) {
	text := cmp.Or(h.url, a.variable("REPLTOOL_WEBHOOK_URL"))
	if text == "" {
		return nil, nil
	}
	if !slices.Contains([]string{"json", "slack", "alertmanager"}, h.format) {
		return nil, fmt.Errorf("-webhook-format=%s: must be json, slack or alertmanager", h.format)
	}
	to, err := webhook.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("-webhook: %w", err)
	}
	secret := a.variable("REPLTOOL_WEBHOOK_SECRET")
	a.redactor.Add(append(secretsOf(to), text, secret)...)
	return &webhook.Hook{URL: to, Secret: secret, Agent: "repltool/" + version}, nil
}

// secretsOf are the parts of a URL that give access by themselves.
func secretsOf(u *url.URL) []string {
	parts := []string{u.RawQuery}
	if len(u.Path) > 1 {
		parts = append(parts, u.Path[1:])
	}
	if password, given := u.User.Password(); given {
		parts = append(parts, password)
	}
	return parts
}

// alarm sends what changed since the run before. The state is written when the receiver has
// accepted, or where there is nothing to send.
func (a *app) alarm(ctx context.Context, h *hook, to *webhook.Hook, run *sink.Run) error {
	path := cmp.Or(h.state, webhook.StateFile(run.Name, a.variable))
	before, why := webhook.Load(path, run.Name)
	if why != "" {
		a.sayf("%s: all that is wrong counts as new.", why)
	}
	alarm := sink.NewAlarm(run, before.Findings)
	after := webhook.State{Version: before.Version, Topology: run.Name, Findings: alarm.Open, Sent: before.Sent}
	again := h.format == "alertmanager" && len(alarm.Open) > 0 // which forgets what is not repeated
	if alarm.Changed() || again {
		after.Sent++
		if err := a.post(ctx, h.format, to, alarm, alarm.ID(after.Sent)); err != nil {
			return err
		}
	}
	if err := webhook.MakeDir(path); err != nil {
		return err
	}
	return writeFile(path, private, a.redacted(func(w io.Writer) error { return json.NewEncoder(w).Encode(after) }))
}

func (a *app) post(ctx context.Context, format string, to *webhook.Hook, alarm *sink.Alarm, id string) error {
	write := map[string]func(io.Writer, string) error{
		"json": alarm.AlarmJSON, "slack": alarm.AlarmSlack, "alertmanager": alarm.AlarmAlertmanager,
	}[format]
	var body bytes.Buffer
	if err := a.redacted(func(w io.Writer) error { return write(w, id) })(&body); err != nil {
		return err
	}
	a.flush() // the result is there, however long the receiver takes
	return to.Send(ctx, id, body.Bytes())
}

// sendAlarm is alarm for a hook that may be none.
func (a *app) sendAlarm(ctx context.Context, s *sinks, run *sink.Run) error {
	if s.target == nil {
		return nil
	}
	if err := a.alarm(ctx, &s.hook, s.target, run); err != nil {
		return fmt.Errorf("-webhook: %w", err)
	}
	return nil
}
