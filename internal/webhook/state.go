// Package webhook sends what changed between two runs of drift to a URL, and keeps in a file what
// it has sent. What it sends is made by internal/view/sink.
//
// It is at least once: the file is written after the receiver has accepted, so that what could
// not be sent is sent by the next run, under the same name.
package webhook

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/repltool/repltool/internal/view/sink"
	"github.com/repltool/repltool/topology"
)

const stateVersion = 1

// State is what the run before knew, and how many alarms were sent.
type State struct {
	Version  int         `json:"version"`
	Topology string      `json:"topology"`
	Findings sink.Alerts `json:"findings"`
	Sent     int64       `json:"sent"`
}

// largestState is the size of the file at most.
const largestState = 64 << 20

// Load reads the file. One that is not there, is damaged or is of another topology is that of a
// first run, in which all that is wrong is new; why says so of a file that cannot be used.
func Load(path, topologyName string) (s State, why string) {
	first := State{Version: stateVersion, Topology: topologyName, Findings: sink.Alerts{}}
	text, err := topology.ReadFile(path, largestState)
	if errors.Is(err, fs.ErrNotExist) {
		return first, ""
	}
	if err != nil {
		return first, err.Error()
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return first, path + " is damaged: " + err.Error()
	}
	switch {
	case s.Version != stateVersion:
		return first, path + " was written by another version of repltool"
	case s.Topology != topologyName:
		return first, path + " is of the topology " + s.Topology
	}
	return s, ""
}

// StateFile is where the state of a topology is kept unless told otherwise: the state directory
// of its systemd unit, or the user's.
func StateFile(topologyName string, variable func(name string) string) string {
	name := topologyName + ".json"
	if dir := variable("STATE_DIRECTORY"); dir != "" {
		return filepath.Join(filepath.SplitList(dir)[0], name)
	}
	if dir := variable("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "repltool", name)
	}
	return filepath.Join(variable("HOME"), ".local", "state", "repltool", name)
}

// MakeDir makes the directory of the state file.
func MakeDir(path string) error { return os.MkdirAll(filepath.Dir(path), 0o700) }
