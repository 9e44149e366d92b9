package main

import (
	"encoding/json"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/repltool/repltool/plan"
)

// version is set by -ldflags "-X main.version=…".
var version = "dev"

func (a *app) versionCommand() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use: "version [flags]", GroupID: groupSee, Args: atMost(0, "no arguments"),
		Short: "print the version",
		RunE:  func(*cobra.Command, []string) error { return a.version(asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON to stdout")
	return c
}

func (a *app) version(asJSON bool) error {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	if !asJSON {
		a.printf("repltool %s (%s, %s)\n", version, runtime.Version(), platform)
		return nil
	}
	return json.NewEncoder(a.out).Encode(map[string]string{
		"repltool_version": version, "go_version": runtime.Version(), "platform": platform, "format_version": plan.FormatVersion,
	})
}
